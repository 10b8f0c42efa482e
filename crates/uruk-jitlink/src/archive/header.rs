//! The 60 bytes before each member: name, numbers and an end mark, all in ASCII.
//!
//! Invariants: nothing is trusted; every range that leaves this file lies within the archive. Times, owners and modes are
//! not looked at, some writers leave them blank.

use super::{ArchiveError, Field};

/// Size of a header in bytes: name 16, time 12, owner 6, group 6, mode 8, size 10, end mark 2.
pub const HEADER_LEN: u64 = 60;

/// A name as the header gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RawName<'data> {
    /// In the header itself, without padding and GNU's terminating slash.
    Short(&'data [u8]),
    /// The first bytes of the content (`#1/LENGTH`).
    Bsd {
        /// Its length in bytes, padding included.
        len: u64,
    },
    /// In the table of long names (`/OFFSET`).
    Long {
        /// Where in the table.
        offset: u64,
        /// The header in a nested archive, in thin archives only (`/OFFSET:ORIGIN`).
        origin: Option<u64>,
    },
    /// A name that starts with a slash and is not a number: an index, a name table or something of COFF's.
    Special(&'data [u8]),
}

/// A member's header, checked by itself; whether its content fits is seen when that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Header<'data> {
    /// Place of the header.
    pub at: u64,
    /// Its name.
    pub name: RawName<'data>,
    /// Size of the content in bytes; of a BSD name and the content together.
    pub size: u64,
}

impl<'data> Header<'data> {
    /// Reads the header at `at`.
    pub fn read(bytes: &'data [u8], at: u64) -> Result<Header<'data>, ArchiveError> {
        let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or(&[]);
        let Some(header) = rest.get(..HEADER_LEN as usize) else {
            return Err(ArchiveError::CutHeader { at, left: rest.len() as u64 });
        };
        if &header[58..60] != b"`\n" {
            return Err(ArchiveError::BadHeader { at });
        }
        let size = number(at, Field::Size, &header[48..58])?;
        Ok(Header { at, name: raw_name(at, trim(&header[..16]))?, size })
    }

    /// The name, the content's place and the content of a member that lies in the archive.
    /// The name is empty where only the table of long names knows it.
    pub fn inline(&self, bytes: &'data [u8]) -> Result<(&'data [u8], u64, &'data [u8]), ArchiveError> {
        let start = self.at + HEADER_LEN;
        let left = bytes.len() as u64 - start;
        if left < self.size {
            return Err(ArchiveError::CutMember { at: self.at, size: self.size, left });
        }
        // Both fit `usize`: they lie within `bytes`.
        let whole = &bytes[start as usize..(start + self.size) as usize];
        match self.name {
            RawName::Short(name) | RawName::Special(name) => Ok((name, start, whole)),
            RawName::Long { .. } => Ok((&[], start, whole)),
            RawName::Bsd { len } if len <= self.size => {
                let (name, content) = whole.split_at(len as usize);
                let end = name.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                Ok((&name[..end], start + len, content))
            }
            RawName::Bsd { len } => Err(ArchiveError::CutName { at: self.at, name_len: len, size: self.size }),
        }
    }

    /// Where the next header is; members start at even places, and the padding after the last one may be missing.
    /// `has_content` is false for the ordinary members of a thin archive.
    pub fn next(&self, bytes: &[u8], has_content: bool) -> Result<u64, ArchiveError> {
        let start = self.at + HEADER_LEN;
        if !has_content {
            return Ok(start);
        }
        self.inline(bytes)?;
        let end = start + self.size;
        Ok(end + end % 2)
    }
}

fn raw_name(at: u64, name: &[u8]) -> Result<RawName<'_>, ArchiveError> {
    if let Some(len) = name.strip_prefix(b"#1/") {
        return Ok(RawName::Bsd { len: number(at, Field::NameLength, len)? });
    }
    let Some(rest) = name.strip_prefix(b"/") else {
        return Ok(RawName::Short(name.strip_suffix(b"/").unwrap_or(name)));
    };
    if !rest.first().is_some_and(u8::is_ascii_digit) {
        return Ok(RawName::Special(name));
    }
    let (offset, origin) = match rest.iter().position(|&byte| byte == b':') {
        Some(colon) => (&rest[..colon], Some(number(at, Field::Origin, &rest[colon + 1..])?)),
        None => (rest, None),
    };
    Ok(RawName::Long { offset: number(at, Field::NameOffset, offset)?, origin })
}

/// A decimal number, padded by spaces on the right.
fn number(at: u64, field: Field, digits: &[u8]) -> Result<u64, ArchiveError> {
    let trimmed = trim(digits);
    let value = trimmed.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    });
    match value {
        Some(value) if !trimmed.is_empty() => Ok(value),
        _ => Err(ArchiveError::BadNumber { at, field, found: super::lossy(trimmed) }),
    }
}

fn trim(field: &[u8]) -> &[u8] {
    let end = field.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
    &field[..end]
}
