//! Universal ("fat") files: one file for several architectures, each with a slice of its own.
//!
//! Source: `mach-o/fat.h` of cctools; the headers are big-endian.

use super::machine::MACHINES;
use crate::arch::Architecture;
use crate::error::LinkError;
use crate::input::Input;
use object::BigEndian as BE;
use object::macho::{FatArch32, FatArch64, FatHeader};
use object::pod;
use std::sync::Arc;

const MAGIC: [u8; 4] = [0xca, 0xfe, 0xba, 0xbe];
const MAGIC_64: [u8; 4] = [0xca, 0xfe, 0xba, 0xbf];
/// Java's class files begin as universal ones do; a version stands where these have the number of slices.
const MAX_SLICES: u32 = 42;

/// Whether bytes begin as a universal file does.
pub fn is_universal(bytes: &[u8]) -> bool {
    let few = |count: &[u8]| matches!(count, [0, 0, 0, count] if u32::from(*count) <= MAX_SLICES);
    (bytes.starts_with(&MAGIC) || bytes.starts_with(&MAGIC_64)) && bytes.get(4..8).is_some_and(few)
}

/// The slice of a file that an architecture wants, or all of a file that is not universal.
pub fn slice(input: &Input, arch: &Architecture) -> Result<Input, LinkError> {
    if !is_universal(input) {
        return Ok(input.clone());
    }
    let slices = descriptions(input)?;
    let Some(slice) = slices.iter().find(|slice| slice.arch() == Some(arch)) else {
        return Err(LinkError::WrongFile {
            file: input.name().to_string(),
            found: format!("a universal file without a slice for {}", arch.name),
            hint: "give one that has it, as `lipo -info` tells",
        });
    };
    slice.of(input, input.name().clone())
}

/// The slices of a file that can be read, each with its architecture's name, or all of a file that is not universal.
pub fn slices(input: &Input) -> Result<Vec<Input>, LinkError> {
    if !is_universal(input) {
        return Ok(vec![input.clone()]);
    }
    let slices = descriptions(input)?;
    let known = slices.iter().filter_map(|slice| Some((slice, slice.arch()?)));
    known.map(|(slice, arch)| slice.of(input, format!("{}({})", input.name(), arch.name).into())).collect()
}

struct Slice {
    /// Where it is described.
    at: u64,
    processor: u32,
    offset: u64,
    size: u64,
}

impl Slice {
    fn arch(&self) -> Option<&'static Architecture> {
        let machine = MACHINES.iter().find(|machine| machine.number == self.processor);
        machine.map(|machine| machine.format.arch)
    }

    fn of(&self, input: &Input, name: Arc<str>) -> Result<Input, LinkError> {
        let range = usize::try_from(self.offset).ok().zip(usize::try_from(self.size).ok());
        let range = range.and_then(|(start, size)| Some(start..start.checked_add(size)?));
        let part = range.and_then(|range| input.part(name, range));
        part.ok_or_else(|| malformed(input, self.at, "a slice that lies past the end of the file"))
    }
}

fn descriptions(input: &Input) -> Result<Vec<Slice>, LinkError> {
    let cut = || malformed(input, 0, "a universal file's header that lies past its end");
    let (header, rest) = pod::from_bytes::<FatHeader>(input).map_err(|()| cut())?;
    let count = header.nfat_arch.get(BE) as usize;
    let start = size_of::<FatHeader>() as u64;
    Ok(if input.starts_with(&MAGIC) {
        let (archs, _) = pod::slice_from_bytes::<FatArch32>(rest, count).map_err(|()| cut())?;
        let places = (start..).step_by(size_of::<FatArch32>());
        let slice = |(at, arch): (u64, &FatArch32)| Slice {
            at,
            processor: arch.cputype.get(BE).0,
            offset: arch.offset.get(BE).into(),
            size: arch.size.get(BE).into(),
        };
        places.zip(archs).map(slice).collect()
    } else {
        let (archs, _) = pod::slice_from_bytes::<FatArch64>(rest, count).map_err(|()| cut())?;
        let places = (start..).step_by(size_of::<FatArch64>());
        let slice = |(at, arch): (u64, &FatArch64)| Slice {
            at,
            processor: arch.cputype.get(BE).0,
            offset: arch.offset.get(BE),
            size: arch.size.get(BE),
        };
        places.zip(archs).map(slice).collect()
    })
}

fn malformed(input: &Input, offset: u64, what: &'static str) -> LinkError {
    LinkError::Malformed { file: input.name().to_string(), offset, what }
}
