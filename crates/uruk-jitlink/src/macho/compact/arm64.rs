//! Compact unwind records of arm64.
//!
//! Sources: `mach-o/compact_unwind_encoding.h` of Apple's libunwind; AADWARF64 §4.1 (register numbers).

use super::{Frame, MODE, Unwind, WORD};

/// How they are read.
pub static UNWIND: Unwind = Unwind {
    frame,
    return_register: LINK,
    // The return address is in its register.
    entry: &[0x0c, STACK, 0],
};

const FRAMELESS: u32 = 0x0200_0000;
const FRAME: u32 = 0x0400_0000;
/// The stack of a function without a frame pointer, in units of 16 bytes.
const SIZE_SHIFT: u32 = 12;
const SIZE_MASK: u32 = 0xfff;
const SIZE_UNIT: u64 = 16;

const FRAME_POINTER: u8 = 29;
const LINK: u8 = 30;
const STACK: u8 = 31;

/// Bits that say which pairs were saved, with the number of the first register, in the order in which they lie downwards.
const PAIRS: [(u32, u8); 9] = [
    (0x001, 19),
    (0x002, 21),
    (0x004, 23),
    (0x008, 25),
    (0x010, 27),
    // d8 and on.
    (0x100, 72),
    (0x200, 74),
    (0x400, 76),
    (0x800, 78),
];

fn frame(encoding: u32, _: &[u8]) -> Option<Frame> {
    match encoding & MODE {
        FRAME => {
            let mut saved = vec![(FRAME_POINTER, 2), (LINK, 1)];
            saved.extend(pairs(encoding, 3));
            Some(Frame { register: FRAME_POINTER, offset: 2 * WORD, saved })
        }
        FRAMELESS => {
            let offset = u64::from(encoding >> SIZE_SHIFT & SIZE_MASK) * SIZE_UNIT;
            Some(Frame { register: STACK, offset, saved: pairs(encoding, 1).collect() })
        }
        _ => None,
    }
}

/// The registers that were saved, from so many words below the CFA downwards.
fn pairs(encoding: u32, first: u64) -> impl Iterator<Item = (u8, u64)> {
    let pairs = PAIRS.iter().filter(move |(bit, _)| encoding & bit != 0);
    pairs.flat_map(|(_, register)| [*register, register + 1]).zip(first..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        let plain = Frame { register: 29, offset: 16, saved: vec![(29, 2), (30, 1)] };
        assert_eq!(frame(0x0400_0000, &[]), Some(plain));
        let saved = vec![(29, 2), (30, 1), (19, 3), (20, 4), (72, 5), (73, 6)];
        assert_eq!(frame(0x0400_0101, &[]), Some(Frame { register: 29, offset: 16, saved }));
        let without = Frame { register: 31, offset: 32, saved: vec![(21, 1), (22, 2)] };
        assert_eq!(without.instructions(), [0x0c, 31, 32, 0x95, 1, 0x96, 2]);
        assert_eq!(frame(0x0200_2002, &[]), Some(without));
        let large = Frame { register: 31, offset: 0xfff0, saved: vec![(78, 1), (79, 2)] };
        assert_eq!(large.instructions(), [0x0c, 31, 0xf0, 0xff, 3, 5, 78, 1, 5, 79, 2]);
        assert_eq!(frame(0x02ff_f800, &[]), Some(large));
    }

    #[test]
    fn others_say_nothing() {
        assert_eq!(frame(0, &[]), None);
        assert_eq!(frame(0x0300_0010, &[]), None, "it names a record of `__eh_frame`");
    }
}
