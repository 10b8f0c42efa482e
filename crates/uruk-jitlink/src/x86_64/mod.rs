//! x86-64: edge kinds, fix-ups, stubs and the rewriting of GOT loads.
//!
//! Invariants: instruction fields are little-endian; the addend of a PC-relative kind is relative to the field itself.
//! Sources: x86-64 psABI 1.0, §4.4.1 "Relocation Types", §B.2 "Optimize GOTPCRELX Relocations".

pub mod far;
pub mod relax;

use crate::arch::{Architecture, Load, ThreadLayout, kinds};
use crate::error::LinkError;
use crate::graph::{Entry, LinkGraph};
use crate::resolve::Targets;
use std::ops::Range;

pub use crate::arch::{
    ABS8, ABS16, ABS32, ABS32S, ABS64, BRANCH32, DTPOFF32, DTPOFF64, GOTOFF64, GOTPC64, GOTPCREL, GOTPCREL64, IMAGE32,
    NOTHING, PC8, PC16, PC32, PC64, SIZE32, SIZE64, TPOFF32, TPOFF64,
};

kinds! {
    /// A 64-bit distance from the GOT to a function or its stub.
    PLTOFF64 = BranchFromGot, Field::Word64, Some(Entry::Stub);
    /// A 32-bit offset of a slot in the GOT.
    GOT32 = GotOffset, Field::Signed32, Some(Entry::Got);
    /// A 64-bit offset of a slot in the GOT.
    GOT64 = GotOffset, Field::Word64, Some(Entry::Got);
    /// A 32-bit distance to the GOT.
    GOTPC32 = GotBase, Field::Signed32, None;
    /// A 32-bit distance to a slot in an instruction without REX prefix that may be rewritten.
    GOTPCRELX = GotLoad, Field::Signed32, Some(Entry::Got);
    /// The same with a REX prefix.
    REX_GOTPCRELX = GotLoad, Field::Signed32, Some(Entry::Got);
    /// The same with a REX2 prefix.
    CODE_4_GOTPCRELX = GotLoad, Field::Signed32, Some(Entry::Got);
    /// The same in an instruction with an EVEX prefix and five bytes before the field.
    CODE_5_GOTPCRELX = GotRelative, Field::Signed32, Some(Entry::Got);
    /// The same with six bytes before the field.
    CODE_6_GOTPCRELX = GotRelative, Field::Signed32, Some(Entry::Got);
    /// A distance to a slot, in an instruction that may be rewritten, with the address of the descriptor that a thread-local variable of Darwin has.
    TLVP = GotLoad, Field::Signed32, Some(Entry::Got);
    /// A distance to a pair for `__tls_get_addr`.
    TLSGD = GotRelative, Field::Signed32, Some(Entry::ModuleAndOffset);
    /// A distance to the pair of this object's own module.
    TLSLD = GotRelative, Field::Signed32, Some(Entry::Module);
    /// A distance to a slot with an offset from the thread pointer.
    GOTTPOFF = GotRelative, Field::Signed32, Some(Entry::ThreadOffset);
    /// A distance to a thread-local descriptor.
    TLSDESC = GotRelative, Field::Signed32, Some(Entry::Descriptor);
    /// The same as [`GOTTPOFF`] in an instruction with a REX2 prefix.
    CODE_4_GOTTPOFF = GotRelative, Field::Signed32, Some(Entry::ThreadOffset);
    /// In one with an EVEX prefix and five bytes before the field.
    CODE_5_GOTTPOFF = GotRelative, Field::Signed32, Some(Entry::ThreadOffset);
    /// With six bytes before the field.
    CODE_6_GOTTPOFF = GotRelative, Field::Signed32, Some(Entry::ThreadOffset);
    /// The same as [`TLSDESC`] in an instruction with a REX2 prefix.
    CODE_4_TLSDESC = GotRelative, Field::Signed32, Some(Entry::Descriptor);
    /// In one with an EVEX prefix and five bytes before the field.
    CODE_5_TLSDESC = GotRelative, Field::Signed32, Some(Entry::Descriptor);
    /// With six bytes before the field.
    CODE_6_TLSDESC = GotRelative, Field::Signed32, Some(Entry::Descriptor);
    /// Marks the call of a descriptor's function, for linkers that do without.
    TLSDESC_CALL = Nothing, Field::None, None;
}

/// Bytes of a stub.
pub const STUB_SIZE: u64 = 8;

/// The architecture.
pub static ARCHITECTURE: Architecture = Architecture {
    name: "x86-64",
    kinds: KINDS,
    code_fields: &[],
    slot_size: 8,
    stub_size: STUB_SIZE,
    branch_reach: 1 << 31,
    stub,
    can_relax,
    relax,
    rewrite: Some(rewrite),
    threads: ThreadLayout { header: None, bias: 0 },
};

/// Whether the field at an offset of code is that of a call or jump: some assemblers mark these like data, and only with
/// their own mark they can have stubs.
pub(crate) fn is_branch(bytes: &[u8], offset: usize) -> bool {
    matches!(bytes.get(offset.saturating_sub(2)..offset), Some([.., 0xe8 | 0xe9] | [0x0f, 0x80..=0x8f]))
}

fn rewrite(graph: &mut LinkGraph, targets: &Targets, span: &Range<u64>) -> Result<(), LinkError> {
    far::rewrite(graph, targets, span);
    Ok(())
}

/// `jmp *slot(%rip); ud2`
fn stub(address: u64, slot: u64, code: &mut [u8]) -> bool {
    let Ok(displacement) = i32::try_from(slot.wrapping_sub(address + 6) as i64) else { return false };
    let [a, b, c, d] = displacement.to_le_bytes();
    code.copy_from_slice(&[0xff, 0x25, a, b, c, d, 0x0f, 0x0b]);
    true
}

fn can_relax(load: &Load, content: &[u8]) -> bool {
    load.addend == -4 && relax::rewrite(content, load.offset).is_some()
}

fn relax(load: &Load, bytes: &mut [u8], place: u64, symbol: u64) -> bool {
    let distance = symbol.wrapping_add_signed(load.addend).wrapping_sub(place) as i64;
    load.addend == -4
        && relax::rewrite(bytes, load.offset).is_some_and(|way| relax::apply(way, bytes, load.offset, distance))
}
