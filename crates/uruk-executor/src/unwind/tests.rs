use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::panic::{catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use super::eh_frame::Section;
use super::*;
use crate::test_code::{CALLER, Code, EhFrame, TRAP};

thread_local! {
    static THROWN: Cell<u32> = const { Cell::new(0) };
    static TRACE: RefCell<String> = const { RefCell::new(String::new()) };
    static ADDRESSES: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

extern "C-unwind" fn throw() {
    THROWN.set(THROWN.get() + 1);
    resume_unwind(Box::new(THROWN.get()));
}

fn check_throw(code: &Code, offset: usize) {
    let caller = code.caller(offset);
    let caught = catch_unwind(|| caller(throw)).expect_err("throw throws");
    assert_eq!(caught.downcast_ref(), Some(&THROWN.get()));
}

fn register_functions(path: Path, code: &Code, offsets: &[usize]) -> Registration {
    let ranges: Vec<_> = offsets.iter().map(|&offset| code.range(offset, CALLER)).collect();
    let section = EhFrame::of(&ranges);
    // SAFETY: the section is never freed and describes the functions as they are.
    unsafe { register_by(path, &ranges, section.as_ptr().addr(), section.len()) }.unwrap()
}

/// Callers at all multiples of 16.
fn callers(bytes: usize) -> Code {
    let functions: Vec<_> = (0..bytes / 16).map(|n| (n * 16, CALLER)).collect();
    Code::new(bytes, &functions)
}

#[cfg(feature = "unwind-interposition")]
#[test]
fn test_programs_interpose() {
    assert_eq!(path(), Path::Interposed);
}

#[test]
fn panics_pass_through_interleaved_registrations() {
    for path in [path(), Path::Libgcc] {
        let code = callers(4096);
        let odd = register_functions(path, &code, &[0x10, 0x30, 0x50]);
        let even = register_functions(path, &code, &[0x20, 0x40]);
        for _ in 0..2 {
            for offset in [0x10, 0x20, 0x30, 0x40, 0x50] {
                check_throw(&code, offset);
            }
        }
        drop(odd);
        check_throw(&code, 0x20);
        check_throw(&code, 0x40);
        let odd = register_functions(path, &code, &[0x50, 0x10]);
        drop(even);
        check_throw(&code, 0x10);
        check_throw(&code, 0x50);
        drop(odd);
    }
}

#[test]
fn after_deregistration_nothing_is_found() {
    for path in [path(), Path::Libgcc] {
        let code = callers(4096);
        let registration = register_functions(path, &code, &[0x10, 0x30]);
        assert_eq!(enclosing_function(code.start + 0x34), code.start + 0x30, "{path:?}");
        assert_eq!(enclosing_function(code.start + 0x24), 0, "{path:?}: between the two");
        drop(registration);
        assert_eq!(enclosing_function(code.start + 0x34), 0, "{path:?}");
    }
}

/// What libgcc knows.
fn enclosing_function(pc: usize) -> usize {
    unsafe extern "C" {
        fn _Unwind_FindEnclosingFunction(pc: *mut c_void) -> *mut c_void;
    }
    // SAFETY: it looks the address up and no more.
    unsafe { _Unwind_FindEnclosingFunction(std::ptr::without_provenance_mut(pc)).addr() }
}

#[test]
fn sections_with_many_records_get_a_table() {
    let code = callers(1 << 16);
    let offsets: Vec<usize> = (0..4096).rev().map(|n| n * 16).collect();
    for path in [path(), Path::Libgcc] {
        let registration = register_functions(path, &code, &offsets);
        for offset in [0, 0x10, 0x800, 0xff00, 0xfff0] {
            check_throw(&code, offset);
            assert_eq!(enclosing_function(code.start + offset + 9), 0, "{path:?}: past its end");
        }
        drop(registration);
        assert_eq!(enclosing_function(code.start + 0x801), 0, "{path:?}");
    }
}

#[test]
fn backtraces_go_on_beyond_linked_frames() {
    extern "C-unwind" fn capture() {
        TRACE.set(Backtrace::force_capture().to_string());
    }
    for path in [path(), Path::Libgcc] {
        let code = callers(4096);
        let _registration = register_functions(path, &code, &[0x40]);
        code.caller(0x40)(capture);
        let trace = TRACE.take();
        assert!(trace.contains("backtraces_go_on_beyond_linked_frames"), "{path:?}:\n{trace}");
    }
}

#[test]
fn threads_throw_while_neighbours_come_and_go() {
    for path in [path(), Path::Libgcc] {
        let code = callers(1 << 16);
        let elsewhere = callers(1 << 22);
        // See the invariants of `libgcc`: its tree is empty of a block's neighbours while the block is rebuilt.
        let far = path == Path::Libgcc && libgcc::keeps_a_tree();
        let (neighbours, neighbour) = if far { (&elsewhere, 0x20_0020) } else { (&code, 0x20) };
        let _lasting = register_functions(path, &code, &[0x10, 0x30, 0x4000, 0xff00]);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for offset in [0x10, 0x30, 0xff00] {
                let (code, done) = (&code, &done);
                scope.spawn(move || {
                    let mut rounds = 0;
                    while !done.load(SeqCst) || rounds < 100 {
                        check_throw(code, offset);
                        rounds += 1;
                    }
                });
            }
            for _ in 0..1000 {
                let passing = register_functions(path, neighbours, &[neighbour, neighbour + 0x20]);
                check_throw(neighbours, neighbour + 0x20);
                drop(passing);
            }
            done.store(true, SeqCst);
        });
    }
}

