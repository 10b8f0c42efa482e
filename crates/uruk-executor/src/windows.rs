//! What objects for Windows need to run in this process: functions that their compilers call without being told, with
//! Windows' calling convention.
//!
//! There is no C library of Windows here, and no dispatcher of its exceptions: what describes how to handle them is linked,
//! and never used. A program that throws misses the function that would.
//! Sources: Microsoft's "x64 calling convention" and "x64 stack usage" (`__chkstk`); GCC's `-femulated-tls`.

use crate::at_exit;
use std::alloc::{Layout, alloc, dealloc};
use std::arch::naked_asm;
use std::cell::RefCell;
use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};

/// All of it: names and addresses.
pub fn functions() -> [(&'static str, usize); 14] {
    let unhandled = exceptions_are_not_handled as *const () as usize;
    [
        ("__chkstk", check_stack as *const () as usize),
        ("___chkstk_ms", check_stack as *const () as usize),
        ("__main", nothing as *const () as usize),
        ("memcpy", copy as *const () as usize),
        ("memmove", copy as *const () as usize),
        ("memset", fill as *const () as usize),
        ("memcmp", compare as *const () as usize),
        ("atexit", run_at_exit as *const () as usize),
        ("__emutls_get_address", emulated_variable as *const () as usize),
        ("_fltused", &raw const FLOATS_ARE_USED as usize),
        ("__C_specific_handler", unhandled),
        ("__CxxFrameHandler3", unhandled),
        ("__gxx_personality_seh0", unhandled),
        ("_Unwind_Resume", unhandled),
    ]
}

/// Objects that use floating point refer to it.
static FLOATS_ARE_USED: u32 = 0x9875;

/// Touches each page between the stack pointer and so many bytes below it as RAX says, from above. Keeps all registers.
#[unsafe(naked)]
unsafe extern "win64" fn check_stack() {
    naked_asm!(
        "push r10",
        "push r11",
        // The caller's stack pointer, above what is on the stack here.
        "lea r10, [rsp + 24]",
        "mov r11, r10",
        "sub r11, rax",
        "2:",
        "sub r10, 4096",
        "cmp r10, r11",
        "jb 3f",
        "test byte ptr [r10], 0",
        "jmp 2b",
        "3:",
        "pop r11",
        "pop r10",
        "ret",
    )
}

/// MinGW's `main` calls it for initialisers, which have run by then.
unsafe extern "win64" fn nothing() {}

unsafe extern "win64" fn copy(to: *mut u8, from: *const u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise, which is that of C's memmove.
    unsafe { std::ptr::copy(from, to, size) };
    to
}

unsafe extern "win64" fn fill(to: *mut u8, value: c_int, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise, which is that of C's memset.
    unsafe { std::ptr::write_bytes(to, value as u8, size) };
    to
}

unsafe extern "win64" fn compare(one: *const u8, other: *const u8, size: usize) -> c_int {
    // SAFETY: the caller's promise, which is that of C's memcmp.
    let (one, other) = unsafe { (std::slice::from_raw_parts(one, size), std::slice::from_raw_parts(other, size)) };
    one.cmp(other) as c_int
}

unsafe extern "win64" fn run_at_exit(function: u64) -> c_int {
    // SAFETY: the caller's promise, which is that of C's atexit. Functions that run at exit may be Windows' as well.
    unsafe { at_exit::run_at_exit(&[function]) };
    0
}

/// Linked as a handler or called where no exception can have come from.
unsafe extern "win64" fn exceptions_are_not_handled() -> ! {
    eprintln!("uruk: code for Windows handles an exception, which cannot be done in this process");
    std::process::abort()
}

/// What GCC makes of a thread-local variable.
#[repr(C)]
struct Emulated {
    size: usize,
    align: usize,
    /// Its number, from 1 on, once it has one; it is never given to another.
    number: AtomicUsize,
    initial: *const u8,
}

static NUMBERS: AtomicUsize = AtomicUsize::new(1);

/// A thread's copy of a variable.
struct Variable {
    address: *mut u8,
    layout: Layout,
}

impl Drop for Variable {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout and is freed once.
        unsafe { dealloc(self.address, self.layout) }
    }
}

thread_local! {
    static VARIABLES: RefCell<Vec<Option<Variable>>> = const { RefCell::new(Vec::new()) };
}

/// Where this thread's copy of a variable is.
unsafe extern "win64" fn emulated_variable(variable: *const Emulated) -> *mut u8 {
    // SAFETY: the compiler passes the description that it has made, which lies in the object's data for as long as its code.
    let variable = unsafe { &*variable };
    let mut number = variable.number.load(Ordering::Relaxed);
    if number == 0 {
        let new = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let first = variable.number.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed);
        number = first.map_or_else(|other| other, |_| new);
    }
    VARIABLES.with_borrow_mut(|variables| {
        if variables.len() <= number {
            variables.resize_with(number + 1, || None);
        }
        variables[number].get_or_insert_with(|| make(variable)).address
    })
}

fn make(variable: &Emulated) -> Variable {
    let layout =
        Layout::from_size_align(variable.size.max(1), variable.align.max(1)).expect("a type's layout is valid");
    // SAFETY: the layout has a size. The initial value, if there is one, is as long as the variable.
    unsafe {
        let address = alloc(layout);
        if address.is_null() {
            std::alloc::handle_alloc_error(layout);
        }
        match variable.initial.is_null() {
            true => std::ptr::write_bytes(address, 0, variable.size),
            false => std::ptr::copy_nonoverlapping(variable.initial, address, variable.size),
        }
        Variable { address, layout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_its_own_copy_of_an_emulated_variable() {
        let initial = 7u64.to_ne_bytes();
        let variable = Emulated { size: 8, align: 16, number: AtomicUsize::new(0), initial: initial.as_ptr() };
        // SAFETY: the description is complete.
        let address = || unsafe { emulated_variable(&variable) }.cast::<u64>();
        let own = address();
        // SAFETY: the variable is this thread's and holds a number.
        unsafe {
            assert_eq!((*own, own as usize % 16), (7, 0));
            *own = 8;
        }
        let other = std::thread::scope(|scope| {
            let variable = &raw const variable as usize;
            // SAFETY: as above.
            let read = move || unsafe { *emulated_variable(variable as *const Emulated).cast::<u64>() };
            scope.spawn(read).join().unwrap()
        });
        // SAFETY: as above.
        assert_eq!((other, unsafe { *address() }), (7, 8));
    }
}
