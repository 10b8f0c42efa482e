//! The code of a block of stubs on AArch64. What a block consists of is said in [`headed`].
//!
//! ```text
//! stub                                  head
//!  0  adrp x16, word                     0  stp x16, x17, [sp, #-16]!
//!  4  add  x16, x16, :lo12:word          4  ldr x17, [x17, #24]
//!  8  ldr  x17, [x16]                    8  br  x17
//! 12  br   x17
//! ```
//!
//! Whoever calls what may be far away must be ready to lose x16 and x17.
//! Sources: Arm ARM, A64 base instructions (encodings); AAPCS64 §6.1.1 (x16 and x17); AADWARF64 §4.1 (register numbers).

#[path = "../headed.rs"]
mod headed;

pub(super) mod entry;

pub(super) use self::headed::{BLOCK_ALIGN, CELL_BYTES, cells, fill, is_stub, lazy_target, unwind_records};

const BR_X17: u32 = 0xd61f_0220;

/// The head's instructions.
const HEAD: [u32; 6] = [0xa9bf_47f0, 0xf940_0231 | (headed::ENTRY_OFFSET as u32 / 8) << 10, BR_X17, 0, 0, 0];

/// Body of a CIE: version 1, "zR", alignment factors 1 and -8, return address in x30, absolute code addresses; the frame
/// address is sp.
const UNWINDING: &[u8] = b"\x01zR\0\x01\x78\x1e\x01\0\x0c\x1f\0";

/// A stub at `here` whose word is at `word`.
///
/// Panics if the word is out of reach, which the lanes of one demand never are.
fn stub(here: u64, word: u64) -> [u32; 4] {
    let pages = (word >> 12) as i64 - (here >> 12) as i64;
    assert!((-(1 << 20)..1 << 20).contains(&pages), "the lanes of one demand reach each other");
    let pages = pages as u32;
    let adrp = 0x9000_0010 | (pages & 3) << 29 | (pages >> 2 & 0x7_ffff) << 5;
    [adrp, 0x9100_0210 | (word as u32 & 0xfff) << 10, 0xf940_0211, BR_X17]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stubs_are_encoded_as_documented() {
        assert_eq!(stub(0x1_0040, 0x2_f020), [0xf000_00f0, 0x9100_8210, 0xf940_0211, 0xd61f_0220]);
        assert_eq!(stub(0x2_f020, 0x1_0ff8)[..2], [0xb0ff_ff10, 0x913f_e210]);
        assert_eq!(HEAD[..3], [0xa9bf_47f0, 0xf940_0e31, 0xd61f_0220]);
    }
}
