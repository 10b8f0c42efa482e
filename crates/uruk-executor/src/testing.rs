//! Shared by this crate's tests: libraries made by the system's C compiler, and children of the test program.

use std::ffi::CStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Compiles C to a shared library of that name, in a folder of this process's own.
pub(crate) fn build_library(name: &str, source: &str, flags: &[&str]) -> PathBuf {
    compile(&tool("CC", "cc"), "c", name, source, flags)
}

/// The same for C++.
pub(crate) fn build_cxx_library(name: &str, source: &str, flags: &[&str]) -> PathBuf {
    compile(&tool("CXX", "c++"), "cpp", name, source, flags)
}

/// A tool for this architecture: what a variable says, where it runs in an emulator, or the system's own.
pub(crate) fn tool(variable: &str, own: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| own.to_owned())
}

/// Goes when the process ends.
fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    extern "C" fn remove() {
        let _ = std::fs::remove_dir_all(FOLDER.get().expect("set before this was registered"));
    }
    FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("uruk-executor-tests-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // SAFETY: a function of this program, which is never unloaded.
        assert_eq!(unsafe { libc::atexit(remove) }, 0);
        folder
    })
}

fn compile(compiler: &str, extension: &str, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let folder = folder();
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
    let program = std::env::current_exe().unwrap();
    let mut command = match std::env::var_os(EMULATOR) {
        Some(emulator) => {
            let mut command = Command::new(emulator);
            command.arg(program);
            command
        }
        None => Command::new(program),
    };
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(CHILD, "1");
    command.envs(variables.iter().copied()).output().unwrap()
}

/// Whether this process was started by [`run_in_child`].
pub(crate) fn in_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Whether an emulator runs this program.
pub(crate) fn emulated() -> bool {
    std::env::var_os(EMULATOR).is_some()
}

/// Where other programs find a file, of which an emulator may have one in another place.
pub(crate) fn file_of(path: &str) -> String {
    let elsewhere = std::env::var("QEMU_LD_PREFIX").map(|prefix| prefix + path);
    elsewhere.ok().filter(|path| std::fs::exists(path).is_ok_and(|exists| exists)).unwrap_or_else(|| path.to_owned())
}

/// The version of symbols that glibc has had since it knows this architecture.
pub(crate) const FIRST_GLIBC: &CStr = match std::env::consts::ARCH.as_bytes() {
    b"x86_64" => c"GLIBC_2.2.5",
    b"aarch64" => c"GLIBC_2.17",
    _ => c"GLIBC_2.27",
};

const CHILD: &str = "URUK_TEST_CHILD";
/// Names what runs programs of this architecture, if the system does not.
const EMULATOR: &str = "URUK_TEST_EMULATOR";

/// Machine code in memory of its own, for the life of the process.
pub(crate) struct Code(*mut libc::c_void);

// SAFETY: nobody writes to the memory after it was made, and it is never unmapped.
unsafe impl Sync for Code {}

impl Code {
    pub fn new(bytes: &[u8]) -> Self {
        let address = Self::reserve(bytes.len());
        Self::finish(address, bytes);
        Code(address)
    }

    /// The same, for bytes that depend on where they will be.
    pub fn with(len: usize, make: impl FnOnce(u64) -> Vec<u8>) -> Self {
        let address = Self::reserve(len);
        Self::finish(address, &make(address as u64));
        Code(address)
    }

    pub fn address(&self) -> *const libc::c_void {
        self.0
    }

    fn reserve(len: usize) -> *mut libc::c_void {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
        assert_ne!(address, libc::MAP_FAILED);
        address
    }

    fn finish(address: *mut libc::c_void, bytes: &[u8]) {
        // SAFETY: the mapping was made for as many bytes, is writable, and is nobody else's yet.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), address.cast(), bytes.len());
            assert_eq!(libc::mprotect(address, bytes.len(), libc::PROT_READ | libc::PROT_EXEC), 0);
        }
    }
}
