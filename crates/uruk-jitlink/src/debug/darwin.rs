//! Debug sections of Mach-O objects, in an image of one of them: another object's could not follow, since nothing says
//! which of their fields are offsets in other sections.

use super::Places;
use super::sections::Outputs;
use crate::error::LinkError;
use crate::fixup::DROPPED;
use crate::input::Input;
use crate::macho::dwarf::{self, Field, Place, Section};

/// Appends an object's debug sections, with final values; `base` is subtracted from addresses.
pub fn append(input: &Input, places: &Places, base: u64, outputs: &mut Outputs) -> Result<(), LinkError> {
    for Section { name, mut bytes, fields } in dwarf::sections(input)? {
        // Two zeros would end these lists; two ones are an empty range.
        let gone = u64::from(matches!(&*name, b".debug_loc" | b".debug_ranges"));
        for field in &fields {
            let value = value(places, field, base).filter(|_| !is_thread_local(&bytes, field));
            let value = value.unwrap_or(if is_thread_local(&bytes, field) { NOWHERE } else { gone });
            bytes[field.offset..field.offset + field.size].copy_from_slice(&value.to_le_bytes()[..field.size]);
        }
        outputs.append(&name, &bytes, 0);
    }
    Ok(())
}

/// Far from all memory, wherever a thread's storage is.
const NOWHERE: u64 = 1 << 63;

/// Whether a field is an operand that stands for a thread-local variable: debuggers would take the address of its
/// descriptor for its offset in the storage of a thread.
fn is_thread_local(bytes: &[u8], field: &Field) -> bool {
    const CONST8U: u8 = 0x0e;
    const FORM_TLS_ADDRESS: u8 = 0x9b;
    const GNU_PUSH_TLS_ADDRESS: u8 = 0xe0;
    let before = field.offset.checked_sub(1).map(|at| bytes[at]);
    let behind = bytes.get(field.offset + field.size);
    before == Some(CONST8U) && matches!(behind, Some(&FORM_TLS_ADDRESS | &GNU_PUSH_TLS_ADDRESS))
}

fn value(places: &Places, field: &Field, base: u64) -> Option<u64> {
    let target = address(places, &field.target)?;
    match &field.less {
        Some(less) => Some(target.wrapping_sub(address(places, less)?)),
        None => Some(target.wrapping_sub(base)),
    }
}

/// Where something lies in memory, if it is there.
fn address(places: &Places, place: &Place) -> Option<u64> {
    let elsewhere = place.symbol.and_then(|symbol| {
        let found = places.elsewhere.binary_search_by_key(&symbol, |(id, _)| *id);
        found.ok().map(|at| (places.elsewhere[at].1, place.addend))
    });
    let own = || Some((*places.blocks.get(place.block?.0 as usize)?, place.offset));
    let (address, more) = elsewhere.or_else(own)?;
    (address != DROPPED && address != 0).then(|| address.wrapping_add(more))
}
