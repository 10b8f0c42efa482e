//! RISC-V: edge kinds, stubs, and what may be rewritten. Both widths share all of it but the size of an address.
//!
//! Invariants: instructions are little-endian words of two or four bytes; what two instructions hold together is in the
//! edge of the first, and the edge of the second names the first by a symbol that stands there ([`Value::Paired`]).
//! Differences of symbols are edges that come in pairs at one place; the bytes that the object has there count too.
//! Source: RISC-V ELF psABI 1.0, "Relocations" and "Linker Relaxation"; The RISC-V Instruction Set Manual, volume I.
//!
//! [`Value::Paired`]: crate::arch::Value::Paired

mod fields;
pub mod jumps;
pub mod relax;
pub mod rv32;
pub mod rv64;

use crate::arch::{Load, Misfit, Store, ThreadLayout, kinds};
use crate::graph::Entry;
use fields::*;

pub use crate::arch::{ABS64, BRANCH32, GOTPCREL, NOTHING, PC32};

kinds! {
    /// The instructions at the same place may be rewritten: see [`relax`].
    RELAX = Nothing, Field::None, None;
    /// So many bytes as the addend says do nothing; some are taken out so that what follows is aligned.
    ALIGN = Nothing, Field::None, None;
    /// 32 bits of an address.
    WORD32 = Absolute, Field::Word32, None;
    /// A conditional branch.
    BRANCH = Relative, B_TYPE, None;
    /// A jump or a call within 1 MiB.
    JAL = Relative, J_TYPE, None;
    /// A call of two instructions, `auipc` and `jalr`.
    CALL = Branch, AUIPC_JALR, Some(Entry::Stub);
    /// A compressed conditional branch.
    RVC_BRANCH = Relative, CB_TYPE, None;
    /// A compressed jump.
    RVC_JUMP = Relative, CJ_TYPE, None;
    /// The upper part of a distance, in `auipc`.
    PCREL_HI20 = Relative, U_TYPE, None;
    /// The upper part of the distance to a slot.
    GOT_HI20 = GotRelative, U_TYPE, Some(Entry::Got);
    /// The upper part of the distance to a slot with an offset from the thread pointer.
    TLS_GOT_HI20 = GotRelative, U_TYPE, Some(Entry::ThreadOffset);
    /// The upper part of the distance to a pair for `__tls_get_addr`.
    TLS_GD_HI20 = GotRelative, U_TYPE, Some(Entry::ModuleAndOffset);
    /// The upper part of the distance to a thread-local descriptor.
    TLSDESC_HI20 = GotRelative, U_TYPE, Some(Entry::Descriptor);
    /// The lower part of a distance, in an instruction with a result.
    PCREL_LO12_I = Paired, I_TYPE, None;
    /// The lower part of a distance, in a store.
    PCREL_LO12_S = Paired, S_TYPE, None;
    /// The lower part of the distance to a descriptor, in the load of its function.
    TLSDESC_LOAD_LO12 = Paired, I_TYPE, None;
    /// The lower part of the distance to a descriptor, in the instruction that computes its address.
    TLSDESC_ADD_LO12 = Paired, I_TYPE, None;
    /// The upper part of an address, in `lui`.
    HI20 = Absolute, U_TYPE, None, low;
    /// The lower part of an address, in an instruction with a result.
    LO12_I = Absolute, I_TYPE, None, low;
    /// The lower part of an address, in a store.
    LO12_S = Absolute, S_TYPE, None, low;
    /// The upper part of an offset from the thread pointer.
    TPREL_HI20 = ThreadOffset, U_TYPE, None;
    /// The lower part of an offset from the thread pointer, in an instruction with a result.
    TPREL_LO12_I = ThreadOffset, I_TYPE, None;
    /// The lower part of an offset from the thread pointer, in a store.
    TPREL_LO12_S = ThreadOffset, S_TYPE, None;
    /// Added to a byte.
    ADD8 = Difference, SUM8, None;
    /// Added to two bytes.
    ADD16 = Difference, SUM16, None;
    /// Added to four bytes.
    ADD32 = Difference, SUM32, None;
    /// Added to eight bytes.
    ADD64 = Difference, SUM64, None;
    /// Stored in six bits.
    SET6 = Difference, BITS6, None;
    /// Stored in a byte.
    SET8 = Difference, Field::Byte, None;
    /// Stored in two bytes.
    SET16 = Difference, Field::Half, None;
    /// Stored in four bytes.
    SET32 = Difference, Field::Word32, None;
    /// Stored as a number of as many bytes as it has.
    SET_ULEB128 = Difference, ULEB128, None;
    /// Subtracted from six bits.
    SUB6 = Subtrahend, SUM6, None;
    /// Subtracted from a byte.
    SUB8 = Subtrahend, SUM8, None;
    /// Subtracted from two bytes.
    SUB16 = Subtrahend, SUM16, None;
    /// Subtracted from four bytes.
    SUB32 = Subtrahend, SUM32, None;
    /// Subtracted from eight bytes.
    SUB64 = Subtrahend, SUM64, None;
    /// Subtracted from a number of as many bytes as it has.
    SUB_ULEB128 = Subtrahend, SUM_ULEB128, None;
    /// Marks the addition of the thread pointer, for linkers that do without.
    TPREL_ADD = Nothing, Field::None, None;
    /// Marks the call of a descriptor's function.
    TLSDESC_CALL = Nothing, Field::None, None;
}

/// Bytes of a stub.
const STUB_SIZE: u64 = 16;

/// The thread pointer is where the variables begin (psABI, "Thread Local Storage").
const THREADS: ThreadLayout = ThreadLayout { header: Some(0), bias: 0x800 };

const T3: u32 = 28;

/// `auipc t3, hi; l[wd] t3, lo(t3); jr t3; nop`, with the load's width in its place.
fn stub(address: u64, slot: u64, width: u32, store: Store, code: &mut [u8]) -> bool {
    let load = 0x03 | T3 << 7 | width << 12 | T3 << 15;
    let words = [0x17 | T3 << 7, load, 0x67 | T3 << 15, 0x13];
    for (bytes, word) in code.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    // The instruction behind `auipc` has its immediate where `jalr` has it.
    store(slot.wrapping_sub(address) as i64, code).is_ok()
}

fn can_relax(_: &Load, _: &[u8]) -> bool {
    false
}

fn relax(_: &Load, _: &mut [u8], _: u64, _: u64) -> bool {
    false
}
