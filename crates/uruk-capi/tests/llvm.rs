//! LLVM's modules from C: where there is a plugin they are linked, and where there is none a program is told.

mod support;

use std::process::Command;
use support::{LANGUAGES, compile, package, run, succeeds};

#[test]
fn modules_of_a_programs_own_llvm_are_linked_or_refused() {
    let mut config = Command::new("llvm-config-22");
    let said = succeeds(config.args(["--includedir", "--libdir", "--libs", "core", "bitwriter"]), "llvm-config-22");
    let [headers, libraries, names] = said.lines().collect::<Vec<_>>()[..] else { panic!("{said}") };
    let path = format!("-Wl,-rpath,{libraries}");
    // Headers of others may have warnings. Libraries are named before what uses them.
    let options = ["-isystem", headers, "-L", libraries, &path, "-Wl,--no-as-needed"];
    let options: Vec<&str> = options.into_iter().chain(names.split(' ')).collect();
    let what = if std::env::var_os("URUK_LLVM").is_some() { "linked" } else { "refused" };
    for language in LANGUAGES {
        let program = compile(&package().join("tests/c/llvm.c"), language, "", &options);
        assert_eq!(run(&program, &[what]), "llvm: ok\n");
    }
}
