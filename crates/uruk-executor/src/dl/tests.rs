//! A session made of a table, called by machine code whose address it knows.

#[cfg_attr(target_arch = "x86_64", path = "tests/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "tests/aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "tests/riscv64.rs")]
mod arch;

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::testing::{Code, FIRST_GLIBC};

/// Two dylibs, `first` (0) and `second` (1), in this order; the caller's code is in `first`.
struct Table {
    code: Range<u64>,
    closed: AtomicU32,
    prefix: &'static str,
}

const SYMBOLS: [&[(&str, u64)]; 2] =
    [&[("here", 0x10), ("twice", 0x11), ("dlopen_me", 0)], &[("twice", 0x21), ("getpid", 0x22)]];

fn in_dylib(index: usize, name: &[u8]) -> Option<u64> {
    SYMBOLS[index].iter().find(|(symbol, _)| symbol.as_bytes() == name).map(|&(_, address)| address)
}

impl DylibDirectory for Table {
    fn open(&self, name: &[u8]) -> Option<Result<DylibHandle, String>> {
        match name.strip_prefix(self.prefix.as_bytes())? {
            b"first" => Some(Ok(DylibHandle(0))),
            b"second" => Some(Ok(DylibHandle(1))),
            b"broken" => Some(Err("initialiser failed\0".to_owned())),
            b"panics" => panic!("to be caught"),
            _ => None,
        }
    }
    fn close(&self, dylib: DylibHandle) -> Result<(), String> {
        self.closed.fetch_add(1, Ordering::Relaxed);
        if dylib.0 == 0 { Ok(()) } else { Err("not open".to_owned()) }
    }
    fn symbol(&self, dylib: DylibHandle, name: &[u8]) -> Option<u64> {
        in_dylib(dylib.0 as usize, name)
    }
    fn program_symbol(&self, name: &[u8]) -> Option<u64> {
        (0..2).find_map(|index| in_dylib(index, name))
    }
    fn next_symbol(&self, dylib: DylibHandle, name: &[u8]) -> Option<u64> {
        (dylib.0 as usize + 1..2).find_map(|index| in_dylib(index, name))
    }
    fn dylib_containing(&self, address: u64) -> Option<DylibHandle> {
        self.code.contains(&address).then_some(DylibHandle(0))
    }
    fn describe(&self, address: u64) -> Option<AddressInfo> {
        self.dylib_containing(address)?;
        let start = self.code.start;
        Some(AddressInfo { dylib: c"first".into(), base: start, symbol: Some((c"caller".into(), start)) })
    }
}

/// JIT'd code: `call` of each shim from an address that the session knows. The functions keep the
/// arguments as they are.
struct Program {
    code: Code,
    table: Arc<Table>,
    _guard: InstallGuard,
}

const CALL_SIZE: usize = 32;

impl Program {
    fn new(prefix: &'static str) -> Self {
        let mut bytes = Vec::new();
        for (_, address) in overrides() {
            bytes.extend(arch::call(address as u64));
            bytes.resize(bytes.len().next_multiple_of(CALL_SIZE), 0xcc);
        }
        let code = Code::new(&bytes);
        let start = code.address() as u64;
        let table = Arc::new(Table { code: start..start + bytes.len() as u64, closed: AtomicU32::new(0), prefix });
        Program { code, _guard: install(table.clone()), table }
    }

    fn function<F: Copy>(&self, name: &str) -> F {
        let index = overrides().iter().position(|&(shim, _)| shim == name).unwrap();
        let address = self.code.address().wrapping_byte_add(index * CALL_SIZE);
        assert_eq!(size_of::<F>(), size_of_val(&address));
        // SAFETY: `F` is the C type of the shim `name`; the code passes its arguments on.
        unsafe { std::mem::transmute_copy(&address) }
    }

    fn open(&self, name: Option<&CStr>) -> *mut c_void {
        let function: extern "C" fn(*const c_char, c_int) -> *mut c_void = self.function("dlopen");
        function(name.map_or(std::ptr::null(), CStr::as_ptr), libc::RTLD_NOW)
    }

