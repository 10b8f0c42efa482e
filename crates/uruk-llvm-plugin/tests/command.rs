//! The command with the plugin: IR of every form among its inputs, and what is said when it cannot be compiled.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};
use uruk_cache::{Directory, ObjectCache};
use uruk_llvm::{ConcurrentCompiler, Options, Target, ThreadSafeModule, split};

/// The folder where cargo puts what it builds in this profile.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let this = std::env::current_exe().unwrap();
        let folder = this.parent().unwrap().parent().unwrap();
        // The command is another package's, and a library's file is not put beside it by building its tests.
        // Each as it is built for other tests, too.
        let command = ["--workspace", "--exclude=uruk-llvm", "--exclude=uruk-llvm-plugin", "--bin=uruk"];
        for selection in [&command[..], &["--package=uruk-llvm-plugin"]] {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet"]).args(selection);
            build.args((folder.file_name().unwrap() == "release").then_some("--release"));
            assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
        }
        folder.to_owned()
    })
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(built().join("uruk"));
    command.arg("run").args(arguments).current_dir(folder).env_remove("URUK_LLVM").output().unwrap()
}

/// Runs a command, which must succeed.
fn make(folder: &Path, command: &str, arguments: &[&str]) {
    assert!(Command::new(command).args(arguments).current_dir(folder).status().unwrap().success(), "{arguments:?}");
}

fn write(folder: &Path, name: &str, source: &str) {
    std::fs::write(folder.join(name), source).unwrap();
}

const MAIN: &str = "int other(int); int main(int argc, char **argv) { return other(argc) + argv[1][0] - '0'; }";
const OTHER: &str = "static int table[] = { 10, 20, 30 }; int other(int x) { return table[x]; }";

#[test]
fn ir_of_every_form_is_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "main.c", MAIN);
    write(folder, "other.c", OTHER);
    for source in ["main", "other"] {
        let file = format!("{source}.c");
        make(folder, "clang-22", &["-emit-llvm", "-S", "-O1", &file]);
        make(folder, "clang-22", &["-emit-llvm", "-c", &file]);
        make(folder, "clang-22", &["-flto=thin", "-c", "-O2", &file, "-o", &format!("{source}.thin.o")]);
    }
    make(folder, "llvm-ar-22", &["rc", "libother.a", "other.bc"]);
    let sets = [
        &["main.ll", "other.ll"][..],
        &["main.bc", "other.bc"],
        &["-O2", "main.thin.o", "other.thin.o"],
        &["main.ll", "other.c"],
        &["main.c", "other.bc"],
        &["main.bc", "libother.a"],
        &["main.c", "-L.", "-lother"],
        &["-Os", "main.c", "--whole-archive", "libother.a"],
        &["main.ll", "--jd", "library", "other.bc"],
        &["--lazy", "main.ll", "other.bc"],
        &["--lazy", "-O2", "main.bc", "libother.a"],
    ];
    for set in sets {
        let output = run(folder, &[set, &["--", "5"]].concat());
        assert_eq!(output.status.code(), Some(35), "{set:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stderr.is_empty() && output.stdout.is_empty(), "{set:?}");
    }
}

#[test]
fn a_function_that_is_not_called_is_not_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
        define i32 @main(i32 %n, ptr %arguments) {
          %alone = icmp eq i32 %n, 1
          br i1 %alone, label %good, label %bad
        good:
          ret i32 3
        bad:
          %r = call i32 @never()
          ret i32 %r
        }
        define i32 @never() {
          call void asm \"gibberish\", \"\"()
          ret i32 4
        }";
    write(folder.path(), "m.ll", text);
    let run = |arguments: &[&str]| {
        let output = run(folder.path(), arguments);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(run(&["--lazy", "m.ll"]), (Some(3), String::new()));
    let (status, message) = run(&["--lazy", "m.ll", "--", "x"]);
    assert_eq!(status, Some(125), "{message}");
    assert!(message.contains("m.ll(never) cannot be compiled"), "{message}");
    assert_eq!(run(&["m.ll"]).0, Some(125));
}

#[test]
fn a_second_run_takes_what_the_first_has_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let module = |number: i32| format!("define i32 @main() {{\n  ret i32 {number}\n}}\n");
    let check = |options: &[&str], number: i32, expected: i32| {
        write(folder, "m.ll", &module(number));
        let output = run(folder, &[&["--cache", "kept"], options, &["m.ll"]].concat());
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(expected), "{options:?} {number}: {message}");
        message
    };
    // What the cache is given under the key of one module is another one's object, which shows who is asked.
    let cache = Directory::new(folder.join("kept"), 1 << 20);
    let compiler = |level| ConcurrentCompiler::new(Arc::new(Target::new(level).unwrap())).unwrap();
    let parse = |number| ThreadSafeModule::parse("m.ll", module(number).as_bytes()).unwrap();
    let plain = compiler(Options::default());
    let object = plain.compile(&parse(33)).unwrap();
    cache.put(&plain.key_of_ir("m.ll", module(3).as_bytes(), false), &object).unwrap();
    let optimized = compiler(Options::optimized('2').unwrap());
    cache.put(&optimized.key(&parse(4), false), &object).unwrap();
    let [part, other] = [5, 55].map(|number| {
        let module = parse(number);
        plain.target().prepare(&module).unwrap();
        split(module).unwrap().remove(0)
    });
    cache.put(&part.key(&plain).unwrap(), &plain.compile(&other.extract().unwrap()).unwrap()).unwrap();

    let nothing = String::new();
    for _ in 0..2 {
        assert_eq!(check(&[], 3, 33), nothing);
        assert_eq!(check(&["-O2"], 3, 3), nothing, "other options");
        assert_eq!(check(&[], 4, 4), nothing, "another module");
        assert_eq!(check(&["-O2"], 4, 33), nothing);
        assert_eq!(check(&["--lazy"], 5, 55), nothing);
        assert_eq!(check(&["--lazy"], 3, 3), nothing);
    }
    let objects = folder.join("kept/objects-0");
    let damaged: Vec<u8> = std::fs::read(&objects).unwrap().iter().map(|byte| byte ^ 0x55).collect();
    std::fs::write(objects, damaged).unwrap();
    let message = check(&[], 3, 3);
    assert!(message.starts_with("uruk: warning: cache kept/objects-0"), "{message}");
    assert_eq!(check(&[], 3, 3), nothing, "it was put there anew");
}

