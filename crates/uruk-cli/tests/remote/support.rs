//! Programs and executors for them.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use uruk::orc::remote::{Options, Remote};
use uruk::{Input, Jit};
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
    jit.main().add_objects(&[compiled("program.c", text)]).unwrap();
}

/// The object of a source; its file's name says the language.
pub fn compiled(name: &str, text: &str) -> Input {
    let folder = tempfile::tempdir().unwrap();
    uruk::read_file(&compiled_in(folder.path(), name, text)).unwrap()
}

/// The same, left in a folder.
pub fn compiled_in(folder: &Path, name: &str, text: &str) -> PathBuf {
    let source = folder.join(name);
    std::fs::write(&source, text).unwrap();
    object(&source)
}

/// A program in a folder that does something, and then is an executor.
pub fn wrapper(folder: &Path, first: &str) -> PathBuf {
    let path = folder.join("executor");
    std::fs::write(&path, format!("#!/bin/sh\n{first}\nexec {URUK} executor \"$@\"\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Kills executors while some work with them is under way, each a little later than the one before. The work goes on until it
/// fails, and `check` has its error.
pub fn kill_at_moments(
    moments: std::ops::Range<u64>,
    work: impl Fn(&Arc<Remote>) -> uruk::Error + Sync,
    check: impl Fn(&Remote, uruk::Error),
) {
    for moment in moments {
        let remote = spawn(&Options::default());
        let (ended, end) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                ended.send(work(&remote)).unwrap();
            });
            let early = end.recv_timeout(Duration::from_micros(450 * moment * moment));
            signal(remote.target().process, "KILL");
            assert!(early.is_err(), "the work has ended by itself: {early:?}");
            check(&remote, end.recv().unwrap());
        });
    }
}

/// Compiles a source beside it.
pub fn object(source: &Path) -> PathBuf {
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
