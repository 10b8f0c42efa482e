//! `uruk run --gc-sections`: what is left out, and what is not.

use std::path::Path;
use std::process::{Command, Output};

/// Compiles sources with a section for each function and variable, to objects named after them.
fn compile(folder: &Path, sources: &[(&str, &str)]) {
    for (name, source) in sources {
        std::fs::write(folder.join(name), source).unwrap();
        let mut command = Command::new(if name.ends_with(".cpp") { "g++" } else { "gcc" });
        command.args(["-c", "-O1", "-fno-builtin", "-ffunction-sections", "-fdata-sections", name]);
        assert!(command.current_dir(folder).status().unwrap().success());
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_uruk")).arg("run").args(arguments).current_dir(folder).output().unwrap()
}

/// Runs objects of these sources, collected; expects this status and output.
fn check(sources: &[(&str, &str)], arguments: &[&str], status: i32, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), sources);
    let output = run(folder.path(), &[&["--gc-sections"], arguments].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{errors}");
    let shown = if status == 125 { errors } else { String::from_utf8_lossy(&output.stdout) };
    assert!(shown.contains(text), "{shown}");
}

const DEAD: &str = "int missing(void); int dead(void) { return missing(); } int main(void) { return 3; }";

#[test]
fn what_is_missing_matters_only_where_it_is_reached() {
    check(&[("a.c", DEAD)], &["a.o"], 3, "");
    check(&[("a.c", DEAD)], &["--entry", "dead", "a.o"], 125, "needed by a.o(.text.dead");
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), &[("a.c", DEAD)]);
    assert_eq!(run(folder.path(), &["a.o"]).status.code(), Some(125), "without the option it is an error");
    // The place in the message is one that counts.
    let both = "int missing(void); int dead(void) { return missing(); } int main(void) { return missing(); }";
    check(&[("a.c", both)], &["a.o"], 125, "needed by a.o(.text.main");
    let bound = "extern int __start_none[]; int dead(void) { return *__start_none; } int main(void) { return 4; }";
    check(&[("a.c", bound)], &["a.o"], 4, "");
    let bound = "extern int __start_none[]; int main(void) { return *__start_none; }";
    check(&[("a.c", bound)], &["a.o"], 125, "__start_none");
}

#[test]
fn retained_sections_and_tables_are_kept_with_what_they_reach() {
    let source = "#include <stdio.h>\n\
        extern void (*const __start_hooks[])(void), (*const __stop_hooks[])(void);\n\
        static void one(void) { puts(\"hook\"); }\n\
        __attribute__((used, section(\"hooks\"))) static void (*const hook)(void) = one;\n\
        __attribute__((constructor)) static void before(void) { puts(\"before\"); }\n\
        __attribute__((destructor)) static void after(void) { puts(\"after\"); }\n\
        int main(void) { for (void (*const *f)(void) = __start_hooks; f < __stop_hooks; f++) (*f)(); return 0; }";
    check(&[("a.c", source)], &["a.o"], 0, "before\nhook\nafter\n");
    // That it is kept shows in the error about what it refers to.
    let retained = "int missing(void); __attribute__((retain, used)) static int (*kept)(void) = missing;\n\
        int main(void) { return 0; }";
    check(&[("a.c", retained)], &["a.o"], 125, "missing");
    check(&[("a.c", &retained.replace("retain, ", ""))], &["a.o"], 0, "");
}

