//! The index file: a header that names the generation, and entries of one size.

use crate::Key;

const MAGIC: &[u8; 8] = b"URUKIDX1";
pub const HEADER_BYTES: usize = 16;
pub const ENTRY_BYTES: usize = 64;

/// Where an object lies in the packed file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    pub key: Key,
    pub offset: u64,
    pub size: u32,
    pub sum: [u8; 16],
}

pub fn header(generation: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..].copy_from_slice(&generation.to_le_bytes());
    bytes
}

/// The generation that a header names, if it is one.
pub fn generation(header: &[u8; HEADER_BYTES]) -> Option<u64> {
    let (magic, generation) = header.split_first_chunk()?;
    (magic == MAGIC).then_some(u64::from_le_bytes(generation.try_into().ok()?))
}

impl Entry {
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..32].copy_from_slice(&self.key.0);
        bytes[32..40].copy_from_slice(&self.offset.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.size.to_le_bytes());
        bytes[44..60].copy_from_slice(&self.sum);
        let check = check(&bytes);
        bytes[60..].copy_from_slice(&check);
        bytes
    }

    /// An entry, unless it is damaged.
    pub fn decode(bytes: &[u8; ENTRY_BYTES]) -> Option<Entry> {
        let (key, rest) = bytes.split_first_chunk::<32>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let (sum, stored) = rest.split_first_chunk::<16>()?;
        let entry =
            Entry { key: Key(*key), offset: u64::from_le_bytes(*offset), size: u32::from_le_bytes(*size), sum: *sum };
        (stored == check(bytes)).then_some(entry)
    }
}

fn check(bytes: &[u8; ENTRY_BYTES]) -> [u8; 4] {
    let hash = blake3::hash(&bytes[..60]);
    let mut check = [0; 4];
    check.copy_from_slice(&hash.as_bytes()[..4]);
    check
}
