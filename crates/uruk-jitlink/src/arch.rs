//! What every architecture has: edge kinds as values and fields, slots, stubs, and what may be rewritten.
//!
//! An architecture is a table of constants and pure functions, [`Architecture`], in a module of its own; it knows no file
//! format. Which relocation types its kinds stand for is a [`Format`](crate::format::Format)'s to say. The kinds of plain
//! data have the same numbers everywhere, so that passes need not ask for whom they write a table.

use crate::error::LinkError;
use crate::graph::{EdgeKind, Entry, LinkGraph, align_up};
use crate::resolve::Targets;
use std::ops::Range;

/// The value that a kind stores, in the letters of the psABIs: the symbol S, the addend A, the place P, the symbol or its
/// stub L, the symbol's slot G (its address), the start of all slots GOT.
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
    /// `G + A - GOT`
    GotOffset,
    /// `G + A`
    GotAddress,
    /// `G + A - P`
    GotRelative,
    /// The same, or the symbol itself once the instruction has been rewritten.
    GotLoad,
    /// `Page(S + A) - Page(P)`; a page is 4 KiB here, whatever the system's are.
    Page,
    /// `Page(G + A) - Page(P)`
    GotPage,
    /// The same, or the symbol's page where all loads of the symbol have been rewritten.
    GotLoadPage,
    /// `G + A`, or the symbol itself where all loads of it have been rewritten.
    GotLoadAddress,
    /// `G + A - Page(GOT)`
    GotFromPage,
    /// `S + A - GOT`
    FromGot,
    /// `GOT + A - P`
    GotBase,
    /// `Z + A`
    Size,
    /// `L + A - IMAGE`, for the start IMAGE of the image that all memory of the session is taken for; L is the symbol itself
    /// where it lies in that memory, else its stub.
    ImageOffset,
    /// The offset of the variable in its module's image.
    ModuleOffset,
    /// The offset of the variable from the thread pointer.
    ThreadOffset,
    /// The function of the variable's descriptor, which returns its offset from the thread pointer.
    DescriptorFunction,
    /// The argument of that function.
    DescriptorArgument,
    /// The value of the relative edge that stands at the symbol: the other part of a pair of instructions.
    Paired,
    /// `S + A`, less what an edge of [`Value::Subtrahend`] at the same place says.
    Difference,
    /// `-(S + A)`, where no difference stands at the same place.
    Subtrahend,
}

impl Value {
    /// Whether it is the address of a slot in an instruction that may be rewritten to do without.
    pub const fn is_load(self) -> bool {
        matches!(self, Value::GotLoad | Value::GotLoadPage | Value::GotLoadAddress)
    }
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
    /// Four bytes, signed or unsigned.
    Word32,
    /// Four bytes, unsigned.
    Unsigned32,
    /// Four bytes, unsigned, that are the same number where they are taken as signed.
    Unsigned31,
    /// Four bytes, signed.
    Signed32,
    /// Eight bytes.
    Word64,
    /// A part of an instruction: one of [`Architecture::code_fields`], by its number.
    Code {
        /// Bytes of the instructions that hold it.
        size: u8,
        /// Which.
        number: u8,
    },
}

impl Field {
    /// Its length in bytes.
    pub const fn size(self) -> u64 {
        match self {
            Field::None => 0,
            Field::Byte => 1,
            Field::Half => 2,
            Field::Word32 | Field::Unsigned32 | Field::Unsigned31 | Field::Signed32 => 4,
            Field::Word64 => 8,
            Field::Code { size, .. } => size as u64,
        }
    }
}

/// Why a value does not go into a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misfit {
    /// It is none of those from the first to the last.
    Range(i64, i64),
    /// It is no multiple of this.
    Alignment(i64),
}

/// Stores a value in instructions, or adds it to what is there, at the start of a slice that is long enough for them; on
/// error the bytes stay as they are.
pub type Store = fn(i64, &mut [u8]) -> Result<(), Misfit>;

