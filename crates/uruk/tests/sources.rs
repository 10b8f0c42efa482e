//! Sources in dylibs, compiled when something is missing that they may define.

use uruk::{Jit, LazyJit, Removal};

fn write(folder: &tempfile::TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

type Function = extern "C" fn(i32) -> i32;

fn call(jit: &Jit, name: &str) -> Result<i32, uruk::Error> {
    // SAFETY: all functions here are so declared.
    Ok(unsafe { jit.main().function::<Function>(name)? }(5))
}

#[test]
fn a_source_is_compiled_when_it_is_needed_and_once() {
    let folder = tempfile::tempdir().unwrap();
    for lazy in [false, true] {
        let jit = Jit::builder().lazy_calls(lazy).build().unwrap();
        let f = write(&folder, "f.c", "int g(int); int f(int n) { return g(n) + 1; }");
        let g = write(&folder, "g.c", "int g(int n) { return 2 * n; }");
        for path in [&f, &g, &write(&folder, "broken.c", "int h(int n) { return m; }")] {
            jit.main().add_source(path).unwrap();
        }
        assert_eq!(jit.memory_statistics().live, [0; 3]);
        assert_eq!(call(&jit, "f").unwrap(), 11);
        // Nobody looks at them again.
        write(&folder, "g.c", "int g(int n) { return 3 * n; }");
        assert_eq!(call(&jit, "f").unwrap(), 11);
        assert_eq!(call(&jit, "g").unwrap(), 10);
    }
}

#[test]
fn what_the_compiler_says_is_part_of_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let jit = Jit::new().unwrap();
    jit.main().add_source(&write(&folder, "broken.c", "int f(int n) { return unknown_name; }")).unwrap();
    jit.main().add_source(&write(&folder, "good.c", "int g(int n) { return n; }")).unwrap();
    for _ in 0..2 {
        let error = call(&jit, "f").unwrap_err().to_string();
        assert!(error.starts_with("what may define `f` cannot be compiled: compiling `"), "{error}");
        assert!(error.contains("broken.c:1:") && error.contains("unknown_name"), "{error}");
    }
    // A name that nobody seems to define is looked for everywhere, and what is broken is the likely reason.
    let error = call(&jit, "nobody").unwrap_err().to_string();
    assert!(error.contains("`nobody`") && error.contains("broken.c"), "{error}");
    assert_eq!(call(&jit, "g").unwrap(), 5);
    let check = |name: &str, want: &str| {
        let error = jit.main().add_source(name.as_ref()).unwrap_err().to_string();
        assert!(error.starts_with(want), "{error}");
    };
    check("none.c", "cannot read `none.c`: ");
    check("notes.txt", "`notes.txt` has no ending of a source");
}

#[test]
fn a_dylib_has_its_own_sources() {
    let folder = tempfile::tempdir().unwrap();
    let jit = Jit::builder().lazy_calls(true).build().unwrap();
    let other = jit.create_dylib("other").unwrap();
    jit.main().link_against(&[other]);
    jit.main()
        .add_source(&write(&folder, "f.c", "int g(int); int h(int); int f(int n) { return g(n) + h(n); }"))
        .unwrap();
    jit.main().add_source(&write(&folder, "g.c", "int g(int n) { return 100; }")).unwrap();
    other.add_source(&write(&folder, "g2.c", "int g(int n) { return 200; }")).unwrap();
    other.add_source(&write(&folder, "h.c", "int g(int); int h(int n) { return g(n) + n; }")).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 100 + 200 + 5);
}

#[test]
fn a_lazy_jit_compiles_a_source_when_one_of_its_functions_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let jit = LazyJit::new().unwrap();
    let f = "int g(int); int h(int); int broken(int);
             int f(int n) { return n == 5 ? g(n) + h(n) : broken(n); } int two(int n) { return h(n) + h(n); }";
    jit.main().add_source(&write(&folder, "f.c", f)).unwrap();
    jit.main().add_source(&write(&folder, "g.c", "int h(int); int g(int n) { return h(n) + 100; }")).unwrap();
    jit.main().add_source(&write(&folder, "broken.c", "int broken(int n) { return m; }")).unwrap();
    let path = write(&folder, "h.c", "int h(int n) { return n; }");
    let mut cc = std::process::Command::new("cc");
    assert!(cc.arg("-c").arg(&path).current_dir(folder.path()).status().unwrap().success());
    // Other code of the same dylib: an object, which is a stub until it is called.
    jit.main().add_file(&folder.path().join("h.o")).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 110);
    assert_eq!(call(&jit, "two").unwrap(), 10);
    assert!(jit.session().take_reports().is_empty(), "nobody called what is broken");
    assert!(call(&jit, "broken").unwrap_err().to_string().contains("broken.c:1:"));
}

#[test]
fn initialisers_of_a_lazy_function_run_before_its_first_call() {
    let folder = tempfile::tempdir().unwrap();
    let source = "static int value; __attribute__((constructor)) static void set(void) { value++; }
                  int f(int n) { return value * 10 + n; } int g(int n) { return value * 10 + n; }";
    write(&folder, "f.c", source);
    let mut cc = std::process::Command::new("cc");
    assert!(cc.args(["-c", "f.c"]).current_dir(folder.path()).status().unwrap().success());
    let jit = Jit::new().unwrap();
    let bodies = jit.create_dylib("bodies").unwrap();
    jit.main().lazy_reexport(&bodies, &["f", "g"]).unwrap();
    bodies.add_member(&uruk::read_file(&folder.path().join("f.o")).unwrap()).unwrap();
    assert_eq!(call(&jit, "f").unwrap(), 15);
    assert_eq!(call(&jit, "g").unwrap(), 15);
    Removal::wait(jit.main().clear());
}