#[test]
fn blocks_are_bridged_and_parted_under_throws() {
    if libgcc::keeps_a_tree() {
        return; // There the blocks are apart for a moment; see `libgcc`.
    }
    const SLAB: usize = 1 << 20;
    let code = callers(4 * SLAB);
    let _low = register_functions(Path::Libgcc, &code, &[0x20]);
    let _high = register_functions(Path::Libgcc, &code, &[3 * SLAB]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for offset in [0x20, 3 * SLAB] {
            let (code, done) = (&code, &done);
            scope.spawn(move || {
                let mut rounds = 0;
                while !done.load(SeqCst) || rounds < 100 {
                    check_throw(code, offset);
                    rounds += 1;
                }
            });
        }
        for round in 0..20_000 {
            let bridge = [[0x40, 3 * SLAB + 0x20], [0x10, 3 * SLAB - 0x20]][round % 2];
            drop(register_functions(Path::Libgcc, &code, &bridge));
        }
        done.store(true, SeqCst);
    });
}

#[test]
fn a_signal_handler_throws_from_the_first_instruction() {
    extern "C-unwind" fn handler(_signal: c_int, _info: *mut libc::siginfo_t, _context: *mut c_void) {
        // SAFETY: the closure below touches only this thread's list.
        unsafe { _Unwind_Backtrace(note_address, std::ptr::null_mut()) };
        throw();
    }
    unsafe extern "C-unwind" {
        fn _Unwind_Backtrace(
            callback: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
            argument: *mut c_void,
        ) -> c_int;
    }
    unsafe extern "C" {
        fn _Unwind_GetIP(context: *mut c_void) -> usize;
    }
    extern "C" fn note_address(context: *mut c_void, _argument: *mut c_void) -> c_int {
        // SAFETY: the unwinder passes its context.
        ADDRESSES.with_borrow_mut(|list| list.push(unsafe { _Unwind_GetIP(context) }));
        0
    }

    // SAFETY: all-zero is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let function: extern "C-unwind" fn(c_int, *mut libc::siginfo_t, *mut c_void) = handler;
    action.sa_sigaction = function as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
    // SAFETY: no other test raises SIGILL, and the handler leaves by a throw that may pass: the trap is synchronous.
    assert_eq!(unsafe { libc::sigaction(libc::SIGILL, &action, std::ptr::null_mut()) }, 0);

    // The byte before the trap belongs to no function, so the address has to be looked up as it is.
    let code = Code::new(4096, &[(0x100, TRAP)]);
    let trap = code.range(0x100, TRAP);
    for path in [path(), Path::Libgcc] {
        let section = EhFrame::of(std::slice::from_ref(&trap));
        // SAFETY: the section is never freed and true.
        let registration =
            unsafe { register_by(path, std::slice::from_ref(&trap), section.as_ptr().addr(), section.len()) };
        // SAFETY: a function without arguments lies there.
        let function = unsafe { std::mem::transmute::<usize, extern "C-unwind" fn()>(trap.start) };
        let caught = catch_unwind(|| function()).expect_err("the handler throws");
        assert_eq!(caught.downcast_ref(), Some(&THROWN.get()));
        let addresses = ADDRESSES.take();
        let at = addresses.iter().position(|&address| address == trap.start).expect("the trap's frame is walked");
        assert!(at + 2 < addresses.len(), "{path:?}: its callers are walked");
        drop(registration);
    }
}

fn ranges(bytes: &[u8], address: usize) -> Vec<Range<usize>> {
    Section { bytes, address }.fdes().map(|fde| fde.code).collect()
}

