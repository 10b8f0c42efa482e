//! Reader of `ar` archives: GNU, BSD, Darwin, COFF and thin ones, with or without a symbol index.
//!
//! Data flow: the bytes of a file in; names, places and the index out, all borrowed from these bytes. Members of a thin
//! archive are files of their own: this module says which ([`MemberData::External`], [`Nesting`]), its caller reads them.
//!
//! Cost: [`Archive::parse`] reads the first few headers only. The first question about a member walks all headers, once,
//! and keeps 8 bytes each; symbols are never copied. An archive from which nothing is pulled is thus not walked at all.
//!
//! Invariants: a [`MemberId`] that [`Archive::member`] accepted is the place of a header that the walk from the first
//! member reaches, so an index cannot point into the middle of a member; data ranges lie within the file and never overlap.
//!
//! Sources: System V ABI, chapter 7 ("Archive File"); `ar(5)` of FreeBSD for `#1/` names and ranlib tables; the PE format,
//! "Archive (Library) File Format", for COFF; GNU bfd's `archive.c` for thin archives and `/OFFSET:ORIGIN` names.

mod error;
mod header;
mod index;
mod nesting;
#[cfg(test)]
mod tests;

use once_cell::race::OnceBox;
use std::fmt;

pub use error::{ArchiveError, Field};
pub use index::Symbols;
pub use nesting::{MAX_NESTING, Nesting};

use header::{HEADER_LEN, Header, RawName};
use index::Index;

/// The first bytes of an ordinary archive.
pub const MAGIC: &[u8; 8] = b"!<arch>\n";
/// The first bytes of a thin archive.
pub const THIN_MAGIC: &[u8; 8] = b"!<thin>\n";

/// Bytes of the longest name in the table of long names, its end included.
const MAX_NAME_LEN: usize = 8192;

/// Names a member: the place of its header, in bytes from the start of the archive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MemberId(pub u64);

impl fmt::Display for MemberId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#x}", self.0)
    }
}

/// A member of an archive, borrowed from its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member<'data> {
    /// The place of its header.
    pub id: MemberId,
    /// Its position among the members, special ones not counted.
    pub position: usize,
    /// Its name without padding or terminator. Names need not be unique, nor UTF-8.
    pub name: &'data [u8],
    /// Where its content is.
    pub data: MemberData<'data>,
}

/// Where the content of a member is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberData<'data> {
    /// In the archive.
    Inline {
        /// Place of the first byte, from the start of the archive. Even in a valid archive, often no multiple of 8.
        offset: u64,
        /// The content.
        bytes: &'data [u8],
    },
    /// In a file of its own: the archive is thin.
    External {
        /// The file, relative to the folder of the archive unless absolute; see [`Nesting::enter`].
        path: &'data [u8],
        /// The file's size in bytes when the archive was made.
        size: u64,
        /// Set if the file is itself an archive of which only this member is meant.
        origin: Option<MemberId>,
    },
}

/// An archive. Cheap to make, see the module's head; may be asked from several threads.
#[derive(Debug)]
pub struct Archive<'data> {
    bytes: &'data [u8],
    thin: bool,
    /// The table of long names, with its place for messages.
    names: &'data [u8],
    names_at: u64,
    index: Option<Index<'data>>,
    /// Where the first ordinary member's header is, or would be.
    first: u64,
    /// Header places in ascending order, filled by the first walk.
    walked: OnceBox<Result<Box<[u64]>, ArchiveError>>,
}

