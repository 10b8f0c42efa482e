//! Compact unwind records, as those of `__eh_frame`.
//!
//! A compact record says in 32 bits how a function finds its caller's frame and where it saved which registers, for every
//! place in its body; of the prologue nothing is known, so that a record made from it, too, is right only where a
//! function can be while it calls or throws.
//! Sources: `mach-o/compact_unwind_encoding.h` of Apple's libunwind; DWARF 5 §6.4.2.

pub mod arm64;
pub mod x86_64;

/// What an architecture's records say, and what those of `__eh_frame` have to say besides.
pub struct Unwind {
    /// What an encoding says; `None` for one that says nothing, refers to other records, or makes no sense. The bytes are
    /// the function's, which may hold the size of the frame.
    pub frame: fn(encoding: u32, code: &[u8]) -> Option<Frame>,
    /// The register that the return address is found as, by DWARF's number.
    pub return_register: u8,
    /// Call frame instructions for the first instruction of any function.
    pub entry: &'static [u8],
}

/// What a compact record says, in terms of the canonical frame address (CFA).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The register that the CFA counts from, by DWARF's number.
    pub register: u8,
    /// What is added to it.
    pub offset: u64,
    /// Registers by DWARF's numbers, with the number of words below the CFA where each was saved.
    pub saved: Vec<(u8, u64)>,
}

const MODE: u32 = 0x0f00_0000;
/// Bytes of a register on the stack.
const WORD: u64 = 8;

impl Frame {
    /// Call frame instructions for the whole function.
    pub fn instructions(&self) -> Vec<u8> {
        const DEF_CFA: u8 = 0x0c;
        const OFFSET: u8 = 0x80;
        const OFFSET_EXTENDED: u8 = 5;
        /// Registers from here on do not fit into an instruction's first byte.
        const EXTENDED: u8 = 64;
        let mut bytes = vec![DEF_CFA, self.register];
        push_number(&mut bytes, self.offset);
        for (register, place) in &self.saved {
            match *register {
                near @ 0..EXTENDED => bytes.push(OFFSET | near),
                far => bytes.extend([OFFSET_EXTENDED, far]),
            }
            push_number(&mut bytes, *place);
        }
        bytes
    }
}

/// Appends a number in groups of seven bits, the lowest first (DWARF 5 §7.6).
fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while 0x80 <= number {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}
