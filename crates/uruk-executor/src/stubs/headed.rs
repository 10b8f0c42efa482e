//! Blocks whose stubs say who they are by a register: on all architectures but x86-64.
//!
//! A block is cut into cells of 16 bytes; cell `n` has word `n` of the block's words in the data lane. The first four
//! cells are the block's head, every other one a stub. A stub leaves the address of its word in a register. A lazy
//! stub's word holds the head's address, which is then in the register that the stub jumps by. The head pushes both
//! and jumps where a constant behind its instructions says, to [`super::entry`]; from the head's other constants it is
//! known whose block this is and which stub was called. Nothing else changes on the way.

use std::ops::Range;

use super::super::block::Contents;
use super::super::{Shared, entry, records};
use super::{HEAD, UNWINDING, stub};

/// Bytes of a cell.
pub(in super::super) const CELL_BYTES: u64 = 16;
/// What a block's code is aligned to.
pub(in super::super) const BLOCK_ALIGN: u64 = HEAD_BYTES as u64;

/// Cells of a head.
const HEAD_CELLS: usize = HEAD_BYTES / CELL_BYTES as usize;
const HEAD_BYTES: usize = size_of::<Head>();
/// Where the address of the entry is in a head.
pub(super) const ENTRY_OFFSET: usize = std::mem::offset_of!(Head, entry);

/// A block's head.
#[repr(C, align(64))]
pub(super) struct Head {
    instructions: [u32; 6],
    entry: u64,
    context: *const Shared,
    words: u64,
    first_location: u64,
}

/// How many cells a block with so many stubs has.
pub(in super::super) fn cells(stubs: usize) -> usize {
    stubs + HEAD_CELLS
}

/// Whether a cell of a block is a stub.
pub(in super::super) fn is_stub(cell: usize) -> bool {
    HEAD_CELLS <= cell
}

/// What a stub's word holds while nobody has said where the stub leads, in a block whose code begins at `code`.
pub(in super::super) fn lazy_target(code: u64, _stub: u64) -> u64 {
    code
}

/// Writes a block's code and words.
pub(in super::super) fn fill(contents: &Contents, code: &mut [u8], words: &mut [u8]) {
    let (head, stubs) = code.split_at_mut(HEAD_BYTES);
    let constants = [contents.entry, contents.context, contents.words, contents.first_location, 0];
    head.copy_from_slice(
        &[&HEAD.map(u32::to_le_bytes).concat()[..], &constants.map(u64::to_le_bytes).concat()].concat(),
    );
    for (cell, bytes) in (HEAD_CELLS as u64..).zip(stubs.chunks_exact_mut(CELL_BYTES as usize)) {
        let instructions = stub(contents.code + CELL_BYTES * cell, contents.words + 8 * cell);
        bytes.copy_from_slice(&instructions.map(u32::to_le_bytes).concat());
    }
    for word in words.as_chunks_mut().0 {
        *word = contents.failure.to_le_bytes();
    }
}

/// Unwind records for the code of a block, good for every instruction: no call returns there, but a signal, a debugger
/// or a profiler may stop there. The return address stays in its register.
pub(in super::super) fn unwind_records(code: &Range<u64>) -> Vec<u8> {
    #[rustfmt::skip]
    let instructions = [
        0x40 | 4,                           // DW_CFA_advance_loc: after the head's push
        0x0e, 16,                           // DW_CFA_def_cfa_offset
        0x40 | (HEAD_BYTES as u8 - 4),      // the stubs
        0x0e, 0,
    ];
    records::eh_frame(UNWINDING, code, &instructions)
}

/// Where the call goes that came through the stub with this word.
///
/// # Safety
/// These are the words that a head has pushed.
pub(super) unsafe extern "C-unwind" fn answer(head: *const Head, word: u64) -> u64 {
    // SAFETY: the head is in finished code that lives as long as its stubs, one of which was called.
    let Head { context, words, first_location, .. } = unsafe { &*head };
    // SAFETY: the block was made with this context.
    unsafe { entry::answer(*context, first_location + (word - words) / 8) }
}
