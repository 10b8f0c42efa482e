//! The code of a block of stubs on x86-64, and how to unwind from each of its instructions.
//!
//! A block is cut into cells of 16 bytes, sixteen cells to a group; cell `n` has word `n` of the block's words in the
//! data lane. Cell 0 of a block is its head, cell 8 of each group the group's entry, every other one a stub:
//!
//! ```text
//! stub                             group's entry                      head
//!  0 f3 0f 1e fa     endbr64        0 68 <id> push $group              0 ff 35 <rel32> push context(%rip)
//!  4 ff 25 <rel32>   jmp *word(%rip)  5 e9 <rel32> jmp head            6 ff 25 <rel32> jmp *entry(%rip)
//! 10 6a <ib>         push $cell    10 cc …                            12 cc …
//! 12 eb <rel8>       jmp group's entry
//! 14 cc cc
//! ```
//!
//! A lazy stub's word holds the address of the `push` right behind its jump. From there the way goes through the
//! group's entry, which a short jump can reach, and the head to [`super::entry`], with the cell's number in its group,
//! the group's number and the context on the stack. Nothing but the stack pointer changes on the way, and no `call`
//! lacks its `ret`, so shadow stacks stay in step. The words of the head and of the first group's entry, which are no
//! stubs' words, hold the context and the entry's address.
//! Sources: Intel SDM volume 2 (encodings); x86-64 psABI §3.2 (what a call passes), §3.7; DWARF 5 §2.5 (expressions), §6.4.2
//! (call frame instructions).

use std::ops::Range;

use super::block::{Contents, MAX_CELLS};
use super::{MAX_BLOCKS, records};

pub(super) mod entry;

/// Bytes of a cell.
pub(super) const CELL_BYTES: u64 = 16;
/// Cells of a group.
const GROUP_CELLS: usize = 16;
/// A block's code is aligned to its groups.
pub(super) const BLOCK_ALIGN: u64 = CELL_BYTES * GROUP_CELLS as u64;
/// Where in a group its entry is: within a short jump's reach of the first cell and the last.
const GROUP_ENTRY: usize = 8;
/// Bytes before the instruction that makes a stub lazy.
const LAZY_OFFSET: u64 = 10;
/// The word with the context that a block's head passes on.
const CONTEXT_WORD: usize = 0;
/// The word with the address where the head jumps.
const ENTRY_WORD: usize = GROUP_ENTRY;

/// Group numbers are what an instruction can push without changing their sign.
const _: () = assert!(MAX_BLOCKS * (MAX_CELLS / GROUP_CELLS) <= 1 << 31);

/// How many cells a block with so many stubs has: one of each group is its entry, and one of the block its head.
pub(super) fn cells(stubs: usize) -> usize {
    stubs * GROUP_CELLS / (GROUP_CELLS - 1) + 2
}

/// What a stub's word holds while nobody has said where the stub leads. `stub` is the stub's address.
pub(super) fn lazy_target(_code: u64, stub: u64) -> u64 {
    stub + LAZY_OFFSET
}

/// Whether a cell of a block is a stub.
pub(super) fn is_stub(cell: usize) -> bool {
    cell != 0 && cell % GROUP_CELLS != GROUP_ENTRY
}

/// Writes a block's code and words.
pub(super) fn fill(contents: &Contents, code: &mut [u8], words: &mut [u8]) {
    write_code(code, contents.code, contents.words, (contents.first_location / GROUP_CELLS as u64) as i32);
    for (cell, word) in words.as_chunks_mut().0.iter_mut().enumerate() {
        let value = match cell {
            CONTEXT_WORD => contents.context,
            ENTRY_WORD => contents.entry,
            _ => contents.failure,
        };
        *word = value.to_le_bytes();
    }
}

/// The code of a block that will lie at `code` and have its words at `words`. Its first group has the number
/// `first_group`; there are as many groups as fill `bytes`.
///
/// Panics if the words are out of a 32-bit displacement's reach, which the lanes of one demand never are.
fn write_code(bytes: &mut [u8], code: u64, words: u64, first_group: i32) {
    let to_word = |cell: usize, next: u64| displacement(next, words + 8 * cell as u64);
    for (cell, bytes) in bytes.chunks_exact_mut(CELL_BYTES as usize).enumerate() {
        let here = code + CELL_BYTES * cell as u64;
        let in_group = cell % GROUP_CELLS;
        bytes.fill(0xcc);
        if cell == 0 {
            bytes[..2].copy_from_slice(&[0xff, 0x35]);
            bytes[2..6].copy_from_slice(&to_word(CONTEXT_WORD, here + 6));
            bytes[6..8].copy_from_slice(&[0xff, 0x25]);
            bytes[8..12].copy_from_slice(&to_word(ENTRY_WORD, here + 12));
        } else if in_group == GROUP_ENTRY {
            let group = first_group + (cell / GROUP_CELLS) as i32;
            bytes[0] = 0x68;
            bytes[1..5].copy_from_slice(&group.to_le_bytes());
            bytes[5] = 0xe9;
            bytes[6..10].copy_from_slice(&displacement(here + 10, code));
        } else {
            bytes[..6].copy_from_slice(&[0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25]);
            bytes[6..10].copy_from_slice(&to_word(cell, here + 10));
            let distance = GROUP_ENTRY as i64 * 16 - (in_group as i64 * 16 + 14);
            bytes[10..14].copy_from_slice(&[0x6a, in_group as u8, 0xeb, distance as i8 as u8]);
        }
    }
}

