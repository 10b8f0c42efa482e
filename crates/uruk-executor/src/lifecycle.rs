//! Starting and ending a program that was linked in memory: initialisers, `main`, finalisers, and
//! the few functions that a static link would add to each of its dylibs.
//! Data flow: addresses of finished code → calls with the program's arguments. `atexit` and its like
//! are small templates that the linker adds to a dylib as it adds a stub: they pass the dylib's own
//! `__dso_handle` on to [`at_exit`](crate::at_exit), which keeps the records.
//! Invariants: exceptions and forced unwinding may leave the code that is called here; whatever is
//! on the stack of this module has no destructor that must run.
//! Sources: gABI chapter 5, "Initialization and Termination Functions"; Itanium C++ ABI §3.3.6
//! (`__cxa_atexit`, `__cxa_finalize`, `__dso_handle`); LSB 5.0 core, `__cxa_atexit`,
//! `__register_atfork`; glibc's `libc_nonshared.a`.

#[cfg_attr(windows, path = "lifecycle/windows.rs")]
#[cfg_attr(all(unix, target_arch = "x86_64"), path = "lifecycle/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "lifecycle/aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "lifecycle/riscv64.rs")]
mod arch;
#[cfg_attr(unix, path = "lifecycle/environment.rs")]
#[cfg_attr(windows, path = "lifecycle/environment/windows.rs")]
mod environment;

use std::ffi::{c_char, c_int};
use std::path::{Path, PathBuf};

#[cfg(unix)]
pub use self::arch::TEMPLATES;
#[cfg(windows)]
pub use self::arch::exit;
#[cfg(windows)]
pub(crate) use self::arch::is_throw;
#[cfg(unix)]
pub(crate) use self::arch::{FLAGS, MACHINE, private_variable};
pub use self::environment::environment;
#[cfg(unix)]
pub use std::process::exit;

/// A program's arguments in the form C wants. They must outlive the program: it may keep pointers.
#[derive(Debug)]
pub struct Arguments {
    /// Into `strings`. `main` may change the array (`getopt` does) and the bytes.
    pointers: Vec<*mut c_char>,
    /// Each ended by a zero byte.
    _strings: Vec<Vec<u8>>,
}

// SAFETY: the strings are owned; only the program, which is told so, changes them.
unsafe impl Send for Arguments {}
// SAFETY: `&Arguments` only hands out addresses.
unsafe impl Sync for Arguments {}

impl Arguments {
    /// `argv`, the program's name first. What follows a zero byte in an argument is cut off, as
    /// the kernel would.
    pub fn new<I: IntoIterator<Item = T>, T: Into<Vec<u8>>>(arguments: I) -> Self {
        let string = |argument: T| {
            let mut bytes: Vec<u8> = argument.into();
            bytes.truncate(bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()));
            bytes.push(0);
            bytes
        };
        let mut strings: Vec<Vec<u8>> = arguments.into_iter().map(string).collect();
        let pointers = strings.iter_mut().map(|string| string.as_mut_ptr().cast());
        let pointers = pointers.chain([std::ptr::null_mut()]).collect();
        Arguments { pointers, _strings: strings }
    }

    /// `argc`.
    pub fn count(&self) -> i32 {
        self.pointers.len() as i32 - 1
    }

    /// `argv`, ended by a null.
    pub fn values(&self) -> *const *mut c_char {
        self.pointers.as_ptr()
    }
}

/// Calls a function as the outermost frame of its thread: what it throws and does not catch ends the process.
///
/// # Safety
/// The function may be called with these arguments, or the first of them.
pub(crate) unsafe fn call_outermost(function: u64, [first, second, third]: [u64; 3]) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { arch::outermost_frame(function, first, second, third) }
}

fn program_arguments(arguments: &Arguments) -> [u64; 3] {
    [arguments.count() as u64, arguments.values() as u64, environment() as u64]
}

/// Calls initialisers in this order, each with the program's arguments and environment. What they throw and do not
/// catch ends the process.
///
/// # Safety
/// Each address is that of a finished function that takes these arguments or none, is called once,
/// and after what it needs was initialised.
pub unsafe fn run_initializers(addresses: &[u64], arguments: &Arguments) {
    for &address in addresses {
        // SAFETY: the caller's promise.
        unsafe { call_outermost(address, program_arguments(arguments)) };
    }
}

