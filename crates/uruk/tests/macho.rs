//! Mach-O objects, as compilers for Darwin write them, linked and run in this process.

mod support;
#[path = "macho/tables.rs"]
mod tables;

use std::process::Command;
use std::sync::Mutex;
use support::compile;
use uruk::{Input, Jit};

/// Compiles a source for Darwin, whose headers are not at hand.
fn darwin(name: &str, source: &str, flags: &[&str]) -> Input {
    let folder = tempfile::tempdir().unwrap();
    let (path, object) = (folder.path().join(name), folder.path().join("object"));
    std::fs::write(&path, source).unwrap();
    let mut command = Command::new("clang-22");
    command.args(["--target=x86_64-apple-macos13", "-ffreestanding", "-nostdlibinc", "-fno-builtin", "-c"]);
    let output = command.args(flags).arg(&path).arg("-o").arg(&object).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Input::from_bytes(name, std::fs::read(object).unwrap())
}

fn call(jit: &Jit, name: &str, argument: i32) -> i32 {
    // SAFETY: all functions of these tests take an int and return one.
    unsafe { jit.main().function::<extern "C" fn(i32) -> i32>(name).unwrap()(argument) }
}

fn linked(objects: &[Input]) -> Jit {
    let jit = Jit::new().unwrap();
    jit.load_libraries_on_demand(&["libstdc++.so.6"]);
    jit.main().add_objects(objects).unwrap();
    jit.main().initialize().unwrap();
    jit
}

const FLAGS: &[&[&str]] = &[
    &["-O0"],
    &["-O2"],
    &["-O1", "-fno-omit-frame-pointer"],
    &["-O1", "-fomit-frame-pointer"],
    &["-Os", "-mcmodel=large"],
];

#[test]
fn functions_and_variables_of_several_objects() {
    let one = r#"
        extern int shared, common, absent __attribute__((weak_import));
        int twice(int); static int calls = 1; int common; int zero[1000];
        static int (*table[])(int) = { twice, twice };
        const char *text(int n) { return n ? "second" : "first"; }
        int all(int n) {
            calls += 1; common = 5; zero[999] = 7;
            int letters = text(1)[0] + text(0)[1];
            return table[n & 1](n) + shared + calls + common + zero[999] + zero[0] + (&absent ? 1000 : 0) + letters;
        }
        double scaled(double x) { return x * 2.5; }
        int number(int n) { return (int)scaled(n) + n * (int)(1.5f + n); }
        int choose(int n) {
            switch (n) { case 0: return twice(4); case 1: return twice(70); case 2: return shared; case 3: return 12;
                         case 4: return calls; case 5: return number(2); default: return -1; }
        }"#;
    let two = "int shared = 100; extern int common; __attribute__((visibility(\"hidden\"))) int hidden(int n) { return 2 * n; }
        int hidden(int); int twice(int n) { return hidden(n) + common - 5; }";
    for flags in FLAGS {
        let jit = linked(&[darwin("one.c", one, flags), darwin("two.c", two, flags)]);
        assert_eq!(call(&jit, "all", 21), 42 + 100 + 2 + 5 + 7 + i32::from(b's') + i32::from(b'i'), "{flags:?}");
        assert_eq!(call(&jit, "number", 2), 5 + 2 * 3, "{flags:?}");
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(|n| call(&jit, "choose", n)), [8, 140, 100, 12, 2, 11, -1], "{flags:?}");
    }
}

#[test]
fn the_c_library_is_found_without_the_underscore() {
    let source = r#"
        extern int snprintf(char *, unsigned long, const char *, ...); extern int atoi(const char *);
        extern void *stdout; extern int fflush(void *);
        int number(int n) { char text[20]; snprintf(text, sizeof text, "%d%d", n, 7); return atoi(text); }
        int flush(int n) { return fflush(stdout) + n; }"#;
    for flags in FLAGS {
        let jit = linked(&[darwin("libc.c", source, flags)]);
        assert_eq!(call(&jit, "number", 12), 127);
        assert_eq!(call(&jit, "flush", 3), 3);
    }
}

#[test]
fn objects_of_elf_and_of_mach_o_call_each_other() {
    let there = darwin("there.c", "int here(int); int there(int n) { return n ? here(n - 1) + 1 : 0; }", &["-O1"]);
    let here = compile("here.c", "int there(int); int here(int n) { return n ? there(n - 1) + 10 : 0; }", &["-O1"]);
    let jit = linked(&[there, here]);
    assert_eq!(call(&jit, "there", 4), 22);
    assert_eq!(call(&jit, "here", 4), 22);
}

