//! AArch64: edge kinds, stubs and the rewriting of GOT loads.
//!
//! Invariants: instruction words are little-endian; a field is cleared before it is filled, so applying a fix-up twice gives
//! the same bytes; a kind whose name ends in `NC` never reports overflow.
//! Sources: AAELF64 (2024Q3) §5.7 "Relocation"; Arm ARM, A64 base instructions (encodings); AAPCS64 §6.1.1 (x16, x17).

mod fields;

use crate::arch::{Architecture, Load, ThreadLayout, kinds};
use crate::graph::Entry;
pub(crate) use fields::scale;
use fields::*;

pub use crate::arch::{ABS64, GOTOFF64, NOTHING, PC64};

kinds! {
    // Data.
    /// A 32-bit address, sign- or zero-extended.
    WORD32 = Absolute, Field::Word32, None;
    /// A 16-bit address.
    WORD16 = Absolute, Field::Half, None;
    /// A 32-bit distance, sign- or zero-extended.
    PREL32 = Relative, Field::Word32, None;
    /// A 16-bit distance.
    PREL16 = Relative, Field::Half, None;
    /// A 32-bit distance to a function or its stub.
    PLT32 = Branch, Field::Signed32, Some(Entry::Stub);
    /// A 32-bit distance to a slot.
    GOTPCREL32 = GotRelative, Field::Signed32, Some(Entry::Got);
    /// The address of a slot.
    GOTADDRESS64 = GotAddress, Field::Word64, Some(Entry::Got);
    /// A 32-bit distance from the GOT.
    GOTREL32 = FromGot, Field::Word32, None;

    // Branches.
    /// `b`, `bl`
    BRANCH26 = Branch, BRANCH26_FIELD, Some(Entry::Stub);
    /// `b.cond`, `cbz`
    BRANCH19 = Relative, WORD19, None;
    /// `tbz`
    BRANCH14 = Relative, WORD14, None;

    // Addresses.
    /// `ldr` of a literal.
    LITERAL19 = Relative, WORD19, None;
    /// `adr`
    ADR21 = Relative, ADR, None;
    /// `adrp`
    ADRP = Page, ADRP_FIELD, None;
    /// `adrp`, unchecked.
    ADRP_NC = Page, ADRP_NC_FIELD, None;
    /// `add` of the low 12 bits.
    ADD_LO12 = Absolute, ADD12_NC, None;
    /// A load or store of a byte at the low 12 bits.
    LDST8_LO12 = Absolute, LDST12_NC[0], None;
    /// Of two bytes.
    LDST16_LO12 = Absolute, LDST12_NC[1], None;
    /// Of four.
    LDST32_LO12 = Absolute, LDST12_NC[2], None;
    /// Of eight.
    LDST64_LO12 = Absolute, LDST12_NC[3], None;
    /// Of sixteen.
    LDST128_LO12 = Absolute, LDST12_NC[4], None;
    /// The low 12 bits, in an `add`, load or store, which says how they are scaled.
    PAGEOFF12 = Absolute, PAGEOFF12_FIELD, None;

    // Sixteen bits of an address or a distance each.
    /// Bits 0 to 15 of an address below 2¹⁶.
    UABS_G0 = Absolute, UMOVW[0], None;
    /// Bits 0 to 15.
    ABS_G0_NC = Absolute, MOVW_NC[0], None;
    /// Bits 16 to 31 of an address below 2³².
    UABS_G1 = Absolute, UMOVW[1], None;
    /// Bits 16 to 31.
    ABS_G1_NC = Absolute, MOVW_NC[1], None;
    /// Bits 32 to 47 of an address below 2⁴⁸.
    UABS_G2 = Absolute, UMOVW[2], None;
    /// Bits 32 to 47.
    ABS_G2_NC = Absolute, MOVW_NC[2], None;
    /// Bits 48 to 63.
    ABS_G3 = Absolute, MOVW_NC[3], None;
    /// Bits 0 to 15 of a number, in `movz` or `movn`.
    SABS_G0 = Absolute, SMOVW[0], None;
    /// Bits 16 to 31 of a number, in `movz` or `movn`.
    SABS_G1 = Absolute, SMOVW[1], None;
    /// Bits 32 to 47 of a number, in `movz` or `movn`.
    SABS_G2 = Absolute, SMOVW[2], None;
    /// Bits 0 to 15 of a distance.
    PREL_G0 = Relative, SMOVW[0], None;
    /// Unchecked.
    PREL_G0_NC = Relative, MOVW_NC[0], None;
    /// Bits 16 to 31 of a distance.
    PREL_G1 = Relative, SMOVW[1], None;
    /// Unchecked.
    PREL_G1_NC = Relative, MOVW_NC[1], None;
    /// Bits 32 to 47 of a distance.
    PREL_G2 = Relative, SMOVW[2], None;
    /// Unchecked.
    PREL_G2_NC = Relative, MOVW_NC[2], None;
    /// Bits 48 to 63 of a distance.
    PREL_G3 = Relative, MOVW_NC[3], None;

    // Slots.
    /// `adrp` of a slot's page.
    GOT_PAGE = GotLoadPage, ADRP_FIELD, Some(Entry::Got);
    /// `ldr` from a slot.
    GOT_LO12 = GotLoadAddress, LDST12_NC[3], Some(Entry::Got);
    /// `adrp` of the page of a slot with the address of the descriptor that a thread-local variable of Darwin has.
    TLVP_PAGE = GotLoadPage, ADRP_FIELD, Some(Entry::Got);
    /// `ldr` from that slot.
    TLVP_LO12 = GotLoadAddress, LDST12_NC[3], Some(Entry::Got);
    /// `ldr` from a slot at a 19-bit distance.
    GOT_PREL19 = GotRelative, WORD19, Some(Entry::Got);
    /// `ldr` from a slot at a 15-bit offset in the GOT.
    GOTOFF_LO15 = GotOffset, LO15, Some(Entry::Got);
    /// `ldr` from a slot at a 15-bit offset from the GOT's page.
    GOTPAGE_LO15 = GotFromPage, LO15, Some(Entry::Got);
    /// Bits 0 to 15 of a slot's offset in the GOT.
    GOTOFF_G0 = GotOffset, SMOVW[0], Some(Entry::Got);
    /// Unchecked.
    GOTOFF_G0_NC = GotOffset, MOVW_NC[0], Some(Entry::Got);
    /// Bits 16 to 31 of a slot's offset in the GOT.
    GOTOFF_G1 = GotOffset, SMOVW[1], Some(Entry::Got);
    /// Unchecked.
    GOTOFF_G1_NC = GotOffset, MOVW_NC[1], Some(Entry::Got);
    /// Bits 32 to 47 of a slot's offset in the GOT.
    GOTOFF_G2 = GotOffset, SMOVW[2], Some(Entry::Got);
    /// Unchecked.
    GOTOFF_G2_NC = GotOffset, MOVW_NC[2], Some(Entry::Got);
    /// Bits 48 to 63 of a slot's offset in the GOT.
    GOTOFF_G3 = GotOffset, MOVW_NC[3], Some(Entry::Got);

    // A pair of module and offset, for `__tls_get_addr`.
    /// `adr` of it.
    GD_ADR = GotRelative, ADR, Some(Entry::ModuleAndOffset);
    /// `adrp` of its page.
    GD_PAGE = GotPage, ADRP_FIELD, Some(Entry::ModuleAndOffset);
    /// `add` of its low bits.
    GD_ADD_LO12 = GotAddress, ADD12_NC, Some(Entry::ModuleAndOffset);
    /// Bits 16 to 31 of its offset in the GOT.
    GD_G1 = GotOffset, SMOVW[1], Some(Entry::ModuleAndOffset);
    /// Bits 0 to 15.
    GD_G0_NC = GotOffset, MOVW_NC[0], Some(Entry::ModuleAndOffset);

    // The pair of this object's own module.
    /// `adr` of it.
    LD_ADR = GotRelative, ADR, Some(Entry::Module);
    /// `adrp` of its page.
    LD_PAGE = GotPage, ADRP_FIELD, Some(Entry::Module);
    /// `add` of its low bits.
    LD_ADD_LO12 = GotAddress, ADD12_NC, Some(Entry::Module);
    /// `ldr` at a 19-bit distance.
    LD_PREL19 = GotRelative, WORD19, Some(Entry::Module);
    /// Bits 16 to 31 of its offset in the GOT.
    LD_G1 = GotOffset, SMOVW[1], Some(Entry::Module);
    /// Bits 0 to 15.
    LD_G0_NC = GotOffset, MOVW_NC[0], Some(Entry::Module);

    // A slot with the offset from the thread pointer.
    /// `adrp` of its page.
    IE_PAGE = GotLoadPage, ADRP_FIELD, Some(Entry::ThreadOffset);
    /// `ldr` from it.
    IE_LD_LO12 = GotLoadAddress, LDST12_NC[3], Some(Entry::ThreadOffset);
    /// `ldr` at a 19-bit distance.
    IE_PREL19 = GotRelative, WORD19, Some(Entry::ThreadOffset);
    /// Bits 16 to 31 of its offset in the GOT.
    IE_G1 = GotOffset, SMOVW[1], Some(Entry::ThreadOffset);
    /// Bits 0 to 15.
    IE_G0_NC = GotOffset, MOVW_NC[0], Some(Entry::ThreadOffset);

    // A descriptor.
    /// `adr` of it.
    DESC_ADR = GotRelative, ADR, Some(Entry::Descriptor);
    /// `adrp` of its page.
    DESC_PAGE = GotPage, ADRP_FIELD, Some(Entry::Descriptor);
    /// `ldr` from it.
    DESC_LD_LO12 = GotAddress, LDST12_NC[3], Some(Entry::Descriptor);
    /// `add` of its low bits.
    DESC_ADD_LO12 = GotAddress, ADD12_NC, Some(Entry::Descriptor);
    /// `ldr` at a 19-bit distance.
    DESC_PREL19 = GotRelative, WORD19, Some(Entry::Descriptor);
    /// Bits 16 to 31 of its offset in the GOT.
    DESC_G1 = GotOffset, SMOVW[1], Some(Entry::Descriptor);
    /// Bits 0 to 15.
    DESC_G0_NC = GotOffset, MOVW_NC[0], Some(Entry::Descriptor);

    // Offsets from the thread pointer.
    /// `add` of bits 12 to 23.
    TP_HI12 = ThreadOffset, ADD_HI12, None;
    /// `add` of an offset below 4096.
    TP_LO12 = ThreadOffset, ADD12, None;
    /// `add` of the low 12 bits.
    TP_LO12_NC = ThreadOffset, ADD12_NC, None;
    /// A load or store of a byte at an offset below 4096.
    TP_LDST8 = ThreadOffset, LDST12[0], None;
    /// At the low 12 bits.
    TP_LDST8_NC = ThreadOffset, LDST12_NC[0], None;
    /// A load or store of two bytes at an offset below 4096.
    TP_LDST16 = ThreadOffset, LDST12[1], None;
    /// At the low 12 bits.
    TP_LDST16_NC = ThreadOffset, LDST12_NC[1], None;
    /// A load or store of four bytes at an offset below 4096.
    TP_LDST32 = ThreadOffset, LDST12[2], None;
    /// At the low 12 bits.
    TP_LDST32_NC = ThreadOffset, LDST12_NC[2], None;
    /// A load or store of eight bytes at an offset below 4096.
    TP_LDST64 = ThreadOffset, LDST12[3], None;
    /// At the low 12 bits.
    TP_LDST64_NC = ThreadOffset, LDST12_NC[3], None;
    /// A load or store of sixteen bytes at an offset below 4096.
    TP_LDST128 = ThreadOffset, LDST12[4], None;
    /// At the low 12 bits.
    TP_LDST128_NC = ThreadOffset, LDST12_NC[4], None;
    /// Bits 0 to 15 of an offset.
    TP_G0 = ThreadOffset, SMOVW[0], None;
    /// Unchecked.
    TP_G0_NC = ThreadOffset, MOVW_NC[0], None;
    /// Bits 16 to 31 of an offset.
    TP_G1 = ThreadOffset, SMOVW[1], None;
    /// Unchecked.
    TP_G1_NC = ThreadOffset, MOVW_NC[1], None;
    /// Bits 32 to 47 of an offset.
    TP_G2 = ThreadOffset, SMOVW[2], None;

    // Offsets in the module's image.
    /// `add` of bits 12 to 23.
    DTP_HI12 = ModuleOffset, ADD_HI12, None;
    /// `add` of an offset below 4096.
    DTP_LO12 = ModuleOffset, ADD12, None;
    /// `add` of the low 12 bits.
    DTP_LO12_NC = ModuleOffset, ADD12_NC, None;
    /// A load or store of a byte at an offset below 4096.
    DTP_LDST8 = ModuleOffset, LDST12[0], None;
    /// At the low 12 bits.
    DTP_LDST8_NC = ModuleOffset, LDST12_NC[0], None;
    /// A load or store of two bytes at an offset below 4096.
    DTP_LDST16 = ModuleOffset, LDST12[1], None;
    /// At the low 12 bits.
    DTP_LDST16_NC = ModuleOffset, LDST12_NC[1], None;
    /// A load or store of four bytes at an offset below 4096.
    DTP_LDST32 = ModuleOffset, LDST12[2], None;
    /// At the low 12 bits.
    DTP_LDST32_NC = ModuleOffset, LDST12_NC[2], None;
    /// A load or store of eight bytes at an offset below 4096.
    DTP_LDST64 = ModuleOffset, LDST12[3], None;
    /// At the low 12 bits.
    DTP_LDST64_NC = ModuleOffset, LDST12_NC[3], None;
    /// A load or store of sixteen bytes at an offset below 4096.
    DTP_LDST128 = ModuleOffset, LDST12[4], None;
    /// At the low 12 bits.
    DTP_LDST128_NC = ModuleOffset, LDST12_NC[4], None;
    /// Bits 0 to 15 of an offset.
    DTP_G0 = ModuleOffset, SMOVW[0], None;
    /// Unchecked.
    DTP_G0_NC = ModuleOffset, MOVW_NC[0], None;
    /// Bits 16 to 31 of an offset.
    DTP_G1 = ModuleOffset, SMOVW[1], None;
    /// Unchecked.
    DTP_G1_NC = ModuleOffset, MOVW_NC[1], None;
    /// Bits 32 to 47 of an offset.
    DTP_G2 = ModuleOffset, SMOVW[2], None;

    // Marks for linkers that do without a descriptor.
    /// On the load of its function.
    DESC_LDR = Nothing, Field::None, None;
    /// On the computation of its address.
    DESC_ADD = Nothing, Field::None, None;
    /// On the call of its function.
    DESC_CALL = Nothing, Field::None, None;
}