#[test]
fn exceptions_are_caught_in_collected_code() {
    let main = "#include <cstdio>\n#include <stdexcept>\nvoid dead_missing();\nvoid raise(int);\n\
        struct Guard { ~Guard() { std::puts(\"unwound\"); } };\n\
        void dead() { try { dead_missing(); } catch (int) { std::puts(\"never\"); } }\n\
        inline int counter() { static int count; return ++count; }\n\
        int main() { for (int i = 0; i < 2; i++) try { Guard guard; raise(counter()); }\n\
        catch (const std::runtime_error &error) { std::printf(\"caught %s\\n\", error.what()); }\n\
        catch (int number) { std::printf(\"caught %d\\n\", number); } }";
    let other = "#include <stdexcept>\nvoid raise(int n) { if (n == 1) throw std::runtime_error(\"one\"); throw n; }\n\
        inline int counter() { static int count; return ++count; }\nint unused() { return counter(); }";
    let sources = [("a.cpp", main), ("b.cpp", other)];
    let text = "unwound\ncaught one\nunwound\ncaught 2\n";
    check(&sources, &["a.o", "b.o"], 0, text);
    check(&sources, &["b.o", "a.o"], 0, text);
}

#[test]
fn names_that_libraries_import_are_roots() {
    let source = "int imported(void) { return 42; } int unused(void) { extern int missing(void); return missing(); }\n\
        int ask(void); int main(void) { return ask(); }";
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), &[("a.c", source)]);
    // The library takes `imported` from the program, which itself does not use it.
    let library = "int __attribute__((weak)) imported(void) { return 1; } int ask(void) { return imported(); }";
    std::fs::write(folder.path().join("l.c"), library).unwrap();
    let mut command = Command::new("gcc");
    command.args(["-shared", "-fPIC", "-o", "libask.so", "l.c"]).current_dir(folder.path());
    assert!(command.status().unwrap().success());
    let output = run(folder.path(), &["--gc-sections", "a.o", "./libask.so"]);
    assert_eq!(output.status.code(), Some(42), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_entry_from_an_archive_reaches_objects_that_were_given_whole() {
    let folder = tempfile::tempdir().unwrap();
    let sources = [
        ("a.c", "int helper(int x) { return x + 1; } int other(void) { return 9; }"),
        ("m.c", "int helper(int);\nint main(void) { return helper(6); }"),
    ];
    compile(folder.path(), &sources);
    let mut command = Command::new("ar");
    assert!(command.args(["rcs", "libm1.a", "m.o"]).current_dir(folder.path()).status().unwrap().success());
    let output = run(folder.path(), &["--gc-sections", "a.o", "libm1.a"]);
    assert_eq!(output.status.code(), Some(7), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn other_dylibs_keep_what_they_export() {
    let main = "#include <dlfcn.h>\nint main(void) { void *other = dlopen(\"other\", RTLD_NOW);\n\
        int (*f)(void) = (int (*)(void))dlsym(other, \"exported\"); void *main = dlopen(0, RTLD_NOW);\n\
        return (f ? f() : 1) + (dlsym(main, \"dead\") ? 100 : 0); } int dead(void) { return 0; }";
    let other = "int exported(void) { return 8; } __attribute__((visibility(\"hidden\"))) int gone(void) {\n\
        extern int missing(void); return missing(); }";
    check(&[("a.c", main), ("b.c", other)], &["a.o", "--jd", "other", "b.o"], 8, "");
}

#[test]
fn a_group_of_another_object_is_no_root() {
    let group = |function: &str| {
        format!(
            ".globl g\n.section .data.g,\"awG\",@progbits,g,comdat\n.weak g\ng: .quad 1\n\
             .section .init_array,\"awG\",@init_array,g,comdat\n.quad {function}\n"
        )
    };
    let main = "int calls; void first(void) { calls++; } int main(void) { extern long g; return calls + g; }";
    let (first, second) = (group("first"), group("missing"));
    let sources = [("a.s", first.as_str()), ("b.s", second.as_str()), ("m.c", main)];
    check(&sources, &["a.o", "b.o", "m.o"], 2, "");
}

#[test]
fn a_bound_of_dropped_descriptions_only_is_missing() {
    let source = ".globl main\n.section .text.main,\"ax\"\nmain: lea __start_meta(%rip),%rax\nret\n\
        .section .text.dead,\"ax\"\nret\n.section meta,\"ao\",@progbits,.text.dead\n.quad 1\n";
    check(&[("a.s", source)], &["a.o"], 125, "needed by a.o(.text.main");
}
