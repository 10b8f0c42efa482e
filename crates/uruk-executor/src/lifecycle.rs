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

use std::ffi::{c_char, c_int};
use std::path::{Path, PathBuf};

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

/// The environment that C code sees now.
pub fn environment() -> *const *mut c_char {
    unsafe extern "C" {
        static mut environ: *const *mut c_char;
    }
    // SAFETY: a word that is read whole; as everywhere in C, nobody may change it meanwhile.
    unsafe { environ }
}

std::arch::global_asm!(
    // The unwinder takes a frame without a return address for the outermost one: what a program does not catch ends it
    // there, as under the C library's own start code, and never reaches the frames of this process.
    ".pushsection .text.uruk_outermost_frame, \"ax\", @progbits",
    ".balign 16",
    ".type uruk_outermost_frame, @function",
    "uruk_outermost_frame:",
    ".cfi_startproc",
    ".cfi_undefined rip",
    "push rbp",
    ".cfi_adjust_cfa_offset 8",
    "mov rbp, rsp",
    "mov rax, rdi",
    "mov rdi, rsi",
    "mov rsi, rdx",
    "mov rdx, rcx",
    // Functions of Windows objects may write to these 32 bytes above their return address; they take no arguments.
    "sub rsp, 32",
    ".cfi_adjust_cfa_offset 32",
    "call rax",
    "add rsp, 32",
    ".cfi_adjust_cfa_offset -32",
    "pop rbp",
    ".cfi_adjust_cfa_offset -8",
    "ret",
    ".cfi_endproc",
    ".size uruk_outermost_frame, . - uruk_outermost_frame",
    ".popsection",
);

unsafe extern "C" {
    fn uruk_outermost_frame(function: u64, first: u64, second: u64, third: u64) -> c_int;
}

/// Calls a function as the outermost frame of its thread: what it throws and does not catch ends the process.
///
/// # Safety
/// The function may be called with these arguments, or the first of them.
pub(crate) unsafe fn call_outermost(function: u64, [first, second, third]: [u64; 3]) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { uruk_outermost_frame(function, first, second, third) }
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

/// Where the C library keeps what it knows of the processor; members of its static archives refer to it as
/// `_dl_x86_cpu_features`, its shared ones ask the loader.
pub fn cpu_features() -> Option<u64> {
    let getter = crate::libraries::find(b"_dl_x86_get_cpu_features")?.address;
    // SAFETY: the loader's private function of this name takes a number and returns an address (glibc 2.33 and later,
    // sysdeps/x86/dl-get-cpu-features.c).
    unsafe {
        let getter: unsafe extern "C" fn(u32) -> u64 = std::mem::transmute(getter as *const ());
        Some(getter(0))
    }
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

/// A 32-bit PC-relative field of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateFixup {
    /// Of the field, in bytes, in the template.
    pub offset: usize,
    /// What it refers to.
    pub symbol: &'static str,
    /// How.
    pub kind: TemplateFixupKind,
    /// The addend, as in an object file.
    pub addend: i64,
}

/// The relocation a compiler would have used: x86-64 psABI §4.4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateFixupKind {
    /// `R_X86_64_PC32`: S + A - P.
    Pc32,
    /// `R_X86_64_PLT32`: L + A - P.
    Plt32,
}

const fn handle(offset: usize) -> TemplateFixup {
    TemplateFixup { offset, symbol: "__dso_handle", kind: TemplateFixupKind::Pc32, addend: -4 }
}

const fn jump(offset: usize, symbol: &'static str) -> TemplateFixup {
    TemplateFixup { offset, symbol, kind: TemplateFixupKind::Plt32, addend: -4 }
}

const AT_FORK: &[u8] = b"\xf3\x0f\x1e\xfa\x48\x8d\x0d\0\0\0\0\xe9\0\0\0\0";
const AT_FORK_FIXUPS: &[TemplateFixup] = &[handle(7), jump(12, "__register_atfork")];

/// What `libc_nonshared.a` of glibc 2.34 and later defines; older ones have `stat` and its kin too,
/// which libc.so exports since 2.33. All jump to their end, so none is ever on the stack and none
/// needs unwind information. Each begins with `endbr64`.
#[rustfmt::skip]
pub const TEMPLATES: &[Template] = &[
    // lea __dso_handle(%rip), %rdx; xor %esi, %esi; jmp __cxa_atexit
    // The function is then called with an argument that it does not look at.
    Template { name: "atexit", code: b"\xf3\x0f\x1e\xfa\x48\x8d\x15\0\0\0\0\x31\xf6\xe9\0\0\0\0", fixups: &[handle(7), jump(14, "__cxa_atexit")] },
    // lea __dso_handle(%rip), %rsi; jmp __cxa_at_quick_exit
    Template { name: "at_quick_exit", code: b"\xf3\x0f\x1e\xfa\x48\x8d\x35\0\0\0\0\xe9\0\0\0\0", fixups: &[handle(7), jump(12, "__cxa_at_quick_exit")] },
    // lea __dso_handle(%rip), %rcx; jmp __register_atfork
    Template { name: "pthread_atfork", code: AT_FORK, fixups: AT_FORK_FIXUPS },
    Template { name: "__pthread_atfork", code: AT_FORK, fixups: AT_FORK_FIXUPS },
    // jmp __stack_chk_fail, which does not return
    Template { name: "__stack_chk_fail_local", code: b"\xf3\x0f\x1e\xfa\xe9\0\0\0\0", fixups: &[jump(5, "__stack_chk_fail")] },
];

/// The archives whose members the host's compiler links when nobody asks for them: `libgcc.a` of
/// the newest gcc first, then compiler-rt's builtins of the newest clang.
pub fn support_archives() -> Vec<PathBuf> {
    support_archives_below(Path::new("/usr"))
}

fn support_archives_below(root: &Path) -> Vec<PathBuf> {
    let architecture = std::env::consts::ARCH;
    // gcc: lib/gcc/<triple>/<version>/libgcc.a
    let triples = ["lib/gcc", "lib64/gcc"].into_iter().flat_map(|folder| children(&root.join(folder)));
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
