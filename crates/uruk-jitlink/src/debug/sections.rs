//! Debug sections: gathered from objects by name, and decompressed.
//!
//! Sources: gABI 4.3, "Section Compression"; for `.zdebug_*` the convention of older GNU tools.

use crate::elf::Headers;
use crate::elf::machine::Class;
use crate::elf::sections::{SHF_ALLOC, SHF_COMPRESSED, SHF_EXCLUDE, SHT_PROGBITS};
use crate::error::LinkError;
use object::LittleEndian as LE;
use object::elf::SectionHeader64;
use object::read::{CompressedData, CompressionFormat};
use std::borrow::Cow;
use std::collections::HashMap;

const ELFCOMPRESS_ZLIB: u32 = 1;
const ELFCOMPRESS_ZSTD: u32 = 2;

/// Indices that are true for one object only, and that nobody needs: the debuggers make their own.
const LEFT_OUT: &[&[u8]] = &[
    b".debug_names",
    b".debug_pubnames",
    b".debug_pubtypes",
    b".debug_gnu_pubnames",
    b".debug_gnu_pubtypes",
    b".debug_frame",
];

/// A section of the image, made of those of the objects that have its name.
pub struct Output {
    pub name: Vec<u8>,
    pub bytes: Vec<u8>,
    /// Its address, for unwind records.
    pub address: u64,
}

/// All of them, in order of first sight.
#[derive(Default)]
pub struct Outputs {
    pub sections: Vec<Output>,
    by_name: HashMap<Vec<u8>, usize>,
}

/// An object's part of a section of the image.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Index of the section.
    pub output: usize,
    /// Where in it the object's part begins.
    pub start: usize,
    /// And its length.
    pub size: usize,
}

impl Outputs {
    /// Appends bytes to the section of a name; a new one lies at `address`.
    pub fn append(&mut self, name: &[u8], bytes: &[u8], address: u64) -> Piece {
        let output = *self.by_name.entry(name.to_vec()).or_insert_with(|| {
            self.sections.push(Output { name: name.to_vec(), bytes: Vec::new(), address });
            self.sections.len() - 1
        });
        let start = self.sections[output].bytes.len();
        self.sections[output].bytes.extend_from_slice(bytes);
        Piece { output, start, size: bytes.len() }
    }

    /// The bytes of a piece.
    pub fn bytes(&mut self, piece: Piece) -> &mut [u8] {
        &mut self.sections[piece.output].bytes[piece.start..piece.start + piece.size]
    }

    /// The address of a piece's first byte: 0 and up within the section, but for unwind records, which are loaded.
    pub fn address(&self, piece: Piece) -> u64 {
        self.sections[piece.output].address.wrapping_add(piece.start as u64)
    }
}

/// A section's name and bytes.
pub type Named<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// A debug section's name and bytes as a debugger wants them, or `None` if the section is no such.
pub fn debug_section<'a>(headers: &Headers<'a>, header: &SectionHeader64<LE>) -> Result<Option<Named<'a>>, LinkError> {
    let flags = header.sh_flags.get(LE).0;
    let kind = header.sh_type.get(LE).0;
    // Some assemblers give x86-64 debug sections a type of the processor's, as they do unwind records.
    if flags & (SHF_ALLOC | SHF_EXCLUDE) != 0 || !(kind == SHT_PROGBITS || 0x7000_0000 <= kind) {
        return Ok(None);
    }
    let name = headers.string(&headers.section_names, header.sh_name.get(LE))?;
    let name = &headers.input[name];
    if LEFT_OUT.contains(&name) {
        return Ok(None);
    }
    let range = headers.range(header)?;
    let damaged = || headers.malformed(range.start as u64, "a compressed section that cannot be decompressed");
    let bytes = &headers.input[range.clone()];
    if let Some(rest) = name.strip_prefix(b".zdebug_") {
        let (size, data) = old_compression(bytes).ok_or_else(damaged)?;
        let bytes = decompress(CompressionFormat::Zlib, data, size).ok_or_else(damaged)?;
        return Ok(Some((Cow::Owned([b".debug_", rest].concat()), bytes)));
    }
    if !name.starts_with(b".debug_") {
        return Ok(None);
    }
    if flags & SHF_COMPRESSED == 0 {
        return Ok(Some((Cow::Borrowed(name), Cow::Borrowed(bytes))));
    }
    let (format, size, data) = compression(headers.class, bytes).ok_or_else(damaged)?;
    Ok(Some((Cow::Borrowed(name), decompress(format, data, size).ok_or_else(damaged)?)))
}

/// The format, decompressed size and bytes behind an `Elf64_Chdr` or `Elf32_Chdr`.
fn compression(class: Class, bytes: &[u8]) -> Option<(CompressionFormat, u64, &[u8])> {
    let (header, data) = bytes.split_at_checked(if class == Class::Wide { 24 } else { 12 })?;
    let format = match u32::from_le_bytes(header[..4].try_into().ok()?) {
        ELFCOMPRESS_ZLIB => CompressionFormat::Zlib,
        ELFCOMPRESS_ZSTD => CompressionFormat::Zstandard,
        _ => return None,
    };
    let size = match class {
        Class::Wide => u64::from_le_bytes(header[8..16].try_into().ok()?),
        Class::Narrow => u32::from_le_bytes(header[4..8].try_into().ok()?).into(),
    };
    Some((format, size, data))
}

/// `ZLIB`, then the size with the most significant byte first.
fn old_compression(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (size, data) = bytes.strip_prefix(b"ZLIB")?.split_at_checked(8)?;
    Some((u64::from_be_bytes(size.try_into().ok()?), data))
}

/// `None` also where the size is more than zlib could make of the data: a few bytes must not fill the memory.
fn decompress(format: CompressionFormat, data: &[u8], uncompressed_size: u64) -> Option<Cow<'_, [u8]>> {
    const MAX_RATIO: u64 = 1032;
    if MAX_RATIO.saturating_mul(data.len() as u64) < uncompressed_size {
        return None;
    }
    CompressedData { format, data, uncompressed_size }.decompress().ok()
}
