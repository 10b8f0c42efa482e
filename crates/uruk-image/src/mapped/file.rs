//! The file of a mappable image: a header, the parts as they lie in memory, and behind them what is said of them.
//!
//! Layout: the header's page; code, read-only data and variables, each from a page on and as far from the file's first byte as from
//! the image's; then, from a page on, an ELF file for debuggers, if there is one; then the contents, serialized by `postcard`. All numbers are little-endian. The header is
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | `URUK` and four bytes that text transfers change |
//! | 8 | 4 | the version of the format |
//! | 12 | 2 | the architecture, as ELF numbers it |
//! | 14 | 2 | base-2 logarithm of the page |
//! | 16 | 8 | bytes of the file |
//! | 24 | 8 | where the contents begin |
//! | 32 | 32 | BLAKE3 of all other bytes of the file, in their order |

use super::contents::Contents;
use super::error::Problem;
use crate::elf::format_of;
use blake3::Hasher;
use object::elf::{EM_AARCH64, EM_RISCV, EM_X86_64};
use std::io::{self, Read};
use std::ops::Range;

/// The first bytes.
pub const MAGIC: [u8; 8] = *b"URUK\x8d\n\x1a\r";
/// The version of the format.
pub const VERSION: u32 = 2;
/// Bytes of the header.
pub const HEADER: usize = 64;
const DIGEST: usize = 32;

/// What the header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub machine: u16,
    pub page: u64,
    pub length: u64,
    pub contents: u64,
    pub digest: [u8; 32],
}

impl Header {
    /// Reads the first bytes of a file that has this many.
    pub fn read(head: &[u8], length: u64) -> Result<Header, Problem> {
        if !head.starts_with(&MAGIC) {
            return Err(Problem::Kind);
        }
        let Some(head) = head.first_chunk::<HEADER>() else {
            return Err(Problem::Length { found: length, wanted: HEADER as u64 });
        };
        let number = |from: usize, size: usize| {
            let mut bytes = [0; 8];
            bytes[..size].copy_from_slice(&head[from..from + size]);
            u64::from_le_bytes(bytes)
        };
        let version = number(8, 4) as u32;
        if version != VERSION {
            return Err(Problem::Version { found: version, known: VERSION });
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(&head[DIGEST..]);
        let (machine, log2) = (number(12, 2) as u16, number(14, 2));
        let header =
            Header { machine, page: 1 << log2.min(16), length: number(16, 8), contents: number(24, 8), digest };
        if length != header.length {
            return Err(Problem::Length { found: length, wanted: header.length });
        }
        if !(12..=16).contains(&log2) || !(header.page..=length).contains(&header.contents) {
            return Err(Problem::Malformed("its header has numbers that cannot be".into()));
        }
        Ok(header)
    }

    fn write(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..14].copy_from_slice(&self.machine.to_le_bytes());
        bytes[14..16].copy_from_slice(&(self.page.trailing_zeros() as u16).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.length.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.contents.to_le_bytes());
        bytes[DIGEST..].copy_from_slice(&self.digest);
        bytes
    }

    /// Reads what is said of an image.
    pub fn contents(&self, rest: &[u8]) -> Result<Contents, Problem> {
        let contents: Contents =
            postcard::from_bytes(rest).map_err(|error| Problem::Malformed(format!("its contents: {error}")))?;
        let format = format_of(self.machine)
            .ok_or_else(|| Problem::Malformed(format!("it is for {}", machine_name(self.machine))))?;
        contents.check(self.page, format.arch)?;
        let Range { start, end } = contents.debug;
        if start != contents.mapped().next_multiple_of(self.page) || end < start || end != self.contents {
            return Err(Problem::Malformed("its parts are not in order in its file".into()));
        }
        Ok(contents)
    }

    /// Errors unless all bytes of a file are those that were written. It is read piece by piece, since a mapped file that somebody
    /// truncates ends the process that looks at it.
    pub fn verify(&self, mut file: impl Read) -> io::Result<Result<(), Problem>> {
        let mut hasher = Hasher::new();
        let mut head = [0; HEADER];
        file.read_exact(&mut head)?;
        hasher.update(&head[..DIGEST]);
        let mut piece = vec![0; 1 << 18];
        loop {
            match file.read(&mut piece)? {
                0 => break,
                read => hasher.update(&piece[..read]),
            };
        }
        Ok(if hasher.finalize() == self.digest { Ok(()) } else { Err(Problem::Altered) })
    }
}

/// Reads a whole file.
pub fn read(bytes: &[u8]) -> Result<(Header, Contents), Problem> {
    let header = Header::read(bytes, bytes.len() as u64)?;
    header.verify(bytes).map_err(|error| Problem::System { what: "reading it", error })??;
    Ok((header, header.contents(&bytes[header.contents as usize..])?))
}

/// Makes a file of an image's bytes, which begin with room for the header, and of what debuggers know of it.
pub fn write(machine: u16, page: u64, mut bytes: Vec<u8>, debug: &[u8], contents: Contents) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(page as usize), 0);
    let start = bytes.len() as u64;
    bytes.extend(debug);
    let at = bytes.len() as u64;
    let contents = Contents { debug: start..at, ..contents };
    bytes.extend(postcard::to_stdvec(&contents).expect("memory takes whatever is written to it"));
    let mut header = Header { machine, page, length: bytes.len() as u64, contents: at, digest: [0; 32] };
    bytes[..HEADER].copy_from_slice(&header.write());
    let mut hasher = Hasher::new();
    hasher.update(&bytes[..DIGEST]).update(&bytes[HEADER..]);
    header.digest = *hasher.finalize().as_bytes();
    bytes[..HEADER].copy_from_slice(&header.write());
    bytes
}

/// What people call an architecture.
pub fn machine_name(machine: u16) -> String {
    let known = [(EM_X86_64.0, "x86_64"), (EM_AARCH64.0, "aarch64"), (EM_RISCV.0, "riscv64")];
    let name = known.iter().find(|(number, _)| *number == machine);
    name.map_or_else(|| format!("machine {machine}"), |(_, name)| (*name).to_owned())
}

/// This process's.
pub const HERE: u16 = if cfg!(target_arch = "aarch64") {
    EM_AARCH64.0
} else if cfg!(target_arch = "riscv64") {
    EM_RISCV.0
} else {
    EM_X86_64.0
};
