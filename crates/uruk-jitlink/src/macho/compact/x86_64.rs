//! Compact unwind records of x86-64.
//!
//! Sources: `mach-o/compact_unwind_encoding.h` of Apple's libunwind; x86-64 psABI §3.6.2 (register numbers).

use super::{Frame, MODE, Unwind, WORD};

/// How they are read.
pub static UNWIND: Unwind = Unwind {
    frame,
    return_register: 16,
    // The frame's address is that of the word above the return address.
    entry: &[0x0c, RSP, 8, 0x90, 1],
};

const RBP_FRAME: u32 = 0x0100_0000;
const STACK_IMMEDIATE: u32 = 0x0200_0000;
const STACK_INDIRECT: u32 = 0x0300_0000;

const RBP: u8 = 6;
const RSP: u8 = 7;
/// The register of a number in compact records; 0 is none.
fn register(number: u32) -> Option<u8> {
    const REGISTERS: [u8; 6] = [3, 12, 13, 14, 15, RBP];
    REGISTERS.get((number as usize).checked_sub(1)?).copied()
}

fn frame(encoding: u32, code: &[u8]) -> Option<Frame> {
    match encoding & MODE {
        RBP_FRAME => with_frame_pointer(encoding),
        STACK_IMMEDIATE => without_frame_pointer(encoding, u64::from(encoding >> 16 & 0xff) * WORD),
        STACK_INDIRECT => {
            let at = (encoding >> 16 & 0xff) as usize;
            let size = code.get(at..at + 4)?;
            let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]);
            without_frame_pointer(encoding, u64::from(size) + u64::from(encoding >> 13 & 7) * WORD)
        }
        _ => None,
    }
}

/// Five registers at most, below `rbp` by a number of words and upwards from there.
fn with_frame_pointer(encoding: u32) -> Option<Frame> {
    let depth = u64::from(encoding >> 16 & 0xff);
    let mut saved = vec![(RBP, 2)];
    for place in 0u32..5 {
        match encoding >> (3 * place) & 7 {
            0 => {}
            number => saved.push((register(number)?, (2 + depth).checked_sub(place.into())?)),
        }
    }
    Some(Frame { register: RBP, offset: 2 * WORD, saved })
}

/// Six registers at most, pushed in an order that is coded as the number of a permutation.
fn without_frame_pointer(encoding: u32, size: u64) -> Option<Frame> {
    let count = (encoding >> 10 & 7) as usize;
    let registers = permutation(encoding & 0x3ff, count)?;
    // The return address is the first word below the CFA; the last pushed lies at the lowest place.
    let places = (2..).take(count).collect::<Vec<u64>>().into_iter().rev();
    let saved = registers.into_iter().zip(places).map(|(number, place)| Some((register(number)?, place)));
    Some(Frame { register: RSP, offset: size, saved: saved.collect::<Option<_>>()? })
}

/// The registers of a permutation of `count` of six, from the lowest place on the stack upwards.
fn permutation(mut code: u32, count: usize) -> Option<Vec<u32>> {
    // Each digit says which of the numbers that are left comes next; six registers have no last choice.
    let mut left: Vec<u32> = (1..=6).collect();
    let mut found = Vec::with_capacity(count);
    if left.len() < count {
        return None;
    }
    for place in 0..count {
        // How many ways the later ones can be chosen.
        let rest: u32 = (place + 1..count).map(|later| 6 - later as u32).product();
        let digit = code / rest;
        code %= rest;
        if left.len() <= digit as usize {
            return None;
        }
        found.push(left.remove(digit as usize));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RBX: u8 = 3;

    #[test]
    fn frames_with_a_frame_pointer() {
        let plain = Frame { register: RBP, offset: 16, saved: vec![(RBP, 2)] };
        assert_eq!(frame(0x0100_0000, &[]), Some(plain));
        // `push rbx` last of three pushes: three words below rbp.
        let saved = Frame { register: RBP, offset: 16, saved: vec![(RBP, 2), (RBX, 5), (15, 4), (14, 3)] };
        assert_eq!(frame(0x4103_0000 | 1 | 5 << 3 | 4 << 6, &[]), Some(saved));
        assert_eq!(frame(0x0100_0007, &[]), None, "there is no seventh register");
    }

    #[test]
    fn frames_without_one() {
        assert_eq!(frame(0x0201_0000, &[]), Some(Frame { register: RSP, offset: 8, saved: vec![] }));
        // Two pushes, r14 and then rbx: rbx lies lowest.
        let two = Frame { register: RSP, offset: 24, saved: vec![(RBX, 3), (14, 2)] };
        assert_eq!(frame(0x0203_0000 | 2 << 10 | 2, &[]), Some(two));
        // The size stands in the code, with one word more.
        let mut code = vec![0x48, 0x81, 0xec];
        code.extend(0x1000u32.to_le_bytes());
        let large = Frame { register: RSP, offset: 0x1008, saved: vec![] };
        assert_eq!(frame(0x0303_0000 | 1 << 13, &code), Some(large));
        assert_eq!(frame(0x0303_0000, &code[..5]), None);
        assert_eq!(frame(0x0203_0000 | 7 << 10, &[]), None);
    }

    #[test]
    fn others_say_nothing() {
        assert_eq!(frame(0, &[]), None);
        assert_eq!(frame(0x0400_0010, &[]), None, "it names a record of `__eh_frame`");
    }
}