#[test]
fn a_program_does_not_find_what_the_plugin_has() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "m.ll",
        "declare i32 @LLVMContextCreate()\n define i32 @main() {\n %r = call i32 @LLVMContextCreate()\n ret i32 %r }",
    );
    let output = run(folder.path(), &["m.ll"]);
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stderr).contains("LLVMContextCreate"));
}

#[test]
fn mistakes_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let check = |name: &str, content: &[u8], expected: &str| {
        std::fs::write(folder.path().join(name), content).unwrap();
        let output = run(folder.path(), &[name]);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(125), "{message}");
        assert!(message.contains(expected) && message.matches("uruk: error: ").count() == 1, "{message}");
    };
    check("bad.ll", b"define i32 @main() {\n  ret i32 %x\n}", "bad.ll:2:11: use of undefined value '%x'");
    check("arm.ll", b"target triple = \"aarch64-linux-gnu\"\n", "arm.ll is for `aarch64-linux-gnu`");
    check("broken.o", b"BC\xc0\xde\x35\x14\0\0", "broken.o: the bitcode cannot be read");
    check(
        "asm.ll",
        b"define i32 @main() {\n call void asm \"gibberish\", \"\"()\n ret i32 0\n }",
        "asm.ll cannot be compiled",
    );
}

#[test]
fn without_the_plugin_it_is_said_how_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "m.ll", "define i32 @main() {\n ret i32 0 }");
    let mut command = Command::new(built().join("uruk"));
    command.args(["run", "m.ll"]).current_dir(folder.path());
    let output = command.env("URUK_LLVM", "/no/such/plugin.so").output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(125));
    assert!(message.contains("llvm-22-dev") && message.contains("looked for: /no/such/plugin.so"), "{message}");
    // One that is found and is no plugin.
    make(folder.path(), "cc", &["-shared", "-x", "c", "/dev/null", "-o", "empty.so"]);
    let output = command.env("URUK_LLVM", folder.path().join("empty.so")).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("cannot be loaded") && message.contains("URUK_LLVM_PLUGIN"), "{message}");
    write(folder.path(), "old.c", "unsigned URUK_LLVM_PLUGIN = 77;");
    make(folder.path(), "cc", &["-shared", "-fPIC", "old.c", "-o", "old.so"]);
    let output = command.env("URUK_LLVM", folder.path().join("old.so")).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let needed = format!("of version 77, and {} is needed", uruk_llvm_loader::abi::VERSION);
    assert!(message.contains(&needed), "{message}");
}

#[test]
fn the_repl_computes_the_same_with_llvm() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/mandelbrot.ks");
    let folder = tempfile::tempdir().unwrap();
    let more = folder.path().join("more.ks");
    std::fs::write(
        &more,
        "extern cos(x) def f(x) cos(x) f(0) cos(0) def cos(x) if x < 1 then 7 else var y = x in y = y * 2 / 3 f(0) cos(9)
         extern later(x) def g(x) later(x) + 1 g(1) def later(x) x * 10 g(1) nothing",
    )
    .unwrap();
    let deep = folder.path().join("deep.ks");
    std::fs::write(
        &deep,
        "(".repeat(100_000) + "\n" + &"def f(x) ".repeat(1000) + "2\n" + &"(".repeat(300) + "1" + &")".repeat(300),
    )
    .unwrap();
    let run = |backend: &str, file: &Path| {
        let mut command = Command::new(built().join("uruk"));
        command.args(["repl", "--backend", backend]).arg(file).env_remove("URUK_LLVM").output().unwrap()
    };
    for file in [&program, &more, &deep] {
        let (cranelift, llvm) = (run("cranelift", file), run("llvm", file));
        assert_eq!(String::from_utf8_lossy(&llvm.stdout), String::from_utf8_lossy(&cranelift.stdout));
        assert_eq!(String::from_utf8_lossy(&llvm.stderr), String::from_utf8_lossy(&cranelift.stderr));
        assert!(llvm.status.code() == cranelift.status.code() && !llvm.stdout.is_empty());
    }
    assert_eq!(String::from_utf8_lossy(&run("llvm", &more).stdout), "1\n1\n7\n6\n11\n");
    let output = run("llvm", &deep);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n");
    assert!(String::from_utf8_lossy(&output.stderr).contains("this has more than 1000 parts"));
    assert!(output.stderr.len() < 400_000, "{} bytes", output.stderr.len());
}
