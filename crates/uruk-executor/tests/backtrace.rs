//! Backtraces of Rust's standard library name linked functions. One test, since the library asks for the list of
//! loaded files once in a process.
#![cfg(feature = "backtrace-interposition")]

mod image;

use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_void};
use std::os::fd::AsRawFd;
use std::panic::{catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::{fs, mem, ptr};

use image::{ImageSymbol, debug_image};
use uruk_executor::phdr::{self, JitModule, ModuleSegment};
use uruk_executor::unwind;

type Caller = extern "C-unwind" fn(extern "C-unwind" fn());

thread_local! {
    static TRACE: RefCell<String> = const { RefCell::new(String::new()) };
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// A function of the test harness that calls the test. The test itself may be inlined.
const CALLER: &str = "__rust_begin_short_backtrace";

const SOURCE: &str = "
static void helper(void (*callback)(void)) {
    callback();
    __asm__ volatile (\"\");
}
void linked_function(void (*callback)(void)) {
    helper(callback);
    __asm__ volatile (\"\");
}
";

/// A function from a file that no loader has seen.
struct Linked {
    file: Vec<u8>,
    base: usize,
    bytes: usize,
    function: usize,
}

fn number<const N: usize>(file: &[u8], at: usize) -> usize {
    file[at..at + N].iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte))
}

/// The compiler's work, mapped by hand. Code and unwind records need no relocation.
fn link(directory: &Path) -> Linked {
    let (source, library) = (directory.join("linked.c"), directory.join("linked.so"));
    fs::write(&source, SOURCE).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-g", "-O1", "-fexceptions", "-fno-inline", "-fno-omit-frame-pointer", "-fPIC", "-shared"]);
    compiler.args(["-nostdlib", "-Wl,--no-gc-sections", "-o"]).arg(&library).arg(&source);
    assert!(compiler.status().unwrap().success());
    let file = fs::read(&library).unwrap();
    let opened = fs::File::open(&library).unwrap();

    let headers: Vec<_> = (0..number::<2>(&file, 56)).map(|n| number::<8>(&file, 32) + n * 56).collect();
    let loads = || headers.iter().filter(|&&at| number::<4>(&file, at) == 1);
    let bytes = loads().map(|at| number::<8>(&file, at + 16) + number::<8>(&file, at + 40)).max().unwrap();
    // SAFETY: a new mapping.
    let base = unsafe { libc::mmap(ptr::null_mut(), bytes, 0, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    assert_ne!(base, libc::MAP_FAILED);
    for &at in loads() {
        let [offset, address, length] = [8, 16, 32].map(|field| number::<8>(&file, at + field));
        let (skew, protection) = (address % 4096, libc::PROT_READ | libc::PROT_EXEC);
        let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
        let place = base.wrapping_byte_add(address - skew);
        // SAFETY: the place lies in the mapping made for it.
        let mapped = unsafe {
            libc::mmap(place, length + skew, protection, flags, opened.as_raw_fd(), (offset - skew) as libc::off_t)
        };
        assert_eq!(mapped, place);
    }
    let sections = number::<8>(&file, 40);
    let find = |kind: usize| {
        (0..number::<2>(&file, 60)).map(|n| sections + n * 64).find(|at| number::<4>(&file, at + 4) == kind).unwrap()
    };
    let [table, length] = [24, 32].map(|field| number::<8>(&file, find(11) + field)); // SHT_DYNSYM
    let function = (table..table + length).step_by(24).find(|at| number::<4>(&file, *at) != 0).unwrap();
    let function = base as usize + number::<8>(&file, function + 8);
    Linked { base: base as usize, bytes, function, file }
}

/// The file's `.eh_frame`, by its name.
fn eh_frame(linked: &Linked) -> (usize, usize) {
    let file = &linked.file;
    let section = |n: usize| number::<8>(file, 40) + n * 64;
    let names = number::<8>(file, section(number::<2>(file, 62)) + 24);
    let all = (0..number::<2>(file, 60)).map(section);
    let mut named = all.filter(|at| file[names + number::<4>(file, *at)..].starts_with(b".eh_frame\0"));
    let at = named.next().unwrap();
    (linked.base + number::<8>(file, at + 16), number::<8>(file, at + 32))
}

extern "C-unwind" fn capture() {
    TRACE.set(Backtrace::force_capture().to_string());
}

extern "C-unwind" fn throw() {
    resume_unwind(Box::new(5));
}

extern "C-unwind" fn walk() {
    unsafe extern "C-unwind" {
        fn _Unwind_Backtrace(step: extern "C" fn(*mut c_void, *mut c_void) -> c_int, argument: *mut c_void) -> c_int;
    }
    extern "C" fn step(_context: *mut c_void, _argument: *mut c_void) -> c_int {
        STEPS.set(STEPS.get() + 1);
        0
    }
    // SAFETY: the callback ignores its arguments.
    unsafe { _Unwind_Backtrace(step, ptr::null_mut()) };
}

/// Paths of the linked modules as a symbolizer is told.
fn listed(base: usize) -> Vec<String> {
    unsafe extern "C" fn note(info: *mut libc::dl_phdr_info, _size: usize, list: *mut c_void) -> c_int {
        // SAFETY: the list below, and a record whose name is a string.
        let (list, info) = unsafe { (&mut *list.cast::<Vec<(usize, String)>>(), &*info) };
        // SAFETY: as above.
        let name = unsafe { CStr::from_ptr(info.dlpi_name) };
        list.push((info.dlpi_addr as usize, name.to_string_lossy().into_owned()));
        0
    }
    let mut list: Vec<(usize, String)> = Vec::new();
    // SAFETY: the callback gets the list it expects.
    assert_eq!(unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut list).cast()) }, 0);
    assert!(list.first().is_some_and(|(_, name)| name.is_empty()), "the program itself comes first");
    list.retain(|(address, _)| *address == base);
    list.into_iter().map(|(_, name)| name).collect()
}

/// Where in the trace a text is, with what follows it.
fn after<'a>(trace: &'a str, text: &str) -> &'a str {
    trace.find(text).map(|at| &trace[at..]).unwrap_or_else(|| panic!("{text} is missing:\n{trace}"))
}

