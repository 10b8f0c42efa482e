//! The symbol index: which member defines a name. Three layouts, one iterator.
//!
//! GNU and COFF's first linker member: a big-endian count, that many member places, then the names one after the other.
//! BSD and Darwin: the size in bytes of a little-endian table of (name's place in the strings, member's place), the table,
//! the size of the strings, the strings. Each exists with 4- and 8-byte numbers.
//!
//! Invariants: tables lie within the index, checked once; each name and target is checked when it is met.

use std::ffi::CStr;

use super::{ArchiveError, MemberId, may_be_header};

/// A symbol index whose tables fit.
#[derive(Clone, Copy, Debug)]
pub struct Index<'data> {
    layout: Layout,
    /// Size of a number: 4 or 8.
    width: usize,
    /// The table of entries and its place in the archive.
    entries: &'data [u8],
    entries_at: u64,
    strings: &'data [u8],
    strings_at: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    /// Places only; names follow each other in the same order.
    Gnu,
    /// Pairs of name and member.
    Bsd,
}

impl<'data> Index<'data> {
    /// Reads the head of an index, whose member has this name, place and content.
    pub fn parse(name: &[u8], at: u64, content: &'data [u8]) -> Result<Index<'data>, ArchiveError> {
        let layout = if name.starts_with(b"/") { Layout::Gnu } else { Layout::Bsd };
        let width = if name == b"/SYM64/" || name.starts_with(b"__.SYMDEF_64") { 8 } else { 4 };
        let mut cursor = Cursor { at, rest: content };
        // Writers that have no symbols to tell may leave the index empty.
        if content.is_empty() {
            return Ok(Index { layout, width, entries: &[], entries_at: at, strings: &[], strings_at: at });
        }
        let head = cursor.take("count", width as u64)?;
        let entries_at = cursor.at;
        let (entries, strings) = match layout {
            Layout::Gnu => {
                let size = big_endian(head).saturating_mul(width as u64);
                (cursor.take("table of members", size)?, cursor.rest)
            }
            Layout::Bsd => {
                let (size, entry) = (little_endian(head), 2 * width as u64);
                if size % entry != 0 {
                    return Err(ArchiveError::UnevenIndex { at: entries_at, size, entry });
                }
                let entries = cursor.take("table of symbols", size)?;
                let strings_size = little_endian(cursor.take("size of the strings", width as u64)?);
                (entries, cursor.peek("strings", strings_size)?)
            }
        };
        Ok(Index { layout, width, entries, entries_at, strings, strings_at: cursor.at })
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len() / self.entry_len()
    }

    fn entry_len(&self) -> usize {
        match self.layout {
            Layout::Gnu => self.width,
            Layout::Bsd => 2 * self.width,
        }
    }

    /// The entries; members lie from `first` to `end`.
    pub fn symbols(&self, first: u64, end: u64) -> Symbols<'data> {
        Symbols { index: *self, entry: 0, name_at: 0, first, end, names_read: 0 }
    }

    /// The name that starts at this place in the strings.
    fn name(&self, entry: usize, offset: u64) -> Result<&'data [u8], ArchiveError> {
        let error = ArchiveError::IndexName { entry, at: self.strings_at.saturating_add(offset) };
        let rest = usize::try_from(offset).ok().and_then(|offset| self.strings.get(offset..)).ok_or(error.clone())?;
        // Looks at a word at a time, which a search by bytes does not: C++ names are long.
        Ok(CStr::from_bytes_until_nul(rest).map_err(|_| error)?.to_bytes())
    }
}

/// Iterator over the entries of a symbol index; ends after the first damaged one where later ones cannot be found.
#[derive(Clone, Debug)]
pub struct Symbols<'data> {
    index: Index<'data>,
    /// Number of the next entry.
    entry: usize,
    /// Where its name is in the strings, for the layout that does not say.
    name_at: u64,
    first: u64,
    end: u64,
    /// Bytes of all names so far.
    names_read: u64,
}

/// Names of one index may share bytes, but not so often that they are many times as long as the archive.
const MAX_NAMES_PER_BYTE: u64 = 16;

impl Symbols<'_> {
    /// No entries at all.
    pub(super) fn none() -> Symbols<'static> {
        let index = Index { layout: Layout::Gnu, width: 4, entries: &[], entries_at: 0, strings: &[], strings_at: 0 };
        Symbols { index, entry: 0, name_at: 0, first: 0, end: 0, names_read: 0 }
    }
}

impl<'data> Iterator for Symbols<'data> {
    type Item = Result<(&'data [u8], MemberId), ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (index, number) = (self.index, self.entry);
        let len = index.entry_len();
        let entry = index.entries.get(number * len..(number + 1) * len)?;
        self.entry += 1;
        let (name_at, target) = match index.layout {
            Layout::Gnu => (self.name_at, big_endian(entry)),
            Layout::Bsd => (little_endian(&entry[..index.width]), little_endian(&entry[index.width..])),
        };
        let name = match index.name(number, name_at) {
            Ok(name) => name,
            Err(error) => {
                // Where one name has no end, the next is not known, and no later one has an end either.
                if index.layout == Layout::Gnu || name_at < index.strings.len() as u64 {
                    self.entry = index.len();
                }
                return Some(Err(error));
            }
        };
        self.name_at = name_at + name.len() as u64 + 1;
        self.names_read += name.len() as u64;
        if MAX_NAMES_PER_BYTE * self.end < self.names_read {
            self.entry = index.len();
            return Some(Err(ArchiveError::IndexNames { entry: number }));
        }
        if !may_be_header(target, self.first, self.end) {
            let at = index.entries_at + (number * len) as u64;
            return Some(Err(ArchiveError::IndexTarget { entry: number, at, target }));
        }
        Some(Ok((name, MemberId(target))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.index.len() - self.entry))
    }
}

/// What is left of the index, and its place.
struct Cursor<'data> {
    at: u64,
    rest: &'data [u8],
}

impl<'data> Cursor<'data> {
    fn peek(&self, table: &'static str, size: u64) -> Result<&'data [u8], ArchiveError> {
        let taken = usize::try_from(size).ok().and_then(|size| self.rest.get(..size));
        taken.ok_or(ArchiveError::CutIndex { at: self.at, table, size, left: self.rest.len() as u64 })
    }

    fn take(&mut self, table: &'static str, size: u64) -> Result<&'data [u8], ArchiveError> {
        let taken = self.peek(table, size)?;
        self.rest = &self.rest[taken.len()..];
        self.at += size;
        Ok(taken)
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}
