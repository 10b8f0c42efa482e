//! Accesses on AArch64.

use std::arch::asm;

pub(super) fn thread_pointer() -> *mut u8 {
    let pointer: *mut u8;
    // SAFETY: reads a register.
    unsafe { asm!("mrs {}, tpidr_el0", out(reg) pointer) };
    pointer
}

/// # Safety
/// The loader has filled the descriptor, for a loaded module.
pub(super) unsafe fn call_descriptor(descriptor: &[u64; 2]) -> usize {
    let offset: usize;
    // SAFETY: the resolver takes the descriptor's address in x0 and returns the offset there.
    unsafe { asm!("blr {}", in(reg) descriptor[0], inout("x0") descriptor => offset, clobber_abi("C")) };
    offset
}

/// A function that returns the number in a variable and adds one to it.
pub(super) fn count_up(offset: u64) -> Vec<u8> {
    let offset = u32::try_from(offset).unwrap();
    let code = [
        0xd53b_d041,                          // mrs x1, tpidr_el0
        0xd280_0002 | (offset & 0xffff) << 5, // movz x2, low
        0xf2a0_0002 | (offset >> 16) << 5,    // movk x2, high, lsl 16
        0x8b02_0021,                          // add x1, x1, x2
        0xb940_0020,                          // ldr w0, [x1]
        0x1100_0402,                          // add w2, w0, #1
        0xb900_0022,                          // str w2, [x1]
        0xd65f_03c0,                          // ret
    ];
    code.map(u32::to_le_bytes).concat()
}