impl<'data> Archive<'data> {
    /// Whether bytes start as an archive does.
    pub fn is_archive(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC) || bytes.starts_with(THIN_MAGIC)
    }

    /// Reads the magic and the special members: the symbol index and the table of long names.
    /// Errors if one of these is damaged; ordinary members are looked at later.
    pub fn parse(bytes: &'data [u8]) -> Result<Archive<'data>, ArchiveError> {
        if !Archive::is_archive(bytes) {
            return Err(ArchiveError::NotAnArchive);
        }
        let thin = bytes.starts_with(THIN_MAGIC);
        let mut archive = Archive {
            bytes,
            thin,
            names: &[],
            names_at: 0,
            index: None,
            first: MAGIC.len() as u64,
            walked: OnceBox::new(),
        };
        archive.read_special_members()?;
        Ok(archive)
    }

    /// Whether members are files of their own.
    pub fn is_thin(&self) -> bool {
        self.thin
    }

    /// Whether there is a symbol index. Without one, each member's own symbol table must be read.
    pub fn has_index(&self) -> bool {
        self.index.is_some()
    }

    /// The index: each name that a member defines, in the index's order. Empty if there is no index.
    /// An entry whose member lies outside the archive or whose name is cut is an error in its place.
    pub fn symbols(&self) -> Symbols<'data> {
        match &self.index {
            Some(index) => index.symbols(self.first, self.bytes.len() as u64),
            None => Symbols::none(),
        }
    }

    /// The number of index entries, 0 without an index.
    pub fn symbol_count(&self) -> usize {
        self.index.as_ref().map_or(0, Index::len)
    }

    /// All members in the archive's order. Errors if any header is damaged.
    pub fn members(&self) -> Result<impl ExactSizeIterator<Item = Result<Member<'data>, ArchiveError>>, ArchiveError> {
        let headers = self.headers()?;
        Ok(headers.iter().enumerate().map(|(position, &at)| self.read_member(at, position)))
    }

    /// The first member, for which no other header is read. `None` if there is none.
    pub fn first(&self) -> Result<Option<Member<'data>>, ArchiveError> {
        if self.bytes.len() as u64 <= self.first {
            return Ok(None);
        }
        self.read_member(self.first, 0).map(Some)
    }

    /// The member whose header is at `id`. Errors if there is none, or if any header of the archive is damaged.
    pub fn member(&self, id: MemberId) -> Result<Member<'data>, ArchiveError> {
        let position = self.headers()?.binary_search(&id.0).map_err(|_| ArchiveError::NoHeader { at: id.0 })?;
        self.read_member(id.0, position)
    }

    /// Takes the special members off the front. GNU has `/` or `/SYM64/`, then `//`; COFF has `/` twice, then `//` and
    /// tables of its own named `/<…>/`; BSD and Darwin have `__.SYMDEF…`, its name either short or `#1/N`.
    fn read_special_members(&mut self) -> Result<(), ArchiveError> {
        let mut linker_members = 0;
        while self.first < self.bytes.len() as u64 {
            let header = Header::read(self.bytes, self.first)?;
            let name = match header.name {
                RawName::Special(name) => name,
                RawName::Bsd { .. } | RawName::Short(_) if linker_members == 0 && !self.thin => {
                    match header.inline(self.bytes)?.0 {
                        name if name.starts_with(b"__.SYMDEF") => name,
                        _ => break,
                    }
                }
                _ => break,
            };
            let (_, at, content) = header.inline(self.bytes)?;
            match name {
                // COFF's second linker member repeats the first one sorted by name, which nothing here needs.
                b"/" if linker_members == 1 => linker_members = 2,
                b"/" | b"/SYM64/" | b"__.SYMDEF" | b"__.SYMDEF SORTED" | b"__.SYMDEF_64" | b"__.SYMDEF_64 SORTED"
                    if linker_members == 0 =>
                {
                    self.index = Some(Index::parse(name, at, content)?);
                    linker_members = if name == b"/" { 1 } else { 2 };
                }
                b"//" if self.names_at == 0 => (self.names, self.names_at) = (content, at),
                b"/<ECSYMBOLS>/" | b"/<HYBRIDMAP>/" | b"/<XFGHASHMAP>/" => {}
                _ => return Err(ArchiveError::MisplacedSpecial { at: header.at, name: lossy(name) }),
            }
            self.first = header.next(self.bytes, true)?;
        }
        Ok(())
    }

    /// The places of all ordinary headers, by one walk.
    fn headers(&self) -> Result<&[u64], ArchiveError> {
        let walked = self.walked.get_or_init(|| Box::new(self.walk()));
        walked.as_deref().map_err(Clone::clone)
    }

    fn walk(&self) -> Result<Box<[u64]>, ArchiveError> {
        let mut headers = Vec::new();
        let mut at = self.first;
        while at < self.bytes.len() as u64 {
            let header = Header::read(self.bytes, at)?;
            if let RawName::Special(name) = header.name {
                return Err(ArchiveError::MisplacedSpecial { at, name: lossy(name) });
            }
            headers.push(at);
            at = header.next(self.bytes, !self.thin)?;
        }
        Ok(headers.into_boxed_slice())
    }

    fn read_member(&self, at: u64, position: usize) -> Result<Member<'data>, ArchiveError> {
        let header = Header::read(self.bytes, at)?;
        let (long_name, origin) = match header.name {
            RawName::Long { offset, origin } => (Some(self.long_name(at, offset)?), origin),
            _ => (None, None),
        };
        let id = MemberId(at);
        if self.thin {
            let path = match (long_name, header.name) {
                (Some(path), _) | (None, RawName::Short(path)) => path,
                _ => return Err(ArchiveError::BadName { at }),
            };
            // An empty path would name the archive's own folder, a NUL no file at all.
            if path.is_empty() || path.contains(&0) {
                return Err(ArchiveError::BadName { at });
            }
            let data = MemberData::External { path, size: header.size, origin: origin.map(MemberId) };
            return Ok(Member { id, position, name: path, data });
        }
        if origin.is_some() {
            return Err(ArchiveError::BadName { at });
        }
        let (name, offset, bytes) = header.inline(self.bytes)?;
        Ok(Member { id, position, name: long_name.unwrap_or(name), data: MemberData::Inline { offset, bytes } })
    }

    /// A name of the table: up to `/` and newline (GNU), newline alone (System V) or NUL (COFF).
    fn long_name(&self, at: u64, offset: u64) -> Result<&'data [u8], ArchiveError> {
        let outside = ArchiveError::LongName { at, offset, table_size: self.names.len() as u64 };
        let rest = usize::try_from(offset).ok().and_then(|offset| self.names.get(offset..)).ok_or(outside)?;
        // No path is longer; without a limit, many members that share one name cost their product.
        let rest = &rest[..rest.len().min(MAX_NAME_LEN)];
        let Some(end) = rest.iter().position(|&byte| byte == b'\n' || byte == 0) else {
            return Err(ArchiveError::EndlessName { at: self.names_at + offset });
        };
        let name = &rest[..end];
        Ok(if rest[end] == b'\n' { name.strip_suffix(b"/").unwrap_or(name) } else { name })
    }
}

/// A name for a message.
fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Whether `at` can be the place of a header: the index's entries are checked with it before any walk.
fn may_be_header(at: u64, first: u64, end: u64) -> bool {
    first <= at && at.checked_add(HEADER_LEN).is_some_and(|header_end| header_end <= end)
}
