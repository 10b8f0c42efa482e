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

/// Compiles a source to an object in the folder.
fn compile(folder: &Path, name: &str, source: &str, flags: &[&str]) {
    std::fs::write(folder.join("source.c"), source).unwrap();
    let mut command = Command::new("gcc");
    command.args(["-c", "source.c", "-o", name]).args(flags).current_dir(folder);
    assert!(command.status().unwrap().success());
}

#[test]
fn objects_that_cannot_be_linked_are_status_125_with_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let helper = "int helper(void) { return 0; }";
    compile(folder.path(), "main.o", "int helper(void); int main(void) { return helper(); }", &[]);
    compile(folder.path(), "one.o", helper, &[]);
    compile(folder.path(), "two.o", helper, &[]);
    compile(folder.path(), "small.o", helper, &["-m32"]);
    compile(folder.path(), "slim.o", helper, &["-flto", "-fno-fat-lto-objects"]);
    let whole = std::fs::read(folder.path().join("one.o")).unwrap();
    std::fs::write(folder.path().join("cut.o"), &whole[..whole.len() / 2]).unwrap();
    let check = |arguments: &[&str], message: &str| check_failure(folder.path(), arguments, message);
    check(&["run", "main.o"], "nothing defines a name that `main` needs:\n  helper\n    needed by main.o(.text+0x");
    check(&["run", "one.o"], "nothing defines a name that `main` needs:\n  main\n");
    check(&["run", "main.o", "one.o", "two.o"], "duplicate definition of `helper` in dylib `main`: one.o and two.o");
    check(&["run", "main.o", "small.o"], "small.o: an object for another architecture");
    check(&["run", "main.o", "slim.o"], "slim.o: GCC's intermediate code");
    check(&["run", "main.o", "cut.o"], "cut.o: a section header table that lies past the end of the file");
}

#[test]
fn a_damaged_archive_member_is_named_where_its_symbol_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    compile(folder.path(), "main.o", "int helper(void); int main(void) { return helper(); }", &[]);
    compile(folder.path(), "helper.o", "int helper(void) { return 0; }", &[]);
    let mut command = Command::new("ar");
    assert!(command.args(["rcs", "libbad.a", "helper.o"]).current_dir(folder.path()).status().unwrap().success());
    let mut archive = std::fs::read(folder.path().join("libbad.a")).unwrap();
    let member = archive.windows(4).position(|window| window == b"\x7fELF").unwrap();
    archive[member + 16] = 3; // ET_DYN
    std::fs::write(folder.path().join("libbad.a"), archive).unwrap();
    let output = uruk(folder.path(), &["run", "main.o", "libbad.a"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125));
    assert!(errors.starts_with("uruk: error: nothing defines a name that `main` needs:\n  helper\n"), "{errors}");
    let report = "\n  while looking for names: libbad.a(helper.o): a shared library or an executable, not an object";
    assert_eq!(errors.matches(report).count(), 1, "{errors}");
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
