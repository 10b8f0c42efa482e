//! Where programs of the matrix run: in the linker's process, or in executors that it talks to.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::paths;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the process that links it.
    Here,
    /// In a child of that, which shares memory with it.
    Child,
    /// The same over pipes.
    Pipes,
    /// In a process that listens on this machine.
    Tcp,
    /// The same over a socket in the file system, which shares memory.
    Unix,
}

impl Place {
    /// All ways in which code and data come to another process.
    pub const OTHERS: [Place; 3] = [Place::Pipes, Place::Tcp, Place::Unix];

    /// What reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Place::Here => "here",
            Place::Child => "child",
            Place::Pipes => "pipes",
            Place::Tcp => "tcp",
            Place::Unix => "unix",
        }
    }
}

/// Executors that listen, until this is dropped.
pub struct Executors {
    child: PathBuf,
    listening: Vec<(Place, Child, String)>,
}

impl Executors {
    /// Starts those that listen; the program for children lies beside `uruk`.
    pub fn start(uruk: &Path) -> Result<Self> {
        let child = uruk.with_file_name("uruk-executor");
        let socket = paths::partial(&paths::target_folder("run")?.join("socket"));
        let mut executors = Executors { child, listening: Vec::new() };
        for (place, address) in [(Place::Tcp, "tcp::0".into()), (Place::Unix, format!("unix:{}", socket.display()))] {
            let mut command = Command::new(&executors.child);
            command
                .args(["--listen", &address])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .env_remove("RUST_BACKTRACE");
            let mut child = command.current_dir(paths::target_folder("run")?).spawn()?;
            let mut line = String::new();
            BufReader::new(child.stdout.take().context("its output is piped")?).read_line(&mut line)?;
            executors.listening.push((place, child, line.trim().into()));
        }
        Ok(executors)
    }

    /// What `uruk run` is told for a place.
    pub fn arguments(&self, place: Place) -> Vec<PathBuf> {
        let listening = self.listening.iter().find(|(of, ..)| *of == place);
        let executor = match (place, listening) {
            (Place::Here, _) => return Vec::new(),
            (_, Some((.., address))) => address.into(),
            (Place::Pipes, None) => {
                let mut place = OsString::from("pipes:");
                place.push(&self.child);
                place.into()
            }
            (_, None) => self.child.clone(),
        };
        vec!["--executor".into(), executor]
    }
}

impl Drop for Executors {
    fn drop(&mut self) {
        for (_, child, address) in &mut self.listening {
            // They may have ended, which their programs' cases have told.
            _ = child.kill();
            _ = child.wait();
            if let Some(path) = address.strip_prefix("unix:") {
                _ = std::fs::remove_file(path);
            }
        }
    }
}