#[test]
fn names_that_differ_by_an_underscore_are_different_functions() {
    // `_name` of C is `__name` there, and `name` of assembly has none.
    let source = "int _name(int n) { return n + 1; } int name(int n) { return n + 2; }
        __asm__(\".globl name\\nname: lea 3(%rdi), %eax\\nret\");
        int assembly(int) __asm__(\"name\"); int all(int n) { return 100 * _name(n) + 10 * name(n) + assembly(n); }";
    let jit = linked(&[darwin("names.c", source, &["-O0"])]);
    assert_eq!(call(&jit, "all", 0), 123);
    assert_eq!(call(&jit, "_name", 0), 1);
}

#[test]
fn thread_local_variables() {
    let source = "_Thread_local int counter = 40; static _Thread_local long zero; _Thread_local char text[100] = \"x\";
        int *place(void) { return &counter; }
        int next(int n) { counter += n; zero += 1; text[zero] = 'a'; return counter + (int)zero + (text[0] == 'x'); }";
    let user = "extern _Thread_local int counter; int other(int n) { return counter + n; }";
    for flags in [&["-O0"][..], &["-O2"]] {
        let jit = linked(&[darwin("variables.c", source, flags), darwin("user.c", user, flags)]);
        assert_eq!(call(&jit, "next", 1), 43);
        assert_eq!(call(&jit, "next", 1), 45);
        assert_eq!(call(&jit, "other", 0), 42);
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!((call(&jit, "next", 1), call(&jit, "other", 5)), (43, 46)));
        });
        assert_eq!(call(&jit, "other", 0), 42);
    }
}

#[test]
fn initialisers_and_finalisers() {
    static CALLS: Mutex<Vec<i32>> = Mutex::new(Vec::new());
    extern "C" fn note(number: i32) {
        CALLS.lock().unwrap().push(number);
    }
    let source =
        "extern \"C\" void note(int); struct One { int n; One(int n) : n(n) { note(n); } ~One() { note(-n); } };
        One first(1); One second(2); __attribute__((constructor)) static void start() { note(3); }
        inline int late() { static One one(4); return one.n; } extern \"C\" int use(int) { return late(); }";
    let jit = Jit::new().unwrap();
    jit.load_libraries_on_demand(&["libstdc++.so.6"]);
    jit.main().define("note", note as *const () as usize as u64);
    jit.main().add_objects(&[darwin("classes.cpp", source, &["-O1", "-fno-exceptions"])]).unwrap();
    jit.main().initialize().unwrap();
    jit.main().initialize().unwrap();
    assert_eq!(call(&jit, "use", 0), 4);
    drop(jit);
    assert_eq!(*CALLS.lock().unwrap(), [3, 1, 2, 4, -4, -2, -1]);
}

#[test]
fn weak_definitions_are_one() {
    let header = "struct Base { virtual ~Base() {} virtual int value() { return 1; } };
        inline int &counter() { static int counter = 5; return counter; }
        template <class T> T same(T n) { return n + counter(); }";
    let one = format!(
        "{header} extern \"C\" int *one(int n) {{ counter() += same(n); return &counter(); }}
        extern \"C\" int base(int) {{ Base base; return base.value(); }} Base *make() {{ return new Base; }}
        void operator delete(void *, unsigned long) noexcept {{}}"
    );
    let two = format!(
        "{header} extern \"C\" int *one(int); struct More : Base {{ int value() override {{ return 2; }} }};
        void *operator new(unsigned long); Base *make();
        extern \"C\" int two(int n) {{ Base *base = make(); More more; Base *other = &more;
            return (one(n) == &counter()) * 1000 + counter() + base->value() + other->value() + same(0); }}"
    );
    for flags in [&["-O0", "-fno-exceptions"][..], &["-O1", "-fno-exceptions"]] {
        let jit = linked(&[darwin("one.cpp", &one, flags), darwin("two.cpp", &two, flags)]);
        assert_eq!(call(&jit, "two", 2), 1000 + 12 + 3 + 12, "{flags:?}");
        assert_eq!(call(&jit, "base", 0), 1);
    }
}