/// The architecture.
pub static ARCHITECTURE: Architecture = Architecture {
    name: "aarch64",
    kinds: KINDS,
    code_fields: STORES,
    slot_size: 8,
    stub_size: 16,
    branch_reach: 1 << 27,
    stub,
    can_relax,
    relax,
    rewrite: None,
    threads: ThreadLayout { header: Some(16), bias: 0 },
};

/// `adrp x16, slot; ldr x16, [x16, #slot]; br x16; udf #0`. Between a call and its function x16 is nobody's.
fn stub(address: u64, slot: u64, code: &mut [u8]) -> bool {
    for (instruction, word) in code.chunks_exact_mut(4).zip([0x9000_0010u32, 0xf940_0210, 0xd61f_0200, 0]) {
        instruction.copy_from_slice(&word.to_le_bytes());
    }
    let encode = |field, value, at: usize, code: &mut [u8]| ARCHITECTURE.encode(field, value, &mut code[at..]).is_ok();
    encode(ADRP_FIELD, pages(slot, address), 0, code) && encode(LDST12_NC[3], slot as i64, 4, code)
}

/// The distance between the pages of 4 KiB that two addresses lie in.
fn pages(to: u64, from: u64) -> i64 {
    (to & !0xfff).wrapping_sub(from & !0xfff) as i64
}