/// What is known of an edge kind.
#[derive(Debug)]
pub struct Kind {
    /// What it computes.
    pub value: Value,
    /// How it is stored.
    pub field: Field,
    /// The table entry that has to exist first.
    pub entry: Option<Entry>,
    /// It holds an address in so few bits that the object has to lie in low memory.
    pub low: bool,
}

impl Kind {
    /// Whether it may hold a variable's offset from the thread pointer: always, or once its instruction has been rewritten.
    pub const fn takes_thread_offset(&self) -> bool {
        matches!(self.value, Value::ThreadOffset)
            || self.value.is_load() && matches!(self.entry, Some(Entry::ThreadOffset))
    }

    /// Whether it counts on variables at fixed offsets from the thread pointer.
    pub const fn needs_static_threads(&self) -> bool {
        matches!(self.value, Value::ThreadOffset) || matches!(self.entry, Some(Entry::ThreadOffset))
    }

    /// Whether it stores something about a thread-local variable itself, not about a table entry for it.
    pub const fn is_thread_field(&self) -> bool {
        use Value::{DescriptorArgument, DescriptorFunction, ModuleOffset};
        self.takes_thread_offset() || matches!(self.value, ModuleOffset | DescriptorFunction | DescriptorArgument)
    }

    /// A kind of these properties. Absolute addresses in short data fields are low.
    pub const fn new(value: Value, field: Field, entry: Option<Entry>) -> Kind {
        let short = matches!(field, Field::Byte | Field::Half | Field::Word32 | Field::Unsigned32 | Field::Signed32);
        Kind { value, field, entry, low: matches!(value, Value::Absolute) && short }
    }

    /// The same for an instruction that holds an address in so few bits that the object has to lie in low memory.
    pub const fn low(self) -> Kind {
        Kind { low: true, ..self }
    }
}

/// Where the C library keeps the thread-local variables of a program that is linked statically.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ThreadLayout {
    /// Bytes from the thread pointer to the variables, before these are aligned (variant I of "ELF Handling for
    /// Thread-Local Storage", §3); `None` where they end at the thread pointer (variant II).
    pub header: Option<u64>,
    /// Less than offsets in a module's image are those that tables hold, so that signed fields reach further.
    pub bias: u64,
}

impl ThreadLayout {
    /// The distance from the thread pointer to the start of an image of `size` bytes at a multiple of `1 << align_log2`.
    pub fn image_offset(&self, size: u64, align_log2: u8) -> u64 {
        match self.header {
            Some(header) => align_up(header, align_log2),
            None => align_up(size, align_log2).wrapping_neg(),
        }
    }
}

/// Rewrites the code of a graph, for what is known of its targets before layout and the range that its memory will lie in.
pub type Rewrite = fn(&mut LinkGraph, &Targets, &Range<u64>) -> Result<(), LinkError>;

/// An instruction that loads from a slot, as seen by who may rewrite it.
pub struct Load {
    /// The edge's kind.
    pub kind: EdgeKind,
    /// The edge's addend.
    pub addend: i64,
    /// Offset of its field in the block.
    pub offset: usize,
}

/// An architecture.
pub struct Architecture {
    /// Its usual name, as `x86-64`.
    pub name: &'static str,
    /// What each edge kind does; indexed by the kind. The first ones are [`PLAIN`].
    pub kinds: &'static [Kind],
    /// How the fields in instructions are stored, by number.
    pub code_fields: &'static [Store],
    /// Bytes of a GOT slot, which are those of an address.
    pub slot_size: u64,
    /// Bytes of a stub, which begins at a multiple of them.
    pub stub_size: u64,
    /// Calls and jumps reach this far and no further, in bytes, forwards and backwards.
    pub branch_reach: u64,
    /// Writes the code of a stub at an address that jumps to where a slot points. False where the slot is out of reach.
    pub stub: fn(address: u64, slot: u64, code: &mut [u8]) -> bool,
    /// Whether an instruction that loads an address from a slot could compute it instead.
    pub can_relax: fn(load: &Load, content: &[u8]) -> bool,
    /// Makes it do so, for a field at a place and what the slot would hold: a symbol's address, or a variable's offset from
    /// the thread pointer. False, with nothing changed, where it cannot.
    pub relax: fn(load: &Load, bytes: &mut [u8], place: u64, target: u64) -> bool,
    /// Rewrites code before tables are planned: instructions whose targets are out of reach, or that could be shorter.
    /// To be called once, when blocks have been dropped for good.
    pub rewrite: Option<Rewrite>,
    /// Thread-local variables of static programs.
    pub threads: ThreadLayout,
}

