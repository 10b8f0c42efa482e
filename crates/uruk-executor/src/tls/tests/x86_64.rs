//! Accesses on x86-64.

use std::arch::asm;

pub(super) fn thread_pointer() -> *mut u8 {
    let pointer: *mut u8;
    // SAFETY: reads the thread pointer, which the word at %fs:0 holds.
    unsafe { asm!("mov {}, fs:[0]", out(reg) pointer) };
    pointer
}

/// # Safety
/// The loader has filled the descriptor, for a loaded module.
pub(super) unsafe fn call_descriptor(descriptor: &[u64; 2]) -> usize {
    let offset: usize;
    // SAFETY: the resolver takes the descriptor's address in %rax, returns the offset there, and wants the stack aligned
    // as at a call, which `asm!` grants.
    unsafe { asm!("call [rax]", inout("rax") descriptor => offset, clobber_abi("C")) };
    offset
}

/// A function that returns the number in a variable and adds one to it.
pub(super) fn count_up(offset: u64) -> Vec<u8> {
    // mov %fs:x@tpoff, %eax; incl %fs:x@tpoff; ret
    let offset = i32::try_from(offset as i64).unwrap().to_le_bytes();
    [&[0x64, 0x8b, 0x04, 0x25], &offset[..], &[0x64, 0xff, 0x04, 0x25], &offset, &[0xc3]].concat()
}