/// Instructions without register numbers and immediates: `ldr` of 64 bits at an unsigned offset, `add` of an immediate, `movz`
/// of bits 16 to 31, `movk` of bits 0 to 15.
const LDR: u32 = 0xf940_0000;
const ADD: u32 = 0x9100_0000;
const MOVZ16: u32 = 0xd2a0_0000;
const MOVK: u32 = 0xf280_0000;

/// Whether an instruction is what a load from the GOT is made of: `adrp`, or `ldr` of a 64-bit register.
fn can_relax(load: &Load, content: &[u8]) -> bool {
    let Some(word) = content.get(load.offset..).and_then(|bytes| bytes.first_chunk()) else { return false };
    let word = u32::from_le_bytes(*word);
    let is_load = word & 0xffc0_0000 == LDR;
    load.addend == 0
        && match load.kind {
            GOT_PAGE | TLVP_PAGE | IE_PAGE => word & 0x9f00_0000 == 0x9000_0000,
            // `movk` keeps the other bits, so they have to be in the same register.
            IE_LD_LO12 => is_load && word & 31 == word >> 5 & 31,
            _ => is_load,
        }
}

/// `adrp` of the symbol's own page and `add` in the place of `ldr`, or, for an offset from the thread pointer, `movz` and
/// `movk`. The other instruction of the pair is rewritten too: see [`Value::GotLoadPage`](crate::arch::Value).
fn relax(load: &Load, bytes: &mut [u8], place: u64, target: u64) -> bool {
    if !can_relax(load, bytes) {
        return false;
    }
    let old = &mut bytes[load.offset..load.offset + 4];
    let registers = u32::from_le_bytes([old[0], old[1], old[2], old[3]]) & 0x3ff;
    let (word, field, value) = match load.kind {
        GOT_PAGE | TLVP_PAGE => return ARCHITECTURE.encode(ADRP_FIELD, pages(target, place), old).is_ok(),
        IE_PAGE => (MOVZ16 | (registers & 31), UMOVW[1], target as i64),
        IE_LD_LO12 => (MOVK | (registers & 31), MOVW_NC[0], target as i64),
        _ => (ADD | registers, ADD12_NC, target as i64),
    };
    let mut new = word.to_le_bytes();
    let done = ARCHITECTURE.encode(field, value, &mut new).is_ok();
    if done {
        old.copy_from_slice(&new);
    }
    done
}

#[cfg(test)]
mod tests;
