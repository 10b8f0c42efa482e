//! The bytes of an input file, shared by whatever is read from it.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// Something that keeps bytes alive and in place: a vector, a mapped file.
pub trait Backing: AsRef<[u8]> + Send + Sync {
    /// Told that hardly anybody will look at a range again. The bytes stay what they are, but what can be had anew from
    /// elsewhere need not stay in memory.
    fn set_aside(&self, _range: Range<usize>) {}
}

impl Backing for Vec<u8> {}

/// The bytes of one object, perhaps a part of an archive. Cloning is cheap.
#[derive(Clone)]
pub struct Input {
    backing: Arc<dyn Backing>,
    range: Range<usize>,
    name: Arc<str>,
}

impl Input {
    /// All of `backing`, under the name that messages give it.
    pub fn new(name: impl Into<Arc<str>>, backing: Arc<dyn Backing>) -> Input {
        let range = 0..(*backing).as_ref().len();
        Input { backing, range, name: name.into() }
    }

    /// Bytes held in memory.
    pub fn from_bytes(name: impl Into<Arc<str>>, bytes: Vec<u8>) -> Input {
        Input::new(name, Arc::new(bytes))
    }

    /// A part of this input under its own name, or `None` where it does not lie within.
    pub fn part(&self, name: impl Into<Arc<str>>, range: Range<usize>) -> Option<Input> {
        self.get(range.clone())?;
        let range = self.range.start + range.start..self.range.start + range.end;
        Some(Input { backing: self.backing.clone(), range, name: name.into() })
    }

    /// Says that hardly anybody will look at the bytes from `start` on again; see [`Backing::set_aside`].
    pub fn set_aside(&self, start: usize) {
        self.backing.set_aside(self.range.end.min(self.range.start + start)..self.range.end);
    }

    /// What messages call it: a path, or `archive(member)`.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }
}

impl Deref for Input {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &(*self.backing).as_ref()[self.range.clone()]
    }
}