    fn symbol(&self, handle: *mut c_void, name: &CStr) -> u64 {
        let function: extern "C" fn(*mut c_void, *const c_char) -> u64 = self.function("dlsym");
        function(handle, name.as_ptr())
    }

    fn versioned(&self, handle: *mut c_void, name: &CStr, version: &CStr) -> u64 {
        let function: extern "C" fn(*mut c_void, *const c_char, *const c_char) -> u64 = self.function("dlvsym");
        function(handle, name.as_ptr(), version.as_ptr())
    }

    fn close(&self, handle: *mut c_void) -> c_int {
        let function: extern "C" fn(*mut c_void) -> c_int = self.function("dlclose");
        function(handle)
    }

    fn error(&self) -> Option<String> {
        let function: extern "C" fn() -> *const c_char = self.function("dlerror");
        let text = function();
        // SAFETY: the shim returns null or a C string that lasts until its next call.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned())
    }
}

/// The process's own answer.
fn native(name: &CStr) -> u64 {
    // SAFETY: a C string; the names used here are functions.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) as u64 }
}

#[test]
fn jit_dylibs_are_opened_searched_and_closed() {
    let program = Program::new("a-");
    let first = program.open(Some(c"a-first"));
    let second = program.open(Some(c"a-second"));
    assert_ne!(first, second);
    assert_eq!(program.symbol(first, c"twice"), 0x11);
    assert_eq!(program.symbol(second, c"twice"), 0x21);
    assert_eq!(program.versioned(second, c"twice", c"V1"), 0x21);
    assert_eq!(program.error(), None);
    assert_eq!(program.symbol(second, c"here"), 0);
    assert_eq!(program.error().unwrap(), "undefined symbol: here");
    assert_eq!(program.error(), None);
    // There, but null: no error.
    assert_eq!((program.symbol(first, c"dlopen_me"), program.error()), (0, None));
    assert_eq!((program.close(first), program.error()), (0, None));
    assert_eq!((program.close(second), program.error()), (-1, Some("not open".to_owned())));
    assert_eq!(program.table.closed.load(Ordering::Relaxed), 2);
}

#[test]
fn default_and_next_begin_with_the_program() {
    let program = Program::new("b-");
    assert_eq!(program.symbol(libc::RTLD_DEFAULT, c"twice"), 0x11);
    assert_eq!(program.symbol(libc::RTLD_NEXT, c"twice"), 0x21);
    assert_eq!(program.symbol(libc::RTLD_DEFAULT, c"getpid"), 0x22);
    assert_eq!(program.versioned(libc::RTLD_DEFAULT, c"getpid", FIRST_GLIBC), 0x22);
    assert_eq!(program.symbol(libc::RTLD_DEFAULT, c"getppid"), native(c"getppid"));
    assert_eq!(program.symbol(libc::RTLD_NEXT, c"here"), 0);
    assert!(program.error().unwrap().contains("undefined symbol: here"));
    assert_eq!(program.symbol(libc::RTLD_NEXT, c"qsort"), native(c"qsort"));
    assert_eq!(program.versioned(libc::RTLD_NEXT, c"qsort", FIRST_GLIBC), native(c"qsort"));
    let shim = overrides().iter().find(|(name, _)| *name == "dlsym").unwrap().1;
    assert_eq!(program.symbol(libc::RTLD_NEXT, c"dlsym"), shim as u64);
}

#[test]
fn the_whole_program_has_a_handle() {
    let program = Program::new("c-");
    let whole = program.open(None);
    assert_eq!(program.symbol(whole, c"twice"), 0x11);
    assert_eq!(program.symbol(whole, c"getppid"), native(c"getppid"));
    assert_eq!(program.symbol(whole, c"uruk_nowhere"), 0);
    assert!(program.error().unwrap().contains("uruk_nowhere"));
    assert_eq!(program.close(whole), 0);
    assert_eq!(program.table.closed.load(Ordering::Relaxed), 0);
    // Called from native code it is the process's.
    let dlopen = overrides().iter().find(|(name, _)| *name == "dlopen").unwrap().1;
    // SAFETY: the shim has this type; null asks for the whole program.
    let native = unsafe { std::mem::transmute::<usize, extern "C" fn(*const c_char, c_int) -> *mut c_void>(dlopen) };
    assert_eq!(Handle::from_pointer(native(std::ptr::null(), libc::RTLD_NOW)), None);
}