fn displacement(next: u64, target: u64) -> [u8; 4] {
    let distance = i32::try_from(target.wrapping_sub(next) as i64);
    distance.expect("the lanes of one demand reach each other").to_le_bytes()
}

/// Unwind records for the code of a block, good for every instruction: no call returns there, but a signal, a
/// debugger or a profiler may stop there. The canonical frame address is first what it is in the head, and then an
/// expression of the instruction pointer and the stack pointer.
pub(super) fn unwind_records(code: &Range<u64>) -> Vec<u8> {
    #[rustfmt::skip]
    let instructions = [
        0x0e, 24,                       // DW_CFA_def_cfa_offset: the head, after two pushes
        0x40 | 6,                       // DW_CFA_advance_loc
        0x0e, 32,                       // after its own
        0x40 | 10,                      // the cells behind it
        0x0f, FRAME_ADDRESS.len() as u8 // DW_CFA_def_cfa_expression
    ];
    records::eh_frame(UNWINDING, code, &[&instructions, FRAME_ADDRESS].concat())
}

/// Body of a CIE: version 1, "zR", alignment factors 1 and -8, return address in column 16, absolute code addresses. At first
/// the frame address is rsp + 8 and the return address lies right below it.
const UNWINDING: &[u8] = b"\x01zR\0\x01\x78\x10\x01\0\x0c\x07\x08\x90\x01";

/// With `entry` 1 in a group's entry and 0 in a stub: rsp + 8 + 8 × entry, and 8 more once the cell's own push is done,
/// that is, from offset 12 - 7 × entry on.
#[rustfmt::skip]
const FRAME_ADDRESS: &[u8] = &[
    0x80, 0, 0x34, 0x25, 0x3f, 0x1a, 0x38, 0x29,        // rip >> 4 & 15 == 8
    0x12, 0x33, 0x24, 0x77, 8, 0x22,                    // entry << 3, + rsp + 8
    0x16, 0x3c, 0x16, 0x37, 0x1e, 0x1c,                 // 12 - entry × 7
    0x80, 0, 0x3f, 0x1a, 0x2c,                          // ≤ rip & 15
    0x33, 0x24, 0x22,                                   // << 3, + the sum so far
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The cell `cell` of a block at 0x10000 with words at 0x2f000, whose first group is number 0x300.
    fn check(cell: usize, expected: &str) {
        let mut bytes = vec![0; 32 * CELL_BYTES as usize];
        write_code(&mut bytes, 0x10000, 0x2f000, 0x300);
        let bytes = bytes.as_chunks::<16>().0[cell].map(|byte| format!("{byte:02x}"));
        assert_eq!(bytes.join(" "), expected, "cell {cell}");
    }

    #[test]
    fn cells_are_encoded_as_documented() {
        check(0, "ff 35 fa ef 01 00 ff 25 34 f0 01 00 cc cc cc cc");
        check(1, "f3 0f 1e fa ff 25 ee ef 01 00 6a 01 eb 62 cc cc");
        check(7, "f3 0f 1e fa ff 25 be ef 01 00 6a 07 eb 02 cc cc");
        check(8, "68 00 03 00 00 e9 76 ff ff ff cc cc cc cc cc cc");
        check(16, "f3 0f 1e fa ff 25 76 ef 01 00 6a 00 eb 72 cc cc");
        check(24, "68 01 03 00 00 e9 76 fe ff ff cc cc cc cc cc cc");
        check(31, "f3 0f 1e fa ff 25 fe ee 01 00 6a 0f eb 82 cc cc");
    }

    #[test]
    fn heads_and_entries_are_no_stubs() {
        let others: Vec<usize> = (0..40).filter(|cell| !is_stub(*cell)).collect();
        assert_eq!(others, [0, 8, 24]);
    }
}
