//! Each sentence of the language's description as a test.

mod language;
mod operands;

use super::*;

/// What is linked in the tests: `d` are data bytes, `f` is a function of two instructions, `z` is zero-fill, `k` absolute.
struct Linked;

/// Where `d` lies, and what it is.
const DATA: u64 = 0x1000;
const BYTES: [u8; 12] = [0x78, 0x56, 0x34, 0x12, 0xf0, 0xde, 0xbc, 0x9a, 0x08, 0x10, 0, 0];
/// Where `f` lies: `callq .+0x105; movq -8(%rip), %rax`.
const CODE: u64 = 0x2000;
const INSTRUCTIONS: [u8; 12] = [0xe8, 0, 1, 0, 0, 0x48, 0x8b, 0x05, 0xf8, 0xff, 0xff, 0xff];
/// Where `z` lies, and how long it is.
const ZERO: u64 = 0x3000;
const ZERO_SIZE: u64 = 0x100;

impl View for Linked {
    fn symbol(&self, name: &str) -> Result<Symbol, String> {
        let (address, size, absolute) = match name {
            "d" | "_d.x$y:z" => (DATA, 12, false),
            "f" => (CODE, 12, false),
            "sizeless" => (CODE, 0, false),
            "a64" => (DATA + 8, 4, false),
            "z" => (ZERO, ZERO_SIZE, false),
            "k" => (0x1000, 0, true),
            _ => return Err(format!("nothing that was linked is called `{name}`")),
        };
        let instructions = match name {
            "a64" => Some(InstructionSet::Aarch64),
            "z" => None,
            _ => Some(InstructionSet::X86_64),
        };
        Ok(Symbol { address, size, absolute, instructions })
    }

    fn section(&self, file: &str, section: &str) -> Result<u64, String> {
        match (file, section) {
            ("x.o", "__TEXT,__text" | ".text" | "$__GOT") => Ok(CODE),
            _ => Err(format!("no section {section} in {file}")),
        }
    }

    fn got_entry(&self, file: &str, symbol: &str) -> Result<u64, String> {
        if (file, symbol) == ("x.o", "d") { Ok(DATA + 8) } else { Err(format!("no entry for {symbol} in {file}")) }
    }

    fn stub(&self, file: &str, symbol: &str, kind: Option<&str>) -> Result<u64, String> {
        match (file, symbol, kind) {
            ("x.o", "d", None) => Ok(0x5000),
            ("x.o", "d", Some("armv7.*")) => Ok(0x5008),
            _ => Err(format!("no stub for {symbol} in {file}")),
        }
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let end = address.saturating_add(bytes.len() as u64);
        if ZERO <= address && end <= ZERO + ZERO_SIZE {
            bytes.fill(0);
            return true;
        }
        for (start, content) in [(DATA, BYTES), (CODE, INSTRUCTIONS)] {
            if let Some(at) = address.checked_sub(start)
                && let Some(found) = content.get(at as usize..(at as usize).saturating_add(bytes.len()))
            {
                bytes.copy_from_slice(found);
                return true;
            }
        }
        false
    }
}

/// The value of an expression.
fn value(expression: &str) -> u64 {
    match evaluate(&format!("{expression} = 0x123456789abcdef"), &Linked) {
        Err(CheckError::False { left, .. }) => left,
        other => panic!("`{expression}`: {other:?}"),
    }
}

/// Why a rule cannot be evaluated, and from where on.
fn refused(rule: &str) -> (String, String) {
    match evaluate(rule, &Linked) {
        Err(CheckError::Unusable { reason, rest, .. }) => (reason, rest),
        other => panic!("`{rule}`: {other:?}"),
    }
}
