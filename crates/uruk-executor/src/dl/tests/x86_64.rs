//! Calls on x86-64.

/// A function that calls another one, with the arguments that it was called with.
pub(super) fn call(function: u64) -> Vec<u8> {
    // sub $8, %rsp; movabs $function, %rax
    let (before, after) = ([0x48, 0x83, 0xec, 0x08, 0x48, 0xb8], [0xff, 0xd0, 0x48, 0x83, 0xc4, 0x08, 0xc3]);
    // call *%rax; add $8, %rsp; ret
    [&before, &function.to_le_bytes()[..], &after].concat()
}