/// Calls `main` and returns its status. What it throws and does not catch ends the process.
///
/// # Safety
/// The address is that of a finished `main`, whose initialisers have run.
pub unsafe fn call_main(address: u64, arguments: &Arguments) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { call_outermost(address, program_arguments(arguments)) }
}

/// Calls a function with these words. What it throws and does not catch ends the process.
///
/// # Safety
/// The function may be called with these integers, or the first of them.
pub(crate) unsafe fn call(address: u64, words: [u64; 6]) -> u64 {
    type Function = unsafe extern "C-unwind" fn(u64, u64, u64, u64, u64, u64) -> u64;
    /// Nothing unwinds out of it.
    unsafe extern "C" fn guarded(function: Function, [a, b, c, d, e, f]: &[u64; 6]) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { function(*a, *b, *c, *d, *e, *f) }
    }
    // SAFETY: the caller's promise; a function's address is a pointer to it.
    unsafe { guarded(std::mem::transmute::<*const (), Function>(address as *const ()), &words) }
}

/// Machine code that the linker adds to each JIT dylib which refers to its name and does not define it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// The symbol it defines: global, hidden, a function.
    pub name: &'static str,
    /// Its bytes, with zeros where fix-ups go. No alignment is needed.
    pub code: &'static [u8],
    /// What to fill in.
    pub fixups: &'static [TemplateFixup],
}

/// A field of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateFixup {
    /// Of the field, in bytes, in the template.
    pub offset: usize,
    /// What it refers to; [`TEMPLATE_START`] is the template itself.
    pub symbol: &'static str,
    /// The relocation type that a compiler would have used.
    pub relocation: u32,
    /// The addend, as in an object file.
    pub addend: i64,
}

/// The name by which a fix-up refers to the start of its template.
pub const TEMPLATE_START: &str = "";

/// The archives whose members the host's compiler links when nobody asks for them: `libgcc.a` of
/// the newest gcc first, then compiler-rt's builtins of the newest clang. Windows has no place for them.
pub fn support_archives() -> Vec<PathBuf> {
    if cfg!(windows) { Vec::new() } else { support_archives_below(Path::new("/usr")) }
}

fn support_archives_below(root: &Path) -> Vec<PathBuf> {
    let architecture = std::env::consts::ARCH;
    // gcc: lib/gcc/<triple>/<version>/libgcc.a; Debian has compilers for other systems in a folder of their own.
    let triples = ["lib/gcc", "lib64/gcc", "lib/gcc-cross"].into_iter().flat_map(|folder| children(&root.join(folder)));
    let is_ours = |path: &PathBuf| name(path).starts_with(&format!("{architecture}-")) && name(path).contains("linux");
    let versions = triples.filter(is_ours).flat_map(|triple| children(&triple));
    let mut gcc: Vec<PathBuf> = versions.map(|version| version.join("libgcc.a")).collect();
    // clang: lib/llvm-<n>/lib/clang/<version>/lib/<linux or triple>/libclang_rt.builtins[-<architecture>].a
    let prefixes = children(&root.join("lib")).into_iter().filter(|path| name(path).starts_with("llvm"));
    let prefixes = prefixes.chain([root.to_owned()]);
    let resources = prefixes.flat_map(|prefix| [prefix.join("lib/clang"), prefix.join("lib64/clang")]);
    let folders = resources.flat_map(|folder| children(&folder)).flat_map(|version| children(&version.join("lib")));
    let mut clang: Vec<PathBuf> = folders
        .filter_map(|folder| match name(&folder) {
            "linux" => Some(folder.join(format!("libclang_rt.builtins-{architecture}.a"))),
            triple if triple.starts_with(&format!("{architecture}-")) => Some(folder.join("libclang_rt.builtins.a")),
            _ => None,
        })
        .collect();
    for archives in [&mut gcc, &mut clang] {
        archives.retain(|archive| archive.is_file());
        archives.sort_by_key(|archive| std::cmp::Reverse(version(archive)));
        // On many systems lib64 is lib.
        let mut seen = std::collections::HashSet::new();
        archives.retain(|archive| archive.canonicalize().is_ok_and(|real| seen.insert(real)));
    }
    gcc.append(&mut clang);
    gcc
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut children: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    children.sort();
    children
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The deepest folder of the path that is a version, as numbers.
fn version(path: &Path) -> Vec<u32> {
    let parse = |folder: &Path| name(folder).split('.').map(|number| number.parse().ok()).collect::<Option<Vec<u32>>>();
    path.ancestors().skip(1).find_map(parse).unwrap_or_default()
}

#[cfg(test)]
mod tests;
