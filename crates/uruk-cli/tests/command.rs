//! The built command, as its users see it.

use std::path::Path;
use std::process::{Command, Output};

fn uruk(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_uruk")).args(arguments).current_dir(folder).output().unwrap()
}

/// Status 125, nothing on standard output, one message that starts so on standard error.
fn check_failure(folder: &Path, arguments: &[&str], message: &str) {
    let output = uruk(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    assert_eq!(errors.matches("uruk: error: ").count(), 1, "{errors}");
    assert!(errors.contains(&format!("uruk: error: {message}")), "{arguments:?}: {errors}");
}

#[test]
fn mistakes_are_status_125_with_one_message() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("r.rsp"), "--entri main\n").unwrap();
    std::fs::write(folder.path().join("bad.c"), "int main(void) { return x; }\n").unwrap();
    std::fs::write(folder.path().join("good.c"), "int main(void) { return 0; }\n").unwrap();
    let check = |arguments: &[&str], message: &str| check_failure(folder.path(), arguments, message);
    check(&[], "no command given");
    check(&["rnu"], "there is no command `rnu` (did you mean `run`?)");
    check(&["run"], "`uruk run` needs a file");
    check(&["run", "--gc-section", "good.c"], "there is no option `--gc-section`; did you mean `--gc-sections`?");
    check(&["run", "@r.rsp", "good.c"], "there is no option `--entri`");
    check(&["run", "@none.rsp"], "cannot read the response file `none.rsp`");
    check(&["run", "none.o"], "cannot read `none.o`");
    check(&["run", "good.c", "-lnosuchlibrary"], "cannot find the library -lnosuchlibrary (libnosuchlibrary.so or");
    check(&["run", "good.c", "bad.c"], "compiling `bad.c` failed (exit status: 1)\n  command: ");
}

#[test]
fn a_compiler_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.c"), "int main(void) { return 0; }\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_uruk"));
    let output = command.args(["run", "a.c"]).env("CC", "no-such-cc -x").current_dir(folder.path()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125));
    assert!(errors.starts_with("uruk: error: cannot start the compiler `no-such-cc`: "), "{errors}");
    assert!(errors.contains("command: no-such-cc -x -c -o "), "{errors}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let check = |arguments: &[&str], part: &str| {
        let output = uruk(Path::new("."), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(part), "{arguments:?}");
    };
    check(&["--help"], "Commands:");
    check(&["help", "run"], "--whole-archive");
    check(&["run", "--help"], "--whole-archive");
    check(&["inspect", "-h"], "uruk inspect FILE");
    check(&["--version"], env!("CARGO_PKG_VERSION"));
}
