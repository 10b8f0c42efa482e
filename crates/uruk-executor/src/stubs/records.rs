//! Unwind records for the code of a block.
//! Sources: LSB Core 5.0 §10.6 (`.eh_frame`); DWARF 5 §6.4.2 (call frame instructions).

use std::ops::Range;

/// A CIE with this body, which asks for absolute code addresses; an FDE with these instructions for all of the code; and
/// the zero word that ends records.
pub(super) fn eh_frame(cie: &[u8], code: &Range<u64>, instructions: &[u8]) -> Vec<u8> {
    let mut records = Vec::with_capacity(128);
    append(&mut records, &[&[0; 4], cie]);
    let cie_offset = records.len() as u32 + 4;
    let (start, length) = (code.start.to_le_bytes(), (code.end - code.start).to_le_bytes());
    append(&mut records, &[&cie_offset.to_le_bytes(), &start, &length, b"\0", instructions]);
    records.extend([0; 4]);
    records
}

/// A length, the parts, and as many `DW_CFA_nop` as make it a multiple of eight.
fn append(records: &mut Vec<u8>, parts: &[&[u8]]) {
    let start = records.len();
    records.extend([0; 4]);
    parts.iter().for_each(|part| records.extend_from_slice(part));
    records.resize(records.len().next_multiple_of(8), 0);
    let length = (records.len() - start - 4) as u32;
    records[start..start + 4].copy_from_slice(&length.to_le_bytes());
}