use super::handle::Handle;

#[test]
fn what_is_not_jitted_goes_to_the_loader() {
    let program = Program::new("d-");
    let library = program.open(Some(c"libm.so.6"));
    assert!(!library.is_null());
    assert_eq!(program.symbol(library, c"getpid"), native(c"getpid"), "libm needs libc");
    assert_ne!(program.symbol(library, c"cos"), 0);
    assert_eq!(program.close(library), 0);
    assert!(program.open(Some(c"libdoes-not-exist.so.9")).is_null());
    assert!(program.error().unwrap().contains("libdoes-not-exist.so.9: cannot open shared object file"));
}

#[test]
fn errors_are_the_threads_own_and_the_latest() {
    let program = Program::new("e-");
    assert!(program.open(Some(c"libdoes-not-exist.so.9")).is_null());
    assert!(program.open(Some(c"e-broken")).is_null());
    assert_eq!(std::thread::scope(|scope| scope.spawn(|| program.error()).join().unwrap()), None);
    assert_eq!(program.error().unwrap(), "e-broken: initialiser failed");
    assert_eq!(program.error(), None, "the older text of the loader is gone");
    assert!(program.open(Some(c"e-broken")).is_null());
    assert!(program.open(Some(c"libdoes-not-exist.so.9")).is_null());
    assert!(program.error().unwrap().contains("libdoes-not-exist.so.9"));
    assert!(program.open(Some(c"e-panics")).is_null());
    assert_eq!(program.error().unwrap(), "the session failed while it was asked");
}

#[test]
fn addresses_are_described() {
    let program = Program::new("f-");
    let function: extern "C" fn(u64, *mut libc::Dl_info) -> c_int = program.function("dladdr");
    let describe = |address: u64| {
        let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
        let found = function(address, info.as_mut_ptr());
        // SAFETY: zero is a value of this type.
        (found, unsafe { info.assume_init() })
    };
    let start = program.code.address() as u64;
    let ((found, info), (_, again)) = (describe(start + 4), describe(start + 4));
    assert_eq!((found, info.dli_fbase as u64, info.dli_saddr as u64), (1, start, start));
    // SAFETY: strings that the shim keeps for ever.
    assert_eq!(unsafe { (CStr::from_ptr(info.dli_fname), CStr::from_ptr(info.dli_sname)) }, (c"first", c"caller"));
    assert_eq!(info.dli_fname, again.dli_fname);
    let (found, info) = describe(native(c"qsort"));
    assert_eq!((found, info.dli_saddr as u64), (1, native(c"qsort")));
    assert_eq!(describe(8).0, 0);
}

#[test]
fn sessions_stay_apart_and_stale_handles_are_refused() {
    let (one, two) = (Program::new("g-"), Program::new("h-"));
    let (from_one, from_two) = (one.open(Some(c"g-first")), two.open(Some(c"h-first")));
    assert_ne!(from_one, from_two);
    // A session may open only what is its own.
    assert!(one.open(Some(c"h-first")).is_null());
    drop(two);
    assert_eq!((one.symbol(from_two, c"here"), one.error()), (0, Some("invalid handle".to_owned())));
    assert_eq!((one.close(from_two), one.error()), (-1, Some("invalid handle".to_owned())));
    assert_eq!(one.symbol(from_one, c"here"), 0x10);
    let info: extern "C" fn(*mut c_void, c_int, *mut c_void) -> c_int = one.function("dlinfo");
    assert_eq!(info(from_one, libc::RTLD_DI_LINKMAP, std::ptr::null_mut()), -1);
}