#[test]
fn exceptions_go_through_frames_of_both_formats() {
    let thrower =
        "struct Problem { int n; }; extern \"C\" int thrower(int n) { if (n > 2) throw Problem{n}; return n; }
        extern \"C\" int between(int); struct Guard { int &n; ~Guard() { n += 100; } };
        extern \"C\" int catcher(int n) { int seen = 0; try { Guard guard{seen}; return between(n); }
            catch (Problem &problem) { return seen + problem.n; } }";
    let between = "extern \"C\" int thrower(int); struct Count { int &n; ~Count() { n += 1; } }; static int left;
        extern \"C\" int between(int n) { Count count{left}; return thrower(n) + 10; } extern \"C\" int count(int) { return left; }";
    for flags in
        [&["-O0"][..], &["-O2"], &["-O2", "-fomit-frame-pointer"], &["-O1", "-femit-dwarf-unwind=no-compact-unwind"]]
    {
        let flags = [&["-fexceptions", "-fcxx-exceptions"], flags].concat();
        let thrower = darwin("thrower.cpp", thrower, &flags);
        for between in [darwin("between.cpp", between, &flags), compile("between.cpp", between, &["-O1"])] {
            let jit = linked(&[thrower.clone(), between]);
            assert_eq!(call(&jit, "catcher", 1), 11, "{flags:?}");
            assert_eq!(call(&jit, "catcher", 7), 107, "{flags:?}");
            assert_eq!(call(&jit, "count", 0), 2, "{flags:?}");
        }
    }
}

#[test]
fn bounds_of_sections() {
    let one =
        "extern int first __asm__(\"section$start$__DATA$__numbers\"), last __asm__(\"section$end$__DATA$__numbers\");
        __attribute__((section(\"__DATA,__numbers\"), used)) static int a = 1, b = 20;
        int sum(int n) { for (int *at = &first; at != &last; ++at) n += *at; return n; }";
    let two = "__attribute__((section(\"__DATA,__numbers\"), used)) static int c = 300;";
    let jit = linked(&[darwin("one.c", one, &["-O1"]), darwin("two.c", two, &["-O1"])]);
    assert_eq!(call(&jit, "sum", 4000), 4321);
}

fn run(tool: &str, arguments: &[&str], paths: &[&std::path::Path]) {
    let output = Command::new(tool).args(arguments).args(paths).output().unwrap();
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn archives_and_universal_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, input: &Input| std::fs::write(path(name), &**input).unwrap();
    write("twice.o", &darwin("twice.c", "int twice(int n) { return 2 * n; }", &["-O1"]));
    write("never.o", &darwin("never.c", "int absent(void); int never(int n) { return absent(); }", &["-O1"]));
    write("foreign.o", &darwin("foreign.c", "int twice(int n) { return 0; }", &["--target=arm64-apple-macos13"]));
    for format in ["--format=darwin", "--format=gnu", "--format=bsd"] {
        let archive = path(&format!("lib{format}.a"));
        run("llvm-ar-22", &[format, "rcs"], &[&archive, &path("twice.o"), &path("never.o")]);
        let jit = Jit::new().unwrap();
        jit.main().add_file(&archive).unwrap();
        jit.main()
            .add_objects(&[darwin("user.c", "int twice(int); int four(int n) { return twice(twice(n)); }", &[])])
            .unwrap();
        assert_eq!(call(&jit, "four", 10), 40, "{format}");
    }
    run("llvm-ar-22", &["--format=darwin", "rcs"], &[&path("foreign.a"), &path("foreign.o")]);
    let own = path("lib--format=darwin.a");
    for wide in [&["-create"][..], &["-create", "-fat64"]] {
        for (universal, parts) in
            [("universal.o", [path("foreign.o"), path("twice.o")]), ("universal.a", [path("foreign.a"), own.clone()])]
        {
            let universal = path(universal);
            run("llvm-lipo-22", wide, &[&parts[0], &parts[1], "-output".as_ref(), &universal]);
            let jit = Jit::new().unwrap();
            jit.main().add_file(&universal).unwrap();
            assert_eq!(call(&jit, "twice", 4), 8, "{}", universal.display());
            let text = uruk::inspect(&universal).unwrap();
            assert!(text.contains("(aarch64)") && text.contains("_twice"), "{text}");
        }
    }
    let jit = Jit::new().unwrap();
    let error = jit.main().add_file(&path("foreign.o")).unwrap_err().to_string();
    assert!(error.contains("Mach-O arm64 code, which x86-64 does not run"), "{error}");
}