#[test]
fn backtraces_name_function_file_and_line() {
    let directory = std::env::temp_dir().join(format!("uruk-backtrace-test-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let [with_lines, with_names] = [(); 2].map(|()| link(&directory));
    fs::remove_dir_all(&directory).unwrap();

    let images = Arc::new(AtomicUsize::new(0));
    let register = |linked: &Linked, image: Vec<u8>| {
        let code = linked.base..linked.base + linked.bytes;
        let (records, length) = eh_frame(linked);
        // SAFETY: the mapping stays, and a compiler made the records for the code.
        let unwind = unsafe { unwind::register(&[code], records, length) }.unwrap();
        let images = Arc::clone(&images);
        let segments = vec![ModuleSegment { vaddr: 0, size: linked.bytes, flags: libc::PF_R | libc::PF_X }];
        let image = Box::new(move || {
            images.fetch_add(1, SeqCst);
            Some(image.clone())
        });
        (unwind, phdr::register(JitModule { base: linked.base, segments, image }).unwrap())
    };
    let first = register(&with_lines, with_lines.file.clone());
    let code = with_names.base..with_names.base + with_names.bytes;
    let symbol = ImageSymbol { name: "named_by_hand", address: with_names.function, size: 64 };
    let second = register(&with_names, debug_image(with_names.base, &[code], &[symbol], &[]));

    // SAFETY: functions of this type lie there.
    let [call_first, call_second] =
        [&with_lines, &with_names].map(|linked| unsafe { mem::transmute::<usize, Caller>(linked.function) });
    assert_eq!(catch_unwind(|| call_first(throw)).unwrap_err().downcast_ref(), Some(&5));
    call_first(walk);
    assert!(4 < STEPS.get(), "the walk goes on beyond linked frames");
    assert_eq!(images.load(SeqCst), 0, "throwing and walking make no images");

    call_first(capture);
    assert_eq!(images.load(SeqCst), 1, "only what the backtrace met is made");
    let trace = TRACE.take();
    let helper = after(&trace, "helper");
    assert!(helper.lines().nth(1).is_some_and(|line| line.contains("linked.c:3")), "{trace}");
    let function = after(helper, "linked_function");
    assert!(function.lines().nth(1).is_some_and(|line| line.contains("linked.c:7")), "{trace}");
    after(function, CALLER);

    call_second(capture);
    let trace = TRACE.take();
    after(after(&trace, "named_by_hand"), CALLER);
    call_first(capture);
    call_second(capture);
    assert_eq!(images.load(SeqCst), 2, "an image is made once");

    let [path] = <[_; 1]>::try_from(listed(with_lines.base)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), with_lines.file);
    drop(first);
    assert!(!fs::exists(&path).unwrap());
    assert_eq!((listed(with_lines.base).len(), listed(with_names.base).len()), (0, 1));
    drop(second);
}
