//! Accesses on RISC-V.

use std::arch::asm;

pub(super) fn thread_pointer() -> *mut u8 {
    let pointer: *mut u8;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, tp", out(reg) pointer) };
    pointer
}

/// # Safety
/// The descriptor is of a loaded module.
pub(super) unsafe fn call_descriptor(descriptor: &[u64; 2]) -> usize {
    let offset: usize;
    let kept: f64;
    let mut registers = [1u64, 2, 3, 4];
    // SAFETY: the resolver takes the descriptor's address in a0, returns the offset there, returns to t0, and changes no
    // other register.
    unsafe {
        asm!(
            "jalr t0, {function}",
            function = in(reg) descriptor[0],
            inout("a0") descriptor => offset,
            out("t0") _,
            inout("a1") registers[0],
            inout("a7") registers[1],
            inout("t1") registers[2],
            inout("t6") registers[3],
            inout("fa0") 1.5f64 => kept,
        );
    }
    assert_eq!((registers, kept), ([1, 2, 3, 4], 1.5));
    offset
}

/// A function that returns the number in a variable and adds one to it.
pub(super) fn count_up(offset: u64) -> Vec<u8> {
    let offset = i32::try_from(offset as i64).unwrap() as u32;
    let code = [
        0x0000_02b7 | offset.wrapping_add(0x800) & !0xfff, // lui t0, upper
        0x0002_8293 | offset << 20,                        // addi t0, t0, lower
        0x0042_82b3,                                       // add t0, t0, tp
        0x0002_a503,                                       // lw a0, 0(t0)
        0x0015_031b,                                       // addiw t1, a0, 1
        0x0062_a023,                                       // sw t1, 0(t0)
        0x0000_8067,                                       // ret
    ];
    code.map(u32::to_le_bytes).concat()
}
