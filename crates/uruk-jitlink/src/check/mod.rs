//! The check language of LLVM's linker tools: rules, in the comments of an assembly source, of what its bytes must be
//! once they are linked.
//!
//! ```text
//! # jitlink-check: decode_operand(main, 4) = got_addr(main.o, puts) - next_pc(main)
//! # jitlink-check: *{8}table = main + 4
//! ```
//!
//! ```
//! use uruk_jitlink::check::{DEFAULT_NAME, rules};
//! let source = "# jitlink-check: *{8}table = \\\n# jitlink-check: main + 4\n";
//! assert_eq!(rules(source, DEFAULT_NAME)[0].text, "*{8}table =  main + 4");
//! ```
//!
//! Data flow: a text → its [`rules`] → [`evaluate`] each with a [`View`] of what has been linked. A rule is two expressions
//! of unsigned 64-bit numbers that must be equal. They are evaluated as they are read, strictly from left to right; a load
//! `*{N}` takes all that follows it for its address. All addresses are those that the code has where it runs, and loads read
//! what lies there.
//!
//! Invariants: pure; any text gives a value or an error, whatever its length and however deep it is nested.

mod aarch64;
mod encoding;
mod evaluate;
mod riscv;
mod rules;
#[cfg(test)]
mod tests;
mod x86_64;

pub use evaluate::evaluate;
pub use rules::{Rule, rules};

use crate::arch::Architecture;

/// The name of rules if nobody chooses another.
pub const DEFAULT_NAME: &str = "jitlink-check";

/// An instruction, as far as rules ask for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instruction {
    /// Its length in bytes.
    pub length: u64,
    /// Its operands as LLVM orders them, where that is known.
    pub operands: Option<Vec<Operand>>,
}

/// An operand of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand {
    /// A number, with its sign.
    Immediate(i64),
    /// A register, or none.
    Other,
}

/// The instructions that a symbol consists of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InstructionSet {
    /// x86-64.
    X86_64,
    /// A64.
    Aarch64,
    /// RV32, with compressed instructions.
    Riscv32,
    /// RV64, with compressed instructions.
    Riscv64,
}

impl InstructionSet {
    /// What an architecture's code consists of; `None` where nothing of it is decoded here.
    pub fn of(arch: &Architecture) -> Option<InstructionSet> {
        let sets = [
            (&crate::x86_64::ARCHITECTURE, InstructionSet::X86_64),
            (&crate::aarch64::ARCHITECTURE, InstructionSet::Aarch64),
            (&crate::riscv::rv32::ARCHITECTURE, InstructionSet::Riscv32),
            (&crate::riscv::rv64::ARCHITECTURE, InstructionSet::Riscv64),
        ];
        sets.into_iter().find(|(known, _)| *known == arch).map(|(_, set)| set)
    }

    /// Decodes the instruction at the start of some bytes; `None` if there is none.
    pub fn decode(self, bytes: &[u8]) -> Option<Instruction> {
        match self {
            InstructionSet::X86_64 => x86_64::decode(bytes),
            InstructionSet::Aarch64 => aarch64::decode(bytes),
            InstructionSet::Riscv32 => riscv::decode32(bytes),
            InstructionSet::Riscv64 => riscv::decode64(bytes),
        }
    }
}

/// What a rule can say of a symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Symbol {
    /// Its final address.
    pub address: u64,
    /// Its size in bytes, which are those that can be decoded; 0 if the object does not say.
    pub size: u64,
    /// It is an address that nothing was linked at: there are no bytes.
    pub absolute: bool,
    /// What it consists of, if that can be decoded here.
    pub instructions: Option<InstructionSet>,
}

/// What has been linked, as rules see it. Files are named by the last component of their path.
///
/// What is not there is an error that says so: `no section .bss in a.o`.
pub trait View {
    /// A symbol of any file, or an absolute one.
    fn symbol(&self, name: &str) -> Result<Symbol, String>;

    /// The address of a section's first symbol.
    fn section(&self, file: &str, section: &str) -> Result<u64, String>;

    /// The address of the GOT entry made for a symbol while a file was linked.
    fn got_entry(&self, file: &str, symbol: &str) -> Result<u64, String>;

    /// The address of the call stub made for a symbol while a file was linked: the one whose kind matches a regular
    /// expression, or the only one.
    fn stub(&self, file: &str, symbol: &str, kind: Option<&str>) -> Result<u64, String>;

    /// Reads what was linked at an address: fills `bytes`, where zero-fill is zero, or says false, if not all of it was.
    fn read(&self, address: u64, bytes: &mut [u8]) -> bool;
}

/// Why a rule does not hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The sides differ.
    #[error("rule `{rule}` is false: {left:#x} is not {right:#x}")]
    False {
        /// The rule.
        rule: String,
        /// What its left side is.
        left: u64,
        /// What its right side is.
        right: u64,
    },
    /// It cannot be evaluated.
    #[error("rule `{rule}`: {reason}, at `{rest}`")]
    Unusable {
        /// The rule.
        rule: String,
        /// What is wrong.
        reason: String,
        /// The rest of the rule, from where that was seen.
        rest: String,
    },
}
