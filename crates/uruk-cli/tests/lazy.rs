//! `uruk run --lazy`: what is called is compiled and linked then.

use std::path::Path;
use std::process::{Command, Output};

/// Writes files and runs the command among them.
fn run(files: &[(&str, &str)], arguments: &[&str]) -> (tempfile::TempDir, Output) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let output = uruk(folder.path(), arguments);
    (folder, output)
}

fn uruk(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uruk"));
    // Where compilers work, so that what they leave there can be seen.
    command.args(["run", "--lazy"]).args(arguments).current_dir(folder).env("TMPDIR", folder);
    command.output().unwrap()
}

fn check(files: &[(&str, &str)], arguments: &[&str], status: i32, want: &str) -> String {
    let (folder, output) = run(files, arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(String::from_utf8_lossy(&output.stdout), want, "{errors}");
    assert_eq!(output.status.code(), Some(status), "{errors}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, files.len(), "temporary files stay");
    errors
}

/// Compiles a source in the folder to an object.
fn compile(folder: &Path, source: &str) {
    let mut command = Command::new("c++");
    assert!(command.args(["-c", source]).current_dir(folder).status().unwrap().success());
}

const GREET: &str = "#include <cstdio>
    #include <string>
    struct Noise { Noise() { std::puts(\"begin\"); } ~Noise() { std::puts(\"end\"); } } noise;
    int number(int);
    namespace words {
    std::string greet(const std::string &name) { return \"hello, \" + name + std::to_string(number(1)); }
    }";

const NUMBER: &str = "int number(int n) { return n + 41; }";

const MAIN: &str = "#include <cstdio>
    #include <string>
    namespace words { std::string greet(const std::string &name); }
    int unneeded();
    int main(int argc, char **) {
        std::puts(\"main\");
        std::puts(words::greet(\"world\").c_str());
        return 1 < argc ? unneeded() : 3;
    }";

const BROKEN: &str = "int unneeded() { return this is no program; }";

#[test]
fn a_file_is_compiled_when_something_of_it_is_called() {
    let files = [("a.cpp", GREET), ("b.cpp", NUMBER), ("broken.cpp", BROKEN), ("main.cpp", MAIN)];
    let sources = ["a.cpp", "b.cpp", "broken.cpp", "main.cpp"];
    // The variable of a.cpp is initialised before the first use of anything there, not before `main`.
    let want = "main\nbegin\nhello, world42\nend\n";
    assert_eq!(check(&files, &sources, 3, want), "");
    for flags in [&["-O2", "-fPIC"][..], &["-O2", "-fno-pic"], &["-O0", "--speculate"]] {
        let arguments = [flags, &sources].concat();
        let status = run(&files, &arguments).1.status.code();
        assert_eq!(status, Some(3), "{flags:?}");
    }
    let errors = check(&files, &[&sources[..], &["--", "x"]].concat(), 125, want);
    assert!(errors.contains("broken.cpp:1:"), "{errors}");
    let cause = "uruk: error: what may define `_Z8unneededv` cannot be compiled: compiling `broken.cpp` failed";
    assert!(errors.contains(cause), "{errors}");
}

#[test]
fn what_the_program_begins_with_is_needed_at_once() {
    let errors = check(&[("main.cpp", "int main() { return x; }")], &["main.cpp"], 125, "");
    assert!(errors.contains("what may define `main` cannot be compiled: compiling `main.cpp` failed"), "{errors}");
    let errors = check(&[("a.c", "int f(void) { return 0; }")], &["a.c"], 125, "");
    assert!(errors.contains("nothing defines a name that `main` needs:\n  main\n"), "{errors}");
    let missing = "int nowhere(void); int main(int argc, char **argv) { return argc < 2 ? 4 : nowhere(); }";
    assert_eq!(check(&[("m.c", missing)], &["m.c"], 4, ""), "");
    let errors = check(&[("m.c", missing)], &["m.c", "--", "x"], 125, "");
    assert!(errors.contains("symbol `nowhere` is not defined"), "{errors}");
}

#[test]
fn references_that_are_no_calls_are_bound_when_linked() {
    let main = "#include <stdio.h>
        extern int counter; int twice(int); int called(int); int (*pointer)(int) = twice; int *data(void);
        int main(void) {
            printf(\"%d %d %d\\n\", counter, pointer(4), called(1));
            return pointer == twice && data() == &counter ? 0 : 1;
        }";
    let files = [
        ("main.c", main),
        ("data.c", "int counter = 7; int *data(void) { return &counter; }"),
        ("twice.c", "int twice(int n) { return 2 * n; }"),
        ("called.c", "int twice(int); int (*same)(int) = twice; int called(int n) { return same == twice ? n : -1; }"),
        ("broken.c", "int nobody( {"),
    ];
    assert_eq!(check(&files, &["broken.c", "called.c", "twice.c", "data.c", "main.c"], 0, "7 8 1\n"), "");
}

#[test]
fn definitions_go_before_those_of_libraries_and_macros_are_found_last() {
    let main = "#include <stdio.h>
        int index(int); int made_by_macro(void);
        int main(void) { printf(\"%d %d\\n\", index(5), made_by_macro()); return 0; }";
    let files = [
        ("main.c", main),
        ("index.c", "int index(int n) { return -n; }"),
        ("macro.c", "#define MAKE(x) int made_##x(void) { return 9; }\nMAKE(by_macro)"),
    ];
    assert_eq!(check(&files, &["-fno-builtin", "main.c", "index.c", "macro.c"], 0, "-5 9\n"), "");
}

#[test]
fn exceptions_pass_through_lazy_calls() {
    let main = "#include <cstdio>
        #include <stdexcept>
        void thrower(int); struct Guard { ~Guard() { std::puts(\"unwound\"); } };
        int main() {
            for (int i = 0; i < 2; i++)
                try { Guard guard; thrower(i); } catch (const std::runtime_error &error) { std::puts(error.what()); }
        }";
    let thrower = "#include <stdexcept>
        #include <string>
        void thrower(int n) { throw std::runtime_error(\"thrown \" + std::to_string(n)); }";
    let want = "unwound\nthrown 0\nunwound\nthrown 1\n";
    assert_eq!(check(&[("main.cpp", main), ("t.cpp", thrower)], &["main.cpp", "t.cpp"], 0, want), "");
}

#[test]
fn threads_that_call_at_once_see_one_initialised_file() {
    let main = "#include <atomic>
        #include <thread>
        #include <vector>
        int get(int);
        std::atomic<int> initialised{0};
        int main() {
            std::atomic<int> wrong{0};
            std::vector<std::thread> threads;
            for (int i = 0; i < 8; i++) threads.emplace_back([&, i] { if (get(i) != 1000 + i) wrong++; });
            for (auto &thread : threads) thread.join();
            return wrong.load() * 10 + initialised.load();
        }";
    let get = "#include <atomic>
        extern std::atomic<int> initialised;
        static int slow() {
            // Long enough for the others to come here.
            for (volatile int i = 0; i < 20000000; i++) {}
            return initialised.fetch_add(1) + 1000;
        }
        static int base = slow();
        int get(int n) { return base + n; }";
    let files = [("main.cpp", main), ("get.cpp", get)];
    check(&files, &["main.cpp", "get.cpp", "-pthread"], 1, "");
    check(&files, &["--speculate", "main.cpp", "get.cpp", "-pthread"], 1, "");
}

#[test]
fn libraries_use_what_the_program_replaces() {
    let main = "#include <cstdio>
        #include <string>
        int allocations();
        int main(int argc, char **argv) {
            std::string text(argv[0]);
            text.reserve(1000); // allocates in the library
            return allocations();
        }";
    let new = "#include <cstdlib>
        #include <new>
        static int allocated = 0;
        int allocations() { return allocated; }
        void *operator new(std::size_t size) { allocated++; return std::malloc(size); }
        void operator delete(void *memory) noexcept { std::free(memory); }
        void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }";
    check(&[("m.cpp", main), ("new.cpp", new)], &["m.cpp", "new.cpp"], 1, "");
}

#[test]
fn objects_and_archives_are_linked_when_called() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("a.cpp", GREET),
        ("b.cpp", NUMBER),
        ("main.cpp", MAIN),
        ("u.cpp", "extern int nowhere; int unneeded() { return nowhere; }"),
        ("quiet.cpp", "int printf(const char *, ...); int quiet() { return 0; }"),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
        compile(folder.path(), name);
    }
    let mut ar = Command::new("ar");
    assert!(ar.args(["rcs", "lib.a", "b.o", "u.o"]).current_dir(folder.path()).status().unwrap().success());
    // What u.o needs is nowhere, and nobody asks for it. An object with initialisers begins with the program.
    for inputs in
        [&["main.o", "a.o", "b.o", "u.o", "quiet.o"][..], &["main.o", "a.o", "lib.a"], &["main.o", "a.cpp", "lib.a"]]
    {
        let output = uruk(folder.path(), inputs);
        let begins = if inputs.contains(&"a.o") { "begin\nmain\n" } else { "main\nbegin\n" };
        let want = format!("{begins}hello, world42\nend\n");
        assert_eq!(String::from_utf8_lossy(&output.stdout), want, "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(3));
    }
    let output = uruk(folder.path(), &["main.o", "a.o", "lib.a", "--", "x"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("symbol `nowhere`, which lib.a(u.o)("), "{output:?}");
    assert_eq!(output.status.code(), Some(125));
}

#[test]
fn first_calls_are_remembered_and_compiled_ahead() {
    let main = "int a(int); int b(int); int main(void) { return b(a(1)) == 4 ? 0 : 1; }";
    let a = "int a(int n) { return n + 1; }";
    let b = "int c(int); int b(int n) { return c(n) + 1; }";
    let c = "int c(int n) { return n + 1; }";
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("main.c", main), ("a.c", a), ("b.c", b), ("c.c", c)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let arguments = ["--speculate=order.txt", "main.c", "a.c", "b.c", "c.c"];
    for _ in 0..2 {
        let output = uruk(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let order = std::fs::read_to_string(folder.path().join("order.txt")).unwrap();
        assert_eq!(order, "main\ta\nmain\tb\nmain\tc\n");
    }
    // What is said there and is nowhere does no harm.
    std::fs::write(folder.path().join("order.txt"), "main\tnothing\nother\ta\n").unwrap();
    assert_eq!(uruk(folder.path(), &arguments).status.code(), Some(0));
    // Nor does another file.
    std::fs::write(folder.path().join("order.txt"), "?\n").unwrap();
    assert_eq!(uruk(folder.path(), &arguments).status.code(), Some(0));
}

#[test]
fn compiled_sources_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let compiler = "#!/bin/sh\ncase \"$*\" in *' -o '*) echo \"$*\" >> log;; esac\nexec cc \"$@\"\n";
    write("compiler", compiler);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path().join("compiler"), mode).unwrap();
    write("n.h", "#define N 5\n");
    write("main.c", "int f(void); int main(void) { return f(); }");
    write("f.c", "#include \"n.h\"\nint f(void) { return N; }");
    let run = |arguments: &[&str], status: i32, compiled: usize| {
        let _ = std::fs::remove_file(folder.path().join("log"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_uruk"));
        command.args(["run", "--cache", "kept"]).args(arguments).args(["main.c", "f.c"]);
        let output = command.current_dir(folder.path()).env("CC", "./compiler").output().unwrap();
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        assert_eq!(log.lines().count(), compiled, "{arguments:?}: {log}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    run(&["--lazy"], 5, 2);
    run(&["--lazy"], 5, 0);
    run(&[], 5, 0);
    run(&["-O2"], 5, 2);
    write("n.h", "#define N 6\n");
    run(&["--lazy"], 6, 1);
    // Warnings are seen each time.
    write("f.c", "#warning look\nint f(void) { return 6; }");
    for _ in 0..2 {
        assert!(run(&["--lazy"], 6, 1).contains("f.c:1:2: warning: #warning look"));
    }
}

#[test]
fn a_cache_that_cannot_be_used_is_a_warning() {
    let files = [("main.c", "int main(void) { return 7; }"), ("kept", "no folder")];
    let errors = check(&files, &["--cache", "kept", "main.c"], 7, "");
    assert!(errors.starts_with("uruk: warning: cache kept"), "{errors}");
}
