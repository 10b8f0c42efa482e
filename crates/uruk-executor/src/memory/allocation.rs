//! Memory being filled: where the linker writes, and how that becomes finished memory.
//! Data flow: pieces of three lanes → working bytes → `finalize` → segments in somebody else's hands. A piece in
//! pages of its own, and any piece of the data lane, is written in place; a packed piece of code or read-only data
//! is written to a scratch buffer, which `finalize` copies by force over pages that stay protected.
//! Invariants: this is the only module that makes Rust references to mapped bytes. They exist only while working
//! memory is borrowed, lie within one piece, and pieces never overlap.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::ptr;
use std::slice;
use std::sync::Arc;

use uruk_jitlink::memory::{Allocation, Lane, MemoryError};

use super::Shared;
use super::lane::{Piece, protection, refused};
use crate::sys::{self, Mapping};

/// Variables of this size and more become pages of a file that has them; fewer are copied.
const PAGES_OF_FILES_BYTES: u64 = 64 << 10;

/// An allocation of [`InProcessMemory`](super::InProcessMemory).
pub struct InProcessAllocation {
    shared: Arc<Shared>,
    mapping: Arc<Mapping>,
    pieces: [Piece; 3],
    /// Working memory of the packed code, then of the packed read-only data.
    scratch: Vec<u8>,
    finished: bool,
}

impl InProcessAllocation {
    /// Takes the pieces over, and a buffer to use as scratch.
    pub(super) fn new(
        shared: Arc<Shared>,
        mapping: Arc<Mapping>,
        mut pieces: [Piece; 3],
        mut scratch: Vec<u8>,
    ) -> InProcessAllocation {
        for piece in pieces.iter_mut().filter(|piece| piece.stale) {
            mapping.zero(&piece.range());
            piece.stale = false;
        }
        let packed = [Lane::Code, Lane::ReadOnly].map(|lane| scratch_len(&pieces[lane as usize]));
        scratch.clear();
        scratch.resize(packed[0] + packed[1], 0);
        InProcessAllocation { shared, mapping, pieces, scratch, finished: false }
    }

    /// Takes the content of a lane from a file, which never changes again and has all of it from `offset` on. Where pages are the
    /// allocation's own and lie in the file as they do in memory, they are put there, private to this process; what else
    /// there is is copied.
    pub fn take_file(&mut self, lane: Lane, file: &File, offset: u64) -> io::Result<()> {
        let piece = &self.pieces[lane as usize];
        let pages = own_pages(piece, lane);
        let fits = (piece.address ^ offset) & (sys::page_bytes() - 1) == 0;
        let pages = pages.filter(|pages| fits && !pages.is_empty());
        let (address, end) = (piece.address, piece.address + piece.written);
        let Some(pages) = pages else { return self.copy_file(lane, file, offset, address..end) };
        self.mapping.put_file(&pages, file, offset + (pages.start - address))?;
        self.copy_file(lane, file, offset, address..pages.start)?;
        self.copy_file(lane, file, offset, pages.end.min(end)..end)
    }

    fn copy_file(&mut self, lane: Lane, file: &File, offset: u64, part: Range<u64>) -> io::Result<()> {
        let address = self.pieces[lane as usize].address;
        let (start, end) = (part.start - address, part.end - address);
        let bytes =
            self.working().into_iter().nth(lane as usize).and_then(|bytes| bytes.get_mut(start as usize..end as usize));
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        let mut file = file;
        file.seek(SeekFrom::Start(offset + start))?;
        file.read_exact(bytes)
    }

