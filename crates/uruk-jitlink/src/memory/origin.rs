//! What an allocation is for, as managers are told that want to know.

use crate::arch::Architecture;
use crate::graph::SectionKind;
use crate::memory::Lane;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A batch of objects that memory is asked for. What it says is put together when a manager asks.
pub trait Origin {
    /// Its number, which no other batch of this process has.
    fn number(&self) -> u64;

    /// The architecture of its code.
    fn architecture(&self) -> &'static Architecture;

    /// Its objects, in the order in which their shares lie in each lane.
    fn objects(&self) -> Vec<ObjectPart>;
}

/// An object of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectPart {
    /// What messages call it: a path, or `archive(member)`.
    pub name: Arc<str>,
    /// The dylib that it belongs to.
    pub dylib: Arc<str>,
    /// Its sections that take room.
    pub sections: Vec<SectionPart>,
}

/// A section of an object of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SectionPart {
    /// Its name in the object; of no bytes for common symbols.
    pub name: Vec<u8>,
    /// What it is for.
    pub kind: SectionKind,
    /// The lane that it lies in; of thread-local variables none, as they lie in each thread's storage.
    pub lane: Option<Lane>,
    /// From its first byte to its last in the lane, or in the batch's thread-local image; parts of others may lie in between.
    pub range: Range<u64>,
    /// Its alignment in bytes.
    pub align: u64,
}

/// A number for a batch.
pub fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
