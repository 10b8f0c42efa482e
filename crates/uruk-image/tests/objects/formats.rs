//! Objects that are not ELF: linked by the tools of their systems, and run as far as that can be done here.

use crate::system::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use uruk::{Input, Jit};

const FREE: [&str; 2] = ["free.cpp", "free_more.cpp"];

fn compile_free(compiler: &str, folder: &Path) -> Vec<PathBuf> {
    FREE.map(|name| compile(&format!("{compiler} -w -std=c++17"), &sources().join(name), folder)).to_vec()
}

/// What a function of objects returns that are linked into this process.
fn result(objects: &[PathBuf]) -> i32 {
    let jit = Jit::new().unwrap();
    jit.load_libraries_on_demand(&["libstdc++.so.6"]);
    let inputs: Vec<Input> = objects
        .iter()
        .map(|path| Input::from_bytes(path.display().to_string(), std::fs::read(path).unwrap()))
        .collect();
    jit.main().add_objects(&inputs).unwrap();
    jit.main().initialize().unwrap();
    // SAFETY: that is what it takes and returns.
    unsafe { jit.main().function::<extern "C" fn(i32) -> i32>("run").unwrap()(3) }
}

fn darwin(arch: &str) -> String {
    format!("clang++-22 --target={arch}-apple-macos13 -ffreestanding -fexceptions -fcxx-exceptions")
}

#[test]
fn mach_o_does_the_same_in_this_process() {
    for flags in ["-O0", "-O2"] {
        let folder = tempfile::tempdir().unwrap();
        let objects = compile_free(&format!("{} {flags}", darwin("x86_64")), folder.path());
        let one = folder.path().join("one.o");
        write(&objects, &one);
        assert_eq!(result(&[one]), result(&objects), "{flags}");
    }
}

/// The symbols of a linked file, and how many functions its unwind information describes.
fn linked(arch: &str, objects: &[PathBuf], output: &Path) -> (BTreeSet<String>, usize) {
    let version = "-platform_version macos 13.0 13.0 -dylib -undefined dynamic_lookup -dead_strip";
    run(command(&format!("ld64.lld-22 -arch {arch} {version}")).args(objects).arg("-o").arg(output));
    let names = run(command("llvm-nm-22 --format=just-symbols").arg(output)).lines().map(str::to_owned).collect();
    let unwind = run(command("llvm-objdump-22 --unwind-info").arg(output));
    (names, unwind.matches("function offset").count())
}

#[test]
fn mach_o_is_linked_by_lld() {
    for arch in ["x86_64", "arm64"] {
        for flags in ["-O0", "-O2"] {
            let folder = tempfile::tempdir().unwrap();
            let objects = compile_free(&format!("{} {flags}", darwin(arch)), folder.path());
            let one = folder.path().join("one.o");
            write(&objects, &one);
            let (expected, functions) = linked(arch, &objects, &folder.path().join("expected"));
            let (found, described) = linked(arch, &[one], &folder.path().join("found"));
            let missing: Vec<_> = expected.difference(&found).collect();
            assert!(missing.is_empty(), "{arch} {flags}: {missing:?}");
            // Functions that are unwound in the same way share an entry only where their records are compact.
            assert!(functions <= described, "{arch} {flags}: {functions}, {described}");
        }
    }
}

/// Windows, as Wine has it; its server comes and goes with this.
pub struct Wine {
    prefix: PathBuf,
}

impl Wine {
    /// Each test has its own prefix, which is large and stays: the next run finds it.
    pub fn new(name: &str) -> Wine {
        let wine = Wine { prefix: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name) };
        std::fs::create_dir_all(&wine.prefix).unwrap();
        // One that ends a little after each program would be about to when the next one begins.
        wine.silent("/usr/lib/wine/wineserver64", "-p");
        // What it starts now has nothing that the programs write to.
        wine.silent("/usr/lib/wine/wine64", "wineboot");
        wine
    }

    fn silent(&self, program: &str, argument: &str) {
        let mut command = Command::new(program);
        command.arg(argument).env("WINEPREFIX", &self.prefix).env("WINEDEBUG", "-all");
        // What begins may have been there, and what ends may have ended.
        _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    pub fn run(&self, program: &Path) -> String {
        let mut command = Command::new("timeout");
        command.args(["120", "/usr/lib/wine/wine64"]).arg(program);
        run(command.env("WINEPREFIX", &self.prefix).env("WINEDEBUG", "-all"))
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        self.silent("/usr/lib/wine/wineserver64", "-k");
    }
}

#[test]
fn coff_does_the_same_under_wine() {
    let wine = Wine::new("wine");
    let clang = "clang++-22 --target=x86_64-pc-windows-gnu -fexceptions -fcxx-exceptions -ffreestanding";
    for (compiler, flags) in [("x86_64-w64-mingw32-g++", "-O2 -ffunction-sections"), (clang, "-O0")] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let source = "#include <stdio.h>\nint run(int);\nint main(void) { printf(\"%d\\n\", run(3)); return 0; }\n";
        std::fs::write(folder.join("main.c"), source).unwrap();
        let main = compile("x86_64-w64-mingw32-gcc", &folder.join("main.c"), folder);
        let objects = compile_free(&format!("{compiler} {flags}"), folder);
        let one = folder.join("one.o");
        write(&objects, &one);
        let link = |objects: &[PathBuf], name: &str| {
            let program = folder.join(name);
            let linker = "x86_64-w64-mingw32-g++ -static -Wl,--fatal-warnings";
            run(command(linker).arg(&main).args(objects).arg("-o").arg(&program));
            wine.run(&program)
        };
        let expected = link(&objects, "expected.exe");
        assert_eq!(link(&[one], "found.exe"), expected, "{compiler} {flags}");
        assert!(expected.contains("unwound") && expected.contains("unsaid"), "{expected}");
    }
}
