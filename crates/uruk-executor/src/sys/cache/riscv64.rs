//! RISC-V: the kernel has every processor that runs a thread of this process execute `fence.i`.
//! Sources: RISC-V unprivileged ISA, "Zifencei"; Linux Documentation/arch/riscv/cmodx.rst.

use std::ops::Range;

/// Another processor may have fetched ahead what was there before.
pub(in crate::sys) const FRESH_CODE_NEEDS_BARRIER: bool = true;

/// Code that returns a number, for a trial whether what is written by force is executed.
pub(in crate::sys) const RETURNS: Option<fn(u8) -> [u32; 2]> =
    Some(|number| [0x0000_0513 | (number as u32) << 20, 0x0000_8067]); // li a0, number; ret

pub(in crate::sys) fn publish(range: &Range<u64>) {
    // Of <asm/unistd.h>; libc has no name for it.
    const RISCV_FLUSH_ICACHE: libc::c_long = 259;
    // SAFETY: with the flags 0 it is for all threads; it touches no memory.
    unsafe { libc::syscall(RISCV_FLUSH_ICACHE, range.start, range.end, 0) };
}
