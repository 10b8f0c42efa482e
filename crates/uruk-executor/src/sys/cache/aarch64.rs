//! AArch64: stores are cleaned to where instruction fetch sees them, then lines of the instruction caches are dropped.
//! Sources: Arm ARM §B2.4.4 ("Concurrent modification and execution of instructions"), §D8.11; CTR_EL0.

use std::arch::asm;
use std::ops::Range;

/// Another processor may have fetched ahead what was there before.
pub(in crate::sys) const FRESH_CODE_NEEDS_BARRIER: bool = true;

/// Code that returns a number, for a trial whether what is written by force is executed.
pub(in crate::sys) const RETURNS: Option<fn(u8) -> [u32; 2]> =
    Some(|number| [0x5280_0000 | (number as u32) << 5, 0xd65f_03c0]); // mov w0, number; ret

pub(in crate::sys) fn publish(range: &Range<u64>) {
    let types: u64;
    // SAFETY: CTR_EL0 is readable on Linux and has no side effects.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) types, options(nomem, nostack)) };
    // In words; by IDC and DIC, bits 28 and 29, a processor says that it does one or the other by itself.
    let [code_line, data_line] = [types & 15, types >> 16 & 15].map(|power| 4usize << power);
    if types >> 28 & 1 == 0 {
        for line in lines(range, data_line) {
            // SAFETY: cleans a cache line of a readable page; contents do not change.
            unsafe { asm!("dc cvau, {}", in(reg) line, options(nostack)) };
        }
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack)) };
    if types >> 29 & 1 == 0 {
        for line in lines(range, code_line) {
            // SAFETY: drops a line of the instruction cache.
            unsafe { asm!("ic ivau, {}", in(reg) line, options(nostack)) };
        }
        // SAFETY: a barrier.
        unsafe { asm!("dsb ish", options(nostack)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("isb", options(nostack)) };
}

fn lines(range: &Range<u64>, bytes: usize) -> impl Iterator<Item = u64> {
    (range.start & !(bytes as u64 - 1)..range.end).step_by(bytes)
}
