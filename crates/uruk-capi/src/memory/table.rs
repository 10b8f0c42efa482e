//! A table of callbacks in a page of its own that nobody can write to, and whose content can be checked all the same.

use super::uruk_memory_callbacks;
use crate::error::{Failure, uruk_status};
use memmap2::{Mmap, MmapMut};
use std::hash::{BuildHasher, RandomState};

/// A copy of a client's table.
pub struct Table {
    page: Mmap,
    key: RandomState,
    sum: u64,
    hardened: bool,
}

impl Table {
    /// Keeps a table.
    pub fn new(callbacks: &uruk_memory_callbacks, hardened: bool) -> Result<Table, Failure> {
        let failed =
            |error: std::io::Error| Failure::new(uruk_status::URUK_MEMORY, format!("a page for the table: {error}"));
        let size = size_of::<uruk_memory_callbacks>();
        let mut page = MmapMut::map_anon(size).map_err(failed)?;
        // SAFETY: the page has room for one, and is aligned to more.
        unsafe { page.as_mut_ptr().cast::<uruk_memory_callbacks>().write(*callbacks) };
        let page = page.make_read_only().map_err(failed)?;
        let key = RandomState::new();
        let sum = key.hash_one(&page[..]);
        Ok(Table { page, key, sum, hardened })
    }

    /// The callbacks, unless somebody has altered them.
    pub fn get(&self) -> Result<&uruk_memory_callbacks, Failure> {
        if self.hardened && self.key.hash_one(&self.page[..]) != self.sum {
            let text = "the callbacks of a memory manager were altered after it had been made";
            return Err(Failure::new(uruk_status::URUK_TAMPERED, text));
        }
        // SAFETY: `new` wrote one there.
        Ok(unsafe { &*self.page.as_ptr().cast::<uruk_memory_callbacks>() })
    }
}
