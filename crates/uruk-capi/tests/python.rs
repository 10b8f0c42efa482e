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

/// The errors that valgrind finds in the library, or in what it calls, while Python runs. Interpreters have others of their own.
fn errors(arguments: &[&str]) -> Vec<String> {
    let temporary = tempfile::tempdir().unwrap();
    let log = temporary.path().join("log");
    // What is called `python3` may be a script that starts another.
    let python = succeeds(limited(60, "python3").args(["-c", "import sys; print(sys.executable)"]), "python3");
    let mut valgrind = limited(300, "valgrind");
    valgrind.args(["--leak-check=no", "--error-limit=no", "--smc-check=all-non-file"]);
    // So many frames reach from what reads and writes into the library, but not through a callback that it has called.
    valgrind.arg("--num-callers=5").arg(format!("--log-file={}", log.display()));
    valgrind.arg(python.trim()).args(arguments);
    valgrind.env("PYTHONPATH", std::env::join_paths([folder(), folder().join("tests")]).unwrap());
    // Python's own allocator would hide what is used after it is gone.
    valgrind.env("PYTHONMALLOC", "malloc").env("URUK_LIBRARY", library_folder().join("liburuk_c.so"));
    succeeds(&mut valgrind, "Python under valgrind");
    let log = std::fs::read_to_string(log).unwrap();
    // Each line begins with `==NUMBER==`, and an error ends with one that has nothing else.
    let lines = log.lines().map(|line| line.splitn(3, "==").last().unwrap_or_default().trim()).collect::<Vec<_>>();
    let errors = lines.split(|line| line.is_empty()).map(|lines| lines.join("\n"));
    errors.filter(|error| error.contains("\nat 0x") && error.contains("liburuk_c.so")).collect()
}

/// A program that gives the library a structure after it has freed it.
const MISUSE: &str = "
import ctypes
from uruk import _abi
from uruk._library import library
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
place = libc.malloc(ctypes.sizeof(_abi.uruk_memory_options))
options = ctypes.cast(place, ctypes.POINTER(_abi.uruk_memory_options))
library.uruk_memory_options_init(options, ctypes.sizeof(_abi.uruk_memory_options))
libc.free(place)
library.uruk_memory_manager_create_stock(options, ctypes.byref(ctypes.c_void_p()))
";

#[test]
fn it_keeps_what_the_library_uses() {
    let found = errors(&["-c", MISUSE]);
    assert!(found.iter().any(|error| error.starts_with("Invalid read")), "valgrind sees no misuse: {found:?}");
    let found = errors(&["-m", "unittest", "test_memory", "test_plugins"]);
    assert!(found.is_empty(), "{}", found.join("\n\n"));
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
