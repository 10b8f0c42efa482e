//! Programs run by the built command: their status, their streams, and what is said when they cannot run.

use std::path::Path;
use std::process::{Command, Output};

/// Runs the command on sources, which the system's compilers compile.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_uruk")).arg("run").args(arguments).current_dir(folder).output().unwrap()
}

fn write(folder: &Path, name: &str, source: &str) {
    std::fs::write(folder.join(name), source).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn status_streams_and_arguments_are_the_programs_own() {
    let folder = tempfile::tempdir().unwrap();
    let source = r#"
        #include <stdio.h>
        int main(int argc, char **argv) {
            fprintf(stderr, "to the side\n");
            for (int i = 1; i < argc; i++) printf("%s,", argv[i]);
            return 40 + argc;
        }"#;
    write(folder.path(), "main.c", source);
    let output = run(folder.path(), &["main.c", "--", "a", "--b"]);
    assert_eq!(output.status.code(), Some(43));
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("a,--b,".into(), "to the side\n".into()));
}

const CLIF: &str = "\
function %main(i32, i64) -> i32 {
    fn0 = %square(i64) -> i64
    fn1 = %report(i64)
block0(v0: i32, v1: i64):
    v2 = uextend.i64 v0
    v3 = call fn0(v2)
    call fn1(v3)
    v4 = iconst.i32 7
    return v4
}
function %square(i64) -> i64 {
block0(v0: i64):
    v1 = imul v0, v0
    return v1
}
";

#[test]
fn clif_runs_beside_c() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "main.clif", CLIF);
    write(folder.path(), "report.c", "#include <stdio.h>\nvoid report(long n) { printf(\"%ld\\n\", n); }");
    let output = run(folder.path(), &["main.clif", "report.c", "--", "a", "b"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(7), "9\n".into()), "{}", text(&output.stderr));
    for (from, to, message) in [
        ("imul v0, v0", "imul v0, v9", "main.clif:13: undefined operand value v9"),
        ("return v1", "return v1, v1", "main.clif:14: function `square` breaks a rule of CLIF: "),
        ("%report", "%reprot", "nothing defines a name that `main` needs:\n  reprot"),
        ("function %main", "target riscv64\nfunction %main", "main.clif is for riscv64, and this is x86_64"),
    ] {
        write(folder.path(), "main.clif", &CLIF.replace(from, to));
        let output = run(folder.path(), &["main.clif", "report.c"]);
        assert_eq!(output.status.code(), Some(125));
        assert!(text(&output.stderr).contains(message), "{message}: {}", text(&output.stderr));
    }
}

#[test]
fn missing_names_are_explained_together() {
    let folder = tempfile::tempdir().unwrap();
    let source = "int first_gone(void), second_gone(void); int almost_gome(void) { return 0; } int almost_gone(void); \
                  int main(void) { return first_gone() + second_gone() + almost_gone(); }";
    write(folder.path(), "main.c", source);
    let output = run(folder.path(), &["main.c"]);
    assert_eq!(output.status.code(), Some(125));
    let errors = text(&output.stderr);
    for part in ["3 names", "first_gone", "second_gone", ".text+0x", "almost_gome", "looked in: main"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    assert_eq!(errors.matches("uruk: error: ").count(), 1, "{errors}");
}

#[test]
fn dylibs_with_the_same_names_stay_apart_and_exceptions_pass_through_all() {
    let folder = tempfile::tempdir().unwrap();
    let library = |name: &str, number: i32| {
        let source = format!(
            "#include <stdexcept>\nint id() {{ return {number}; }}\n\
             extern \"C\" int pass_{name}(int (*next)(int), int depth) {{\n\
             try {{ return next(depth); }} catch (std::logic_error &) {{ return -1; }} }}\n\
             extern \"C\" int id_{name}(void) {{ return id(); }}"
        );
        write(folder.path(), &format!("{name}.cpp"), &source);
    };
    library("one", 1);
    library("two", 2);
    let source = r#"
        #include <cstdio>
        #include <stdexcept>
        extern "C" { int pass_one(int (*)(int), int); int pass_two(int (*)(int), int); int id_one(void); int id_two(void); }
        int id() { return 3; }
        int fail(int depth) { throw std::runtime_error(depth ? "deep" : "flat"); }
        int nested(int depth) { return pass_two(fail, depth); }
        int main() {
            try { pass_one(nested, 1); } catch (std::runtime_error &error) { std::printf("%s ", error.what()); }
            std::printf("%d%d%d\n", id_one(), id_two(), id());
        }"#;
    write(folder.path(), "main.cpp", source);
    let output = run(folder.path(), &["main.cpp", "--jd", "one", "one.cpp", "--jd", "two", "two.cpp"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("deep 123\n".into(), String::new()));
    assert!(output.status.success());
}

#[test]
fn large_thread_local_variables_at_fixed_offsets_have_room() {
    let folder = tempfile::tempdir().unwrap();
    let source = r#"
        #include <pthread.h>
        #include <stdio.h>
        #include <stdlib.h>
        static _Thread_local char big[65536] = {1};
        static void *sum(void *unused) { big[65535]++; return (void *)(long)(big[0] + big[65535]); }
        int main(void) {
            pthread_t thread;
            void *first = sum(NULL), *second;
            pthread_create(&thread, NULL, sum, NULL);
            pthread_join(thread, &second);
            printf("%ld %ld %s\n", (long)first, (long)second, getenv("GLIBC_TUNABLES") ? "changed" : "as it was");
        }"#;
    write(folder.path(), "main.c", source);
    let output = run(folder.path(), &["--cflag", "-ftls-model=local-exec", "main.c"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("2 2 as it was\n".into(), String::new()));
}

#[test]
fn objects_are_shown_as_text() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "f.c", "int variable = 3; int function(void) { return variable; }");
    let status = Command::new("cc").args(["-c", "f.c"]).current_dir(folder.path()).status().unwrap();
    assert!(status.success());
    let output =
        Command::new(env!("CARGO_BIN_EXE_uruk")).arg("inspect").arg(folder.path().join("f.o")).output().unwrap();
    let shown = text(&output.stdout);
    for part in ["sections", ".text", "function", "variable", "R_X86_64_"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