impl Architecture {
    /// What is known of a kind.
    pub fn info(&self, kind: EdgeKind) -> &'static Kind {
        &self.kinds[kind.0 as usize]
    }

    /// Stores a value in a field at the start of `bytes`; on error `bytes` is unchanged. Panics if `bytes` is shorter than
    /// the field: readers have rejected such edges.
    pub fn encode(&self, field: Field, value: i64, bytes: &mut [u8]) -> Result<(), Misfit> {
        let (min, max) = match field {
            Field::None => return Ok(()),
            Field::Byte => (i64::from(i8::MIN), i64::from(u8::MAX)),
            Field::Half => (i64::from(i16::MIN), i64::from(u16::MAX)),
            Field::Word32 => (i64::from(i32::MIN), i64::from(u32::MAX)),
            Field::Unsigned32 => (0, i64::from(u32::MAX)),
            Field::Unsigned31 => (0, i64::from(i32::MAX)),
            Field::Signed32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Field::Word64 => (i64::MIN, i64::MAX),
            Field::Code { number, .. } => return self.code_fields[usize::from(number)](value, bytes),
        };
        if value < min || max < value {
            return Err(Misfit::Range(min, max));
        }
        let size = field.size() as usize;
        bytes[..size].copy_from_slice(&value.to_le_bytes()[..size]);
        Ok(())
    }
}

impl std::fmt::Debug for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Architecture {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// Makes an architecture's kinds: a constant for each, and the table of all, which begins with the plain ones.
/// A row is `NAME = value, field, entry;`, perhaps with `, low` behind the entry for [`Kind::low`].
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $value:ident, $field:expr, $entry:expr $(, $low:ident)?;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, missing_docs)]
        #[derive(Clone, Copy)]
        enum Index { $($name),* }
        $($(#[$doc])* pub const $name: $crate::graph::EdgeKind =
            $crate::graph::EdgeKind($crate::arch::PLAIN_COUNT + Index::$name as u8);)*
        /// What each kind does; indexed by the kind.
        pub const KINDS: &[$crate::arch::Kind] = {
            use $crate::arch::{Field, Kind, PLAIN_COUNT, Value};
            const OWN: &[Kind] = &[$(Kind::new(Value::$value, $field, $entry)$(.$low())?),*];
            &$crate::arch::with_plain::<{ PLAIN_COUNT as usize + OWN.len() }>(OWN)
        };
    };
}
pub(crate) use kinds;

macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident = $value:ident, $field:ident, $entry:expr;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, missing_docs)]
        #[derive(Clone, Copy)]
        enum Plain { $($name),* }
        $($(#[$doc])* pub const $name: EdgeKind = EdgeKind(Plain::$name as u8);)*
        /// The kinds that every architecture has, for fields in data.
        pub const PLAIN: &[Kind] = &[$(Kind::new(Value::$value, Field::$field, $entry)),*];
    };
}

