//! The code of a block of stubs on RISC-V. What a block consists of is said in [`headed`].
//!
//! ```text
//! stub                                  head
//!  0  auipc t1, %pcrel_hi(word)          0  addi sp, sp, -16
//!  4  addi  t1, t1, %pcrel_lo(…)         4  sd   t1, 0(sp)
//!  8  ld    t3, 0(t1)                    8  sd   t3, 8(sp)
//! 12  jr    t3                          12  ld   t3, 24(t3)
//!                                       16  jr   t3
//! ```
//!
//! Whoever calls what may be far away must be ready to lose t1 and t3, as in a procedure linkage table.
//! Sources: RISC-V unprivileged ISA, RV64I (encodings); RISC-V psABI, "Procedure Linkage Table" and "DWARF Register
//! Numbers".

#[path = "../headed.rs"]
mod headed;

pub(super) mod entry;

pub(super) use self::headed::{BLOCK_ALIGN, CELL_BYTES, cells, fill, is_stub, lazy_target, unwind_records};

const JR_T3: u32 = 0x000e_0067;

/// The head's instructions.
const HEAD: [u32; 6] =
    [0xff01_0113, 0x0061_3023, 0x01c1_3423, 0x000e_3e03 | (headed::ENTRY_OFFSET as u32) << 20, JR_T3, 0];

/// Body of a CIE: version 1, "zR", alignment factors 1 and -8, return address in ra, absolute code addresses; the frame
/// address is sp.
const UNWINDING: &[u8] = b"\x01zR\0\x01\x78\x01\x01\0\x0c\x02\0";

/// A stub at `here` whose word is at `word`.
///
/// Panics if the word is out of reach, which the lanes of one demand never are.
fn stub(here: u64, word: u64) -> [u32; 4] {
    let distance = i32::try_from(word.wrapping_sub(here) as i64).ok().and_then(|distance| distance.checked_add(0x800));
    // The second instruction adds a signed number, hence the rounding.
    let rounded = distance.expect("the lanes of one demand reach each other");
    let low = (rounded as u32).wrapping_sub(0x800) << 20;
    [0x0000_0317 | rounded as u32 & !0xfff, 0x0003_0313 | low, 0x0003_3e03, JR_T3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stubs_are_encoded_as_documented() {
        assert_eq!(stub(0x1_0040, 0x2_f020), [0x0001_f317, 0xfe03_0313, 0x0003_3e03, 0x000e_0067]);
        assert_eq!(stub(0x2_f020, 0x1_0ff8)[..2], [0xfffe_2317, 0xfd83_0313]);
        assert_eq!(HEAD[..5], [0xff01_0113, 0x0061_3023, 0x01c1_3423, 0x018e_3e03, 0x000e_0067]);
    }
}
