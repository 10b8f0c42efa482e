//! Tables of a file: its sections, its headers, and what the unwinder searches.

use super::bytes::Bytes;
use crate::closure::Share;
use crate::error::Error;
use object::{Endianness, Object, ObjectSection, elf};
use std::borrow::Cow;

/// A section of the file: a name for a part of it, for tools.
pub struct Section {
    pub name: Cow<'static, str>,
    pub kind: u32,
    pub flags: u64,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
    pub link: &'static str,
    pub info: u32,
    pub align: u64,
    pub entry_size: u64,
}

/// A part of memory, or of what a loader looks at.
pub struct Segment {
    pub kind: u32,
    pub flags: u32,
    pub address: u64,
    pub offset: u64,
    pub file_size: u64,
    pub size: u64,
    pub align: u64,
}

pub const HEADER: u64 = 64;
pub const SEGMENT: u64 = 56;
const SECTION: u16 = 64;

/// What the file's header says.
pub struct Header {
    pub kind: u16,
    pub machine: u16,
    pub entry: u64,
    pub flags: u32,
    pub sections_at: u64,
    pub section_count: u16,
}

impl Header {
    pub fn write(&self, segments: &[Segment]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        bytes.half(self.kind);
        bytes.half(self.machine);
        bytes.word(1);
        bytes.long(self.entry);
        bytes.long(HEADER);
        bytes.long(self.sections_at);
        bytes.word(self.flags);
        for half in [HEADER as u16, SEGMENT as u16, segments.len() as u16, SECTION, self.section_count] {
            bytes.half(half);
        }
        // The names are in the last one.
        bytes.half(self.section_count - 1);
        for segment in segments {
            bytes.word(segment.kind);
            bytes.word(segment.flags);
            let Segment { address, offset, file_size, size, align, .. } = *segment;
            [offset, address, address, file_size, size, align].iter().for_each(|long| bytes.long(*long));
        }
        bytes
    }
}

/// The sections' headers, the first of which is that of none, and their names.
pub fn section_headers(sections: &[Section], names: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0; SECTION.into()];
    let position = |name: &str| sections.iter().position(|section| section.name == name).map_or(0, |at| at as u32 + 1);
    for (section, name) in sections.iter().zip(names) {
        bytes.word(*name);
        bytes.word(section.kind);
        [section.flags, section.address, section.offset, section.size].iter().for_each(|long| bytes.long(*long));
        bytes.word(position(section.link));
        bytes.word(section.info);
        bytes.long(section.align);
        bytes.long(section.entry_size);
    }
    bytes
}

/// `.eh_frame_hdr`: functions with their unwind records, to be searched.
pub fn unwind_table(address: u64, records: u64, table: &[(u64, u64)]) -> Result<Vec<u8>, Error> {
    // A version; then how the pointer, the count and the table are written: distances from the field, plain words, distances from here.
    let mut bytes = vec![1, 0x1b, 0x03, 0x3b];
    let mut distance = |to: u64, from: u64| {
        let distance = i32::try_from(to.wrapping_sub(from) as i64).map_err(|_| Error::Large)?;
        bytes.extend(distance.to_le_bytes());
        Ok::<(), Error>(())
    };
    distance(records, address + 4)?;
    distance(table.len() as u64, 0)?;
    for (function, record) in table {
        distance(*function, address)?;
        distance(*record, address)?;
    }
    Ok(bytes)
}

pub const UNWIND_HEADER: u64 = 12;
pub const UNWIND_ENTRY: u64 = 8;

/// What the loader is told (`.dynamic`).
pub fn dynamic(entries: &[(elf::DynamicTag, u64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, value) in entries {
        bytes.long(tag.0 as u64);
        bytes.long(*value);
    }
    bytes
}

/// How much each root keeps.
pub fn roots(shares: &[Share]) -> Vec<u8> {
    let shares: Vec<(&str, u64, u64)> = shares.iter().map(|share| (&*share.root, share.places, share.bytes)).collect();
    postcard::to_stdvec(&shares).expect("memory takes whatever is written to it")
}

/// The debug sections of a file that debuggers could be given.
pub fn debug_sections(image: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let malformed = |error: object::Error| Error::Option(format!("debug information: {error}; leave it out"));
    let file = object::read::elf::ElfFile64::<Endianness>::parse(image).map_err(malformed)?;
    let mut sections = Vec::new();
    for section in file.sections() {
        let name = section.name().map_err(malformed)?;
        if name.starts_with(".debug_") {
            sections.push((name.to_owned(), section.data().map_err(malformed)?.to_vec()));
        }
    }
    Ok(sections)
}
