//! x86-64: edge kinds, fix-ups, stubs and the rewriting of GOT loads.
//!
//! Invariants: an edge kind is an index of [`KINDS`]; instruction fields are little-endian; the addend of a
//! PC-relative kind is relative to the field itself.
//! Sources: x86-64 psABI 1.0, §4.4.1 "Relocation Types", §B.2 "Optimize GOTPCRELX Relocations".

pub mod far;
pub mod relax;

use crate::graph::{EdgeKind, Entry};

/// The value that a kind stores, in the psABI's letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// Nothing is stored.
    Nothing,
    /// `S + A`
    Absolute,
    /// `S + A - P`
    Relative,
    /// `L + A - P`; L is the symbol itself where it is in reach, else its stub.
    Branch,
    /// `L + A - GOT`
    BranchFromGot,
    /// `G + A`
    GotOffset,
    /// `G + GOT + A - P`
    GotRelative,
    /// The same, or the symbol itself once the instruction has been rewritten.
    GotLoad,
    /// `S + A - GOT`
    FromGot,
    /// `GOT + A - P`
    GotBase,
    /// `Z + A`
    Size,
    /// The offset of the variable in its module's image.
    ModuleOffset,
    /// The offset of the variable from the thread pointer.
    ThreadOffset,
}

/// How a value is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// No bytes.
    None,
    /// A byte, signed or unsigned.
    Byte,
    /// Two bytes, signed or unsigned.
    Half,
    /// Four bytes, unsigned.
    Unsigned32,
    /// Four bytes, signed.
    Signed32,
    /// Eight bytes.
    Word64,
}

impl Field {
    /// Its length in bytes.
    pub const fn size(self) -> u64 {
        match self {
            Field::None => 0,
            Field::Byte => 1,
            Field::Half => 2,
            Field::Unsigned32 | Field::Signed32 => 4,
            Field::Word64 => 8,
        }
    }
}

/// What is known of an edge kind.
#[derive(Debug)]
pub struct Kind {
    /// What it computes.
    pub value: Value,
    /// How it is stored.
    pub field: Field,
    /// The table entry that has to exist first.
    pub entry: Option<Entry>,
}

const fn kind(value: Value, field: Field, entry: Option<Entry>) -> Kind {
    Kind { value, field, entry }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $value:ident, $field:ident, $entry:expr;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, missing_docs)]
        #[derive(Clone, Copy)]
        enum Index { $($name),* }
        $($(#[$doc])* pub const $name: EdgeKind = EdgeKind(Index::$name as u8);)*
        /// What each kind does; indexed by the kind.
        pub const KINDS: &[Kind] = &[$(kind(Value::$value, Field::$field, $entry)),*];
    };
}

kinds! {
    /// Nothing.
    NOTHING = Nothing, None, None;
    /// A 64-bit address.
    ABS64 = Absolute, Word64, None;
    /// A zero-extended 32-bit address.
    ABS32 = Absolute, Unsigned32, None;
    /// A sign-extended 32-bit address.
    ABS32S = Absolute, Signed32, None;
    /// A 16-bit address.
    ABS16 = Absolute, Half, None;
    /// An 8-bit address.
    ABS8 = Absolute, Byte, None;
    /// A 64-bit distance.
    PC64 = Relative, Word64, None;
    /// A 32-bit distance.
    PC32 = Relative, Signed32, None;
    /// A 16-bit distance.
    PC16 = Relative, Half, None;
    /// An 8-bit distance.
    PC8 = Relative, Byte, None;
    /// A 32-bit distance to a function or its stub.
    BRANCH32 = Branch, Signed32, Some(Entry::Stub);
    /// A 64-bit distance from the GOT to a function or its stub.
    PLTOFF64 = BranchFromGot, Word64, Some(Entry::Stub);
    /// A 32-bit offset of a slot in the GOT.
    GOT32 = GotOffset, Signed32, Some(Entry::Got);
    /// A 64-bit offset of a slot in the GOT.
    GOT64 = GotOffset, Word64, Some(Entry::Got);
    /// A 64-bit distance from the GOT.
    GOTOFF64 = FromGot, Word64, None;
    /// A 32-bit distance to the GOT.
    GOTPC32 = GotBase, Signed32, None;
    /// A 64-bit distance to the GOT.
    GOTPC64 = GotBase, Word64, None;
    /// A 32-bit distance to a slot.
    GOTPCREL = GotRelative, Signed32, Some(Entry::Got);
    /// A 64-bit distance to a slot.
    GOTPCREL64 = GotRelative, Word64, Some(Entry::Got);
    /// A 32-bit distance to a slot in an instruction without REX prefix that may be rewritten.
    GOTPCRELX = GotLoad, Signed32, Some(Entry::Got);
    /// The same with a REX prefix.
    REX_GOTPCRELX = GotLoad, Signed32, Some(Entry::Got);
    /// The same with a REX2 prefix.
    CODE_4_GOTPCRELX = GotLoad, Signed32, Some(Entry::Got);
    /// The same in an instruction with an EVEX prefix and five bytes before the field.
    CODE_5_GOTPCRELX = GotRelative, Signed32, Some(Entry::Got);
    /// The same with six bytes before the field.
    CODE_6_GOTPCRELX = GotRelative, Signed32, Some(Entry::Got);
    /// A symbol's size in 32 bits.
    SIZE32 = Size, Unsigned32, None;
    /// A symbol's size in 64 bits.
    SIZE64 = Size, Word64, None;
    /// A distance to a pair for `__tls_get_addr`.
    TLSGD = GotRelative, Signed32, Some(Entry::ModuleAndOffset);
    /// A distance to the pair of this object's own module.
    TLSLD = GotRelative, Signed32, Some(Entry::Module);
    /// A 32-bit offset in the module's image.
    DTPOFF32 = ModuleOffset, Signed32, None;
    /// A 64-bit offset in the module's image.
    DTPOFF64 = ModuleOffset, Word64, None;
    /// A distance to a slot with an offset from the thread pointer.
    GOTTPOFF = GotRelative, Signed32, Some(Entry::ThreadOffset);
    /// A 32-bit offset from the thread pointer.
    TPOFF32 = ThreadOffset, Signed32, None;
    /// A 64-bit offset from the thread pointer.
    TPOFF64 = ThreadOffset, Word64, None;
    /// A distance to a thread-local descriptor.
    TLSDESC = GotRelative, Signed32, Some(Entry::Descriptor);
}

/// What is known of a kind.
pub fn info(kind: EdgeKind) -> &'static Kind {
    &KINDS[kind.0 as usize]
}

/// Bytes of a GOT slot.
pub const SLOT_SIZE: u64 = 8;

/// Bytes of a stub, which begins at a multiple of them.
pub const STUB_SIZE: u64 = 8;

/// The code of a stub at `address` that jumps to where `slot` points: `jmp *slot(%rip); ud2`.
pub fn stub(address: u64, slot: u64) -> Option<[u8; STUB_SIZE as usize]> {
    let displacement = i32::try_from(slot.wrapping_sub(address + 6) as i64).ok()?;
    let [a, b, c, d] = displacement.to_le_bytes();
    Some([0xff, 0x25, a, b, c, d, 0x0f, 0x0b])
}
