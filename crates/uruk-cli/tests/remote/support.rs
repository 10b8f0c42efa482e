//! Programs and executors for them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use uruk::Jit;
use uruk::orc::remote::{Options, Remote};
use uruk_executor::protocol::transport::Address;

pub const URUK: &str = env!("CARGO_BIN_EXE_uruk");

/// An executor as a child of this process.
pub fn spawn(options: &Options) -> Arc<Remote> {
    Arc::new(Remote::spawn(Path::new(URUK), ["executor"], options).unwrap())
}

/// A JIT whose code runs there.
pub fn jit(remote: &Arc<Remote>) -> Jit {
    Jit::builder().executor(remote.clone()).build().unwrap()
}

/// Compiles and adds a C program.
pub fn add_c(jit: &Jit, text: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("program.c");
    std::fs::write(&path, text).unwrap();
    jit.main().add_file(&object(&path)).unwrap();
}

/// Compiles a source beside it.
pub fn object(source: &Path) -> std::path::PathBuf {
    let object = source.with_extension("o");
    let compiler = if source.extension().is_some_and(|extension| extension == "cpp") { "g++" } else { "gcc" };
    let status = Command::new(compiler).args(["-O1", "-c"]).arg(source).arg("-o").arg(&object).status().unwrap();
    assert!(status.success());
    object
}

/// Calls a function with numbers.
pub fn call(jit: &Jit, name: &str, arguments: &[u64]) -> Result<u64, uruk::Error> {
    // SAFETY: what runs in another process cannot harm this one.
    unsafe { jit.main().call(name, arguments) }
}

/// An executor that listens, until this is dropped.
pub struct Listening {
    child: Child,
    pub address: Address,
}

impl Listening {
    pub fn start(address: &str, secret: &str) -> Listening {
        Listening::with(&[], address, secret)
    }

    pub fn with(options: &[&str], address: &str, secret: &str) -> Listening {
        let mut child = Command::new(URUK)
            .arg("executor")
            .args(options)
            .args(["--listen", address])
            .env("URUK_SECRET", secret)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Listening { child, address: line.trim().parse().unwrap() }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Sends a signal to a process, by its name.
pub fn signal(process: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap().success());
}
