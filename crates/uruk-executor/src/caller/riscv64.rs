//! Functions that must know who calls them, on RISC-V.

/// The whole body of a naked function: it jumps to another one, which takes the same arguments, two or three, and the return
/// address as one more. No frame of its own is ever on the stack.
macro_rules! jump_with_caller {
    (after 2, $function:path) => {
        ::std::arch::naked_asm!("mv a2, ra", "tail {}", sym $function)
    };
    (after 3, $function:path) => {
        ::std::arch::naked_asm!("mv a3, ra", "tail {}", sym $function)
    };
}
