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

#[cfg(test)]
mod tests {
    use super::*;
    fn callbacks() -> uruk_memory_callbacks {
        // SAFETY: as `Grows` says, zeros are a value.
        unsafe { std::mem::zeroed() }
    }

    #[test]
    fn a_table_cannot_be_written_to_and_one_that_was_all_the_same_is_told() {
        for hardened in [false, true] {
            let table = Table::new(&callbacks(), hardened).unwrap();
            assert_eq!(table.get().unwrap().flags, 0);
            let page = table.page.as_ptr().cast_mut();
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let line = maps.lines().find(|line| {
                let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
                let bounds = [start, end].map(|text| usize::from_str_radix(text, 16).unwrap());
                bounds[0] <= page.addr() && page.addr() < bounds[1]
            });
            assert!(line.is_some_and(|line| line.contains(" r--p ")), "{line:?}");
            // SAFETY: the table's page, of which no reference is held; only a flag is changed.
            unsafe {
                assert_eq!(libc::mprotect(page.cast(), 4096, libc::PROT_READ | libc::PROT_WRITE), 0);
                page.add(std::mem::offset_of!(uruk_memory_callbacks, flags)).write(URUK_ALTERED);
            }
            match table.get() {
                Ok(altered) => assert!(!hardened && altered.flags == u32::from(URUK_ALTERED)),
                Err(failure) => assert!(hardened && failure.status == uruk_status::URUK_TAMPERED, "{failure}"),
            }
        }
    }

    const URUK_ALTERED: u8 = 64;
}