    /// Everything of `finalize` that can fail. What is done twice does no harm.
    fn publish(&mut self) -> Result<(), MemoryError> {
        let (code, read_only) = self.scratch.split_at(scratch_len(&self.pieces[Lane::Code as usize]));
        for (lane, bytes) in [(Lane::Code, code), (Lane::ReadOnly, read_only)] {
            let piece = &self.pieces[lane as usize];
            if let Some(pages) = &piece.own_pages {
                let result = self.mapping.protect(pages, protection(lane));
                result.map_err(|source| refused("protecting", pages, source))?;
            } else if !bytes.is_empty() {
                let result = self.mapping.write(piece.address, bytes);
                result.map_err(|source| {
                    self.shared.note_refusal(&source);
                    refused("writing", &piece.range(), source)
                })?;
            }
        }
        let code = &self.pieces[Lane::Code as usize];
        if code.size != 0 {
            self.shared.system.publish_code(code.range(), code.reused);
        }
        Ok(())
    }
}

/// The pages that only a piece is written to: those that it has to itself, or of many variables all but the first and last.
fn own_pages(piece: &Piece, lane: Lane) -> Option<Range<u64>> {
    let page_bytes = sys::page_bytes();
    let end = piece.address + piece.written;
    if piece.own_pages.is_some() {
        return Some(piece.address..end.next_multiple_of(page_bytes));
    }
    let inner = piece.address.next_multiple_of(page_bytes)..end & !(page_bytes - 1);
    (lane == Lane::Data && PAGES_OF_FILES_BYTES <= piece.written).then_some(inner)
}

/// How much of the scratch buffer a code or read-only piece needs. The zero-fill tail is written too: the bytes may
/// have been used before.
fn scratch_len(piece: &Piece) -> usize {
    if piece.own_pages.is_some() { 0 } else { piece.size as usize }
}

impl Allocation for InProcessAllocation {
    fn address(&self, lane: Lane) -> u64 {
        self.pieces[lane as usize].address
    }

    fn working(&mut self) -> [&mut [u8]; 3] {
        let [code, read_only, data] = &self.pieces;
        let (code_scratch, read_only_scratch) = self.scratch.split_at_mut(scratch_len(code));
        let in_place = |piece: &Piece| {
            let start = ptr::with_exposed_provenance_mut(piece.address as usize);
            // SAFETY: the piece's pages are mapped while `self.mapping` lives, and readable and writable: they are
            // its own and unfinished, or of the data lane. They are initialised: anonymous memory is zero. No other
            // piece overlaps it, and `&mut self` excludes a second set of slices while this one lives.
            unsafe { slice::from_raw_parts_mut::<u8>(start, piece.written as usize) }
        };
        let of = |piece: &Piece, scratch| match piece.own_pages {
            Some(_) => in_place(piece),
            None => cut(scratch, piece.written),
        };
        let data = if data.size == 0 { &mut [] } else { in_place(data) };
        [of(code, code_scratch), of(read_only, read_only_scratch), data]
    }

    fn finalize(mut self: Box<Self>) -> Result<(), MemoryError> {
        self.publish()?;
        self.finished = true;
        self.shared.keep_scratch(std::mem::take(&mut self.scratch));
        for (index, piece) in self.pieces.iter().enumerate() {
            if let Some(pages) = &piece.own_pages {
                let mut state = self.shared.lock();
                let region = state.region_of(piece.address).expect("a region lives while a piece of it does");
                region.lanes[index].finish_pages(&piece.range(), pages);
            }
        }
        Ok(())
    }
}

fn cut(bytes: &mut [u8], len: u64) -> &mut [u8] {
    &mut bytes[..len as usize]
}

impl Drop for InProcessAllocation {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let mut packed: Vec<(Lane, Range<u64>)> = Vec::new();
        for (lane, piece) in Lane::ALL.into_iter().zip(&self.pieces) {
            match &piece.own_pages {
                Some(pages) => {
                    let mut state = self.shared.lock();
                    let region = state.region_of(piece.address).expect("a region lives while a piece of it does");
                    region.lanes[lane as usize].release_unfinished(piece.size, pages.clone(), &self.mapping);
                }
                None => packed.push((lane, piece.range())),
            }
        }
        self.shared.take_back(packed.into_iter());
    }
}