plain! {
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
    /// A 32-bit offset of something in the image.
    IMAGE32 = ImageOffset, Unsigned31, Some(Entry::Inside);
    /// A symbol's size in 32 bits.
    SIZE32 = Size, Unsigned32, None;
    /// A symbol's size in 64 bits.
    SIZE64 = Size, Word64, None;
    /// A 64-bit distance from the GOT.
    GOTOFF64 = FromGot, Word64, None;
    /// A 64-bit distance to the GOT.
    GOTPC64 = GotBase, Word64, None;
    /// A 32-bit distance to a slot.
    GOTPCREL = GotRelative, Signed32, Some(Entry::Got);
    /// A 64-bit distance to a slot.
    GOTPCREL64 = GotRelative, Word64, Some(Entry::Got);
    /// A 32-bit offset in the module's image.
    DTPOFF32 = ModuleOffset, Signed32, None;
    /// A 64-bit offset in the module's image.
    DTPOFF64 = ModuleOffset, Word64, None;
    /// A 32-bit offset from the thread pointer.
    TPOFF32 = ThreadOffset, Signed32, None;
    /// A 64-bit offset from the thread pointer.
    TPOFF64 = ThreadOffset, Word64, None;
    /// A thread-local variable's descriptor: the function.
    DESCRIPTOR_FUNCTION = DescriptorFunction, Word64, None;
    /// A thread-local variable's descriptor: the argument.
    DESCRIPTOR_ARGUMENT = DescriptorArgument, Word64, None;
    /// A 32-bit distance in data. [`PC32`] may stand in an instruction, and is another relocation type of Mach-O.
    DISTANCE32 = Relative, Signed32, None;
    /// A 64-bit distance between two symbols.
    DIFFERENCE64 = Difference, Word64, None;
    /// A 32-bit distance between two symbols.
    DIFFERENCE32 = Difference, Signed32, None;
    /// The symbol that such a distance starts at.
    SUBTRAHEND = Subtrahend, None, None;
}

/// The number of plain kinds, and the first kind of an architecture's own.
pub const PLAIN_COUNT: u8 = PLAIN.len() as u8;

/// The plain kinds with an architecture's own behind them. `COUNT` is the number of both.
pub(crate) const fn with_plain<const COUNT: usize>(own: &[Kind]) -> [Kind; COUNT] {
    let mut kinds = [const { Kind::new(Value::Nothing, Field::None, None) }; COUNT];
    let mut at = 0;
    while at < COUNT {
        let kind = if at < PLAIN.len() { &PLAIN[at] } else { &own[at - PLAIN.len()] };
        kinds[at] = Kind { value: kind.value, field: kind.field, entry: kind.entry, low: kind.low };
        at += 1;
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x86_64;

    fn check(field: Field, value: i64, expected: Result<&[u8], (i64, i64)>) {
        let mut bytes = [0xaa; 8];
        let done = x86_64::ARCHITECTURE.encode(field, value, &mut bytes);
        let expected = expected.map_err(|(min, max)| Misfit::Range(min, max));
        assert_eq!(done.map(|()| &bytes[..field.size() as usize]), expected, "{field:?} of {value}");
        if done.is_err() {
            assert_eq!(bytes, [0xaa; 8]);
        }
    }

    #[test]
    fn fields_hold_what_they_can_and_nothing_else() {
        check(Field::Byte, 255, Ok(&[255]));
        check(Field::Byte, -128, Ok(&[128]));
        check(Field::Byte, 256, Err((-128, 255)));
        check(Field::Byte, -129, Err((-128, 255)));
        check(Field::Half, 65535, Ok(&[255, 255]));
        check(Field::Half, -32769, Err((-32768, 65535)));
        check(Field::Word32, 0xffff_ffff, Ok(&[255; 4]));
        check(Field::Word32, -0x8000_0000, Ok(&[0, 0, 0, 0x80]));
        check(Field::Word32, -0x8000_0001, Err((-0x8000_0000, 0xffff_ffff)));
        check(Field::Unsigned32, 0xffff_ffff, Ok(&[255; 4]));
        check(Field::Unsigned32, -1, Err((0, 0xffff_ffff)));
        check(Field::Unsigned31, 0x7fff_ffff, Ok(&[255, 255, 255, 127]));
        check(Field::Unsigned31, 0x8000_0000, Err((0, 0x7fff_ffff)));
        check(Field::Unsigned31, -1, Err((0, 0x7fff_ffff)));
        check(Field::Signed32, -1, Ok(&[255; 4]));
        check(Field::Signed32, 0x8000_0000, Err((-0x8000_0000, 0x7fff_ffff)));
        check(Field::Signed32, -0x8000_0001, Err((-0x8000_0000, 0x7fff_ffff)));
        check(Field::Word64, -2, Ok(&[254, 255, 255, 255, 255, 255, 255, 255]));
    }
}