#[test]
fn every_encoding_of_code_addresses_is_read() {
    const AT: usize = 0x7f00_0000_1000;
    let check = |encoding: u8, code: &[u8], expected: Option<Range<usize>>| {
        let mut section = EhFrame::default();
        section.cie(encoding).fde(code, b"");
        assert_eq!(ranges(&section.bytes, AT), Vec::from_iter(expected), "encoding {encoding:#x}");
    };
    let field = AT + 24 + 8; // The CIE takes 24 bytes, the FDE's length and CIE pointer 8.
    let number = |value: u64, bytes: usize| value.to_le_bytes()[..bytes].to_vec();
    let pair = |value: i64, length: u64, bytes| [number(value as u64, bytes), number(length, bytes)].concat();
    check(0x00, &pair(0x1234_5678_9abc, 9, 8), Some(0x1234_5678_9abc..0x1234_5678_9ac5));
    check(0x02, &pair(0x8001, 2, 2), Some(0x8001..0x8003));
    check(0x03, &pair(0x8000_0001, 2, 4), Some(0x8000_0001..0x8000_0003));
    check(0x04, &pair(5, 6, 8), Some(5..11));
    check(0x01, b"\x80\x01\x05", Some(0x80..0x85));
    check(0x12, &pair(0xffff, 1, 2), Some(field + 0xffff..field + 0x10000));
    check(0x1a, &pair(-2, 1, 2), Some(field - 2..field - 1));
    check(0x1b, &pair(-0x1000, 0x20, 4), Some(field - 0x1000..field - 0xfe0));
    check(0x1c, &pair(-0x1000, 0x20, 8), Some(field - 0x1000..field - 0xfe0));
    check(0x10, &pair(0x40, 0x20, 8), Some(field + 0x40..field + 0x60));
    check(0x1b, &pair(0, 0x20, 4), None); // dropped by the linker
    check(0x9b, &pair(0x40, 0x20, 4), None); // indirect
    check(0x3b, &pair(0x40, 0x20, 4), None); // relative to the data base
    check(0x0f, &pair(0x40, 0x20, 8), None); // no such format
    check(0x00, &pair(-1, 2, 8), None); // wraps round
}

#[test]
fn records_around_strange_ones_are_found() {
    let mut section = EhFrame::default();
    section.cie(0).function(&(0x1000..0x1008));
    section.record(b"\0\0\0\0\x09zR\0"); // a CIE of no known version
    section.record(b"\x14\0\0\0"); // its FDE, cut short
    // A 64-bit record of 16 bytes.
    section.bytes.extend(b"\xff\xff\xff\xff\x10\0\0\0\0\0\0\0\x99\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    section.cie(0x03).fde(b"\0\x20\0\0\x08\0\0\0", b"");
    section.bytes.extend([0; 4]);
    section.cie(0).function(&(0x3000..0x3008)); // after the terminator
    assert_eq!(ranges(&section.bytes, 0), [0x1000..0x1008, 0x2000..0x2008]);
}

/// A CIE with everything, and two FDEs, one without an LSDA.
fn section_with_handlers() -> Vec<u8> {
    let mut section = EhFrame::default();
    section.cie(0);
    let cie = section.record(b"\0\0\0\0\x01zPLR\0\x01\x78\x10\x07\x9b\0\x01\0\0\x1b\x1b\x0c\x07\x08\x90\x01");
    for lsda in [0x40u32, 0] {
        let back = (section.bytes.len() + 4 - cie) as u32;
        let numbers = [back.to_le_bytes(), 0x1000u32.to_le_bytes(), 8u32.to_le_bytes()].concat();
        section.record(&[&numbers[..], b"\x04", &lsda.to_le_bytes(), b"\x41\x0e\x10"].concat());
    }
    section.bytes.extend([0; 4]);
    section.bytes
}

#[test]
fn copies_say_the_same_at_another_place() {
    const AT: usize = 0x5000_0000;
    let bytes = section_with_handlers();
    let mut copy = Vec::new();
    Section { bytes: &bytes, address: AT }.append_absolute(&mut copy);
    assert_eq!(ranges(&copy, 0x77), ranges(&bytes, AT));
    let find = |address: usize| {
        let bytes = address.to_le_bytes();
        copy.windows(8).position(|window| window == bytes).is_some()
    };
    let at = |needle: &[u8]| bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    assert!(find(AT + at(b"\0\x01\0\0\x1b") + 0x100), "the slot of the personality");
    assert!(find(AT + at(b"\x40\0\0\0\x41") + 0x40), "the language-specific data");
    assert!(!find(AT + at(b"\0\0\0\0\x41")), "an absent one stays absent");
    assert_eq!(copy.windows(3).filter(|window| window == b"\x41\x0e\x10").count(), 2);
}

#[test]
fn no_damage_to_a_section_is_harmful() {
    let bytes = section_with_handlers();
    let check = |bytes: &[u8]| {
        let section = Section { bytes, address: 0x1000 };
        let mut copy = Vec::new();
        section.append_absolute(&mut copy);
        assert!(section.fdes().count() <= bytes.len() / 4);
    };
    for cut in 0..bytes.len() {
        check(&bytes[..cut]);
        for value in 0..=255 {
            let mut damaged = bytes.clone();
            damaged[cut] = value;
            check(&damaged);
        }
    }
}
