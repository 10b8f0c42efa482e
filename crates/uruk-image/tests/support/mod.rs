//! Compiling sources, and running what was made of them.

// Each test has its own copy of this, and none needs all of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;
use uruk_image::Library;
use uruk_jitlink::elf;
use uruk_jitlink::format::{self, Format};
use uruk_jitlink::graph::LinkGraph;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Names;

/// For whom something is compiled.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// What the names of its compilers begin with.
    tools: &'static str,
    /// What runs its programs here, and where that finds their libraries.
    emulator: Option<&'static str>,
    root: &'static str,
    libraries: &'static str,
    pub format: &'static Format,
    pub loader: &'static str,
}

pub const HERE: Machine = Machine {
    tools: "",
    emulator: None,
    root: "/",
    libraries: "/usr/lib/x86_64-linux-gnu",
    format: &elf::x86_64::FORMAT,
    loader: "ld-linux-x86-64.so.2",
};

pub const OTHERS: [Machine; 2] = [
    Machine {
        tools: "aarch64-linux-gnu-",
        emulator: Some("qemu-aarch64"),
        root: "/",
        libraries: "/usr/lib/aarch64-linux-gnu",
        format: &elf::aarch64::FORMAT,
        loader: "ld-linux-aarch64.so.1",
    },
    Machine {
        tools: "riscv64-linux-gnu-",
        emulator: Some("qemu-riscv64"),
        root: "/usr/riscv64-linux-gnu",
        libraries: "/usr/riscv64-linux-gnu/lib",
        format: &elf::riscv64::FORMAT,
        loader: "ld-linux-riscv64-lp64d.so.1",
    },
];

impl Machine {
    /// Runs one of its programs.
    pub fn program(&self, path: &Path) -> Command {
        let Some(emulator) = self.emulator else { return Command::new(path) };
        let mut command = Command::new("timeout");
        command.args(["120", emulator, "-L", self.root]).arg(path);
        command
    }

    /// The program that its compiler's linker makes of an object, beside that.
    pub fn link(&self, object: &Path) -> PathBuf {
        let program = object.with_extension("linked");
        succeed(Command::new(format!("{}gcc", self.tools)).arg(object).arg("-o").arg(&program));
        program
    }

    /// Its libraries of these names.
    pub fn libraries(&self, names: &[&str]) -> Vec<Library> {
        let open = |name: &&str| Library::open(&Path::new(self.libraries).join(name));
        names.iter().map(|name| open(name).unwrap_or_else(|error| panic!("{error}"))).collect()
    }
}

/// Objects in a folder that goes with them.
pub struct Compiled {
    folder: tempfile::TempDir,
    objects: Vec<PathBuf>,
    machine: Machine,
}

/// How a program ended, and what it printed.
#[derive(Debug)]
pub struct Output {
    pub status: Option<i32>,
    pub text: String,
    pub errors: String,
}

/// Runs a program to its end.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Output { status: output.status.code(), text: text(&output.stdout), errors: text(&output.stderr) }
}

fn succeed(command: &mut Command) {
    let output = run(command);
    assert_eq!(output.status, Some(0), "{command:?}\n{}{}", output.text, output.errors);
}

impl Compiled {
    /// Compiles named sources in C and C++ with these flags.
    pub fn new(sources: &[(&str, &str)], flags: &[&str]) -> Compiled {
        Compiled::for_machine(HERE, sources, flags)
    }

    /// The same for a machine.
    pub fn for_machine(machine: Machine, sources: &[(&str, &str)], flags: &[&str]) -> Compiled {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let mut objects = Vec::new();
        for (name, text) in sources {
            let source = folder.path().join(name);
            std::fs::write(&source, text).expect("there is room for a source");
            let compiler = if name.ends_with(".cpp") { "g++" } else { "gcc" };
            let object = source.with_extension("o");
            let compiler = format!("{}{compiler}", machine.tools);
            succeed(Command::new(compiler).args(flags).arg("-c").arg(&source).arg("-o").arg(&object));
            objects.push(object);
        }
        Compiled { folder, objects, machine }
    }

    /// The objects as they are given to the linker.
    pub fn inputs(&self) -> Vec<Input> {
        let read = |path: &PathBuf| {
            let bytes = std::fs::read(path).expect("the object is there");
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Input::from_bytes(name, bytes)
        };
        self.objects.iter().map(read).collect()
    }

    /// The objects as the linker reads them.
    pub fn graphs(&self) -> Vec<LinkGraph> {
        let read = |input: &Input| format::read(input, &Names::default()).expect("it is an object");
        self.inputs().iter().map(read).collect()
    }

    /// What the compiler's own linker makes of them.
    pub fn link(&self, name: &str, flags: &[&str]) -> PathBuf {
        let program = self.folder.path().join(name);
        succeed(
            Command::new(format!("{}g++", self.machine.tools)).args(flags).args(&self.objects).arg("-o").arg(&program),
        );
        program
    }

    /// Writes a file that can be run.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("there is room for a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        path
    }
}
