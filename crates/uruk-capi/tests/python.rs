//! The Python package: what is made of the header is fresh, its tests pass, and it can be installed.

mod support;

use std::path::PathBuf;
use std::process::Command;
use support::{library_folder, package, succeeds};

fn folder() -> PathBuf {
    package().join("../../python")
}

/// A command that is stopped after so many seconds, and leaves nothing in the source tree.
fn limited(seconds: u32, program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.arg(seconds.to_string()).arg(program).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

#[test]
fn the_interface_for_ctypes_is_the_headers() {
    succeeds(limited(60, "python3").arg(folder().join("generate.py")).arg("--check"), "generate.py --check");
    let made = std::fs::read_to_string(folder().join("uruk/_abi.py")).unwrap();
    assert!(made.contains("class uruk_memory_callbacks(Structure)"));
}

#[test]
fn its_tests_pass() {
    let mut python = limited(300, "python3");
    python.args(["-m", "unittest", "discover", "-s"]).arg(folder().join("tests"));
    python.env("PYTHONPATH", folder()).env("URUK_LIBRARY", library_folder().join("liburuk_c.so"));
    let output = python.output().expect("the command `timeout` is there");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    // An empty run is good for Python.
    let count = text.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse::<u32>().ok());
    assert!(count.is_some_and(|count| 50 < count), "{text}");
}

/// All of it takes the network and a build: `cargo xtask test --all`. Every day, what it says of the crate is checked.
#[test]
fn it_is_installed_from_the_tree() {
    let project = std::fs::read_to_string(folder().join("pyproject.toml")).unwrap();
    assert!(project.contains(concat!("\nversion = \"", env!("CARGO_PKG_VERSION"), "\"\n")), "{project}");
    let manifest = "../crates/uruk-capi/Cargo.toml";
    assert!(project.contains(&format!("\npath = \"{manifest}\"\n")), "{project}");
    if std::env::var_os("URUK_ALL_TESTS").is_none() {
        return;
    }
    let venv = tempfile::tempdir().unwrap();
    let python = venv.path().join("bin/python").display().to_string();
    succeeds(limited(120, "python3").args(["-m", "venv"]).arg(venv.path()), "venv");
    // Setuptools leaves its own folders beside what it builds.
    let tree = venv.path().join("tree");
    std::fs::create_dir_all(tree.join("uruk")).unwrap();
    for file in std::fs::read_dir(folder().join("uruk")).unwrap().map(Result::unwrap) {
        if file.path().extension().is_some_and(|ending| ending == "py" || ending == "typed") {
            std::fs::copy(file.path(), tree.join("uruk").join(file.file_name())).unwrap();
        }
    }
    let absolute = folder().join(manifest).canonicalize().unwrap().display().to_string();
    std::fs::write(tree.join("pyproject.toml"), project.replace(manifest, &absolute)).unwrap();
    // The libraries that these tests were built with: two folders above theirs.
    let tests = std::env::current_exe().unwrap();
    let target = tests.ancestors().nth(3).unwrap();
    let mut pip = limited(1500, &python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-cache-dir", "."]).current_dir(&tree);
    pip.env("SETUPTOOLS_RUST_CARGO_PROFILE", "dev").env("CARGO_TARGET_DIR", target);
    succeeds(&mut pip, "pip install");
    let text = "import uruk; jit = uruk.Jit(); jit.add_clif('function %two() -> i32 system_v {\\nblock0:\\n  v0 = iconst.i32 2\\n  return v0\\n}\\n'); print(jit['two']())";
    let used = succeeds(limited(60, &python).args(["-c", text]).current_dir(venv.path()), "the package");
    assert_eq!(used, "2\n");
}
