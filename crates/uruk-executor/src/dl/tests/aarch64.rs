//! Calls on AArch64.

/// A function that calls another one, with the arguments that it was called with.
pub(super) fn call(function: u64) -> Vec<u8> {
    // stp x29, x30, [sp, #-16]!; ldr x16, function; blr x16; ldp x29, x30, [sp], #16; ret; nop
    let code = [0xa9bf_7bfdu32, 0x5800_00b0, 0xd63f_0200, 0xa8c1_7bfd, 0xd65f_03c0, 0xd503_201f];
    [&code.map(u32::to_le_bytes).concat()[..], &function.to_le_bytes()].concat()
}
