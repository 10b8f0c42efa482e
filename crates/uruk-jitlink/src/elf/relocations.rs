//! The relocations of a section, whichever way they are encoded: RELA or CREL.
//!
//! Sources: gABI 4.3, "Relocation"; for CREL the gABI proposal "Compact Relocations".

use super::headers::Headers;
use crate::error::LinkError;
use object::LittleEndian as LE;
use object::elf::{Rela32, Rela64, SectionHeader64};
use object::pod::Pod;
use object::read::elf::CrelIterator;

/// The fields of a relocation; none of them has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Raw {
    pub offset: u64,
    pub symbol: u32,
    pub kind: u32,
    pub addend: i64,
}

/// The relocations of a RELA section of a 64-bit file.
pub fn rela<'a>(
    headers: &Headers<'a>,
    header: &SectionHeader64<LE>,
) -> Result<impl Iterator<Item = Raw> + use<'a>, LinkError> {
    Ok(entries::<Rela64<LE>>(headers, header)?.iter().map(|relocation| {
        let info = relocation.r_info.get(LE);
        Raw {
            offset: relocation.r_offset.get(LE),
            symbol: (info >> 32) as u32,
            kind: info as u32,
            addend: relocation.r_addend.get(LE),
        }
    }))
}

/// The relocations of a RELA section of a 32-bit file.
pub fn narrow_rela<'a>(
    headers: &Headers<'a>,
    header: &SectionHeader64<LE>,
) -> Result<impl Iterator<Item = Raw> + use<'a>, LinkError> {
    Ok(entries::<Rela32<LE>>(headers, header)?.iter().map(|relocation| {
        let info = relocation.r_info.get(LE);
        Raw {
            offset: u64::from(relocation.r_offset.get(LE)),
            symbol: info >> 8,
            kind: info & 0xff,
            addend: i64::from(relocation.r_addend.get(LE)),
        }
    }))
}

fn entries<'a, T: Pod>(headers: &Headers<'a>, header: &SectionHeader64<LE>) -> Result<&'a [T], LinkError> {
    let place = header.sh_offset.get(LE);
    let size = size_of::<T>() as u64;
    if !header.sh_size.get(LE).is_multiple_of(size) {
        return Err(headers.malformed(place, "relocations of an unknown entry size"));
    }
    headers.array(place, header.sh_size.get(LE) / size, "relocations")
}

/// The relocations of a CREL section, decoded.
pub fn crel(headers: &Headers<'_>, header: &SectionHeader64<LE>) -> Result<Vec<Raw>, LinkError> {
    let range = headers.range(header)?;
    let place = range.start as u64;
    let damaged = || headers.malformed(place, "compact relocations that cannot be decoded");
    let relocations = CrelIterator::new(&headers.bytes[range]).map_err(|_| damaged())?;
    if !relocations.is_rela() && !relocations.is_empty() {
        return Err(
            headers.malformed(place, "compact relocations without addends, which this architecture does not have")
        );
    }
    relocations
        .map(|relocation| {
            let relocation = relocation.map_err(|_| damaged())?;
            Ok(Raw {
                offset: relocation.r_offset,
                symbol: relocation.r_sym,
                kind: relocation.r_type.0,
                addend: relocation.r_addend,
            })
        })
        .collect()
}
