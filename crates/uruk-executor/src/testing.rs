//! Shared by this crate's tests: libraries made by the system's C compiler, and children of the test program.

use std::path::PathBuf;
use std::process::Command;

/// Compiles C to a shared library of that name, in a folder of this process's own.
pub(crate) fn build_library(name: &str, source: &str, flags: &[&str]) -> PathBuf {
    compile("cc", "c", name, source, flags)
}

/// The same for C++.
pub(crate) fn build_cxx_library(name: &str, source: &str, flags: &[&str]) -> PathBuf {
    compile("c++", "cpp", name, source, flags)
}

fn compile(compiler: &str, extension: &str, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("uruk-executor-tests-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let input = folder.join(format!("{name}.{extension}"));
    let output = folder.join(format!("lib{name}.so"));
    std::fs::write(&input, source).unwrap();
    let status = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&output)
        .arg(&input)
        .args(flags)
        .status()
        .unwrap();
    assert!(status.success());
    output
}

/// Runs one test again, alone in a child process, with `variables` set. Such a test asks
/// [`in_child`] first which side it is.
pub(crate) fn run_in_child(test: &str, variables: &[(&str, &str)]) -> std::process::Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    command.envs(variables.iter().copied()).output().unwrap()
}

/// Whether this process was started by [`run_in_child`].
pub(crate) fn in_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

const CHILD: &str = "URUK_TEST_CHILD";
