//! Machine code and unwind records written by hand, for the tests of this crate.

#[cfg_attr(target_arch = "x86_64", path = "test_code/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "test_code/aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "test_code/riscv64.rs")]
mod arch;

use std::ops::Range;
use std::ptr;

/// `extern "C-unwind" fn(callback: extern "C-unwind" fn())`: calls its argument from a frame of its own.
pub const CALLER: &[u8] = arch::CALLER;
/// Raises SIGILL with its first instruction.
#[allow(dead_code, reason = "not all test programs that include this file raise signals")]
pub const TRAP: &[u8] = arch::TRAP;
/// What records say of a [`CALLER`] ends behind its call, so that two that touch have a gap between them.
const RECORDED_BYTES: usize = 8;

pub type Caller = extern "C-unwind" fn(extern "C-unwind" fn());

/// Pages for code, with room for its records after them. Never unmapped: tests are short.
pub struct Code {
    pub start: usize,
}

impl Code {
    /// Code at the offsets given, what is not to be executed in between.
    pub fn new(bytes: usize, functions: &[(usize, &[u8])]) -> Code {
        let bytes = bytes.next_multiple_of(4096);
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping.
        let start = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        // SAFETY: the mapping is writable and ours.
        let memory = unsafe { std::slice::from_raw_parts_mut(start.cast::<u8>(), bytes) };
        memory.fill(0xcc);
        for (offset, code) in functions {
            memory[*offset..offset + code.len()].copy_from_slice(code);
        }
        // SAFETY: nobody holds a reference into it.
        assert_eq!(unsafe { libc::mprotect(start, bytes, libc::PROT_READ | libc::PROT_EXEC) }, 0);
        Code { start: start as usize }
    }

    /// The [`CALLER`] at an offset.
    pub fn caller(&self, offset: usize) -> Caller {
        // SAFETY: the test put a function of this type there.
        unsafe { std::mem::transmute::<usize, Caller>(self.start + offset) }
    }

    /// Addresses of a function, as far as there are records of it.
    pub fn range(&self, offset: usize, code: &[u8]) -> Range<usize> {
        let start = self.start + offset;
        start..start + code.len().min(RECORDED_BYTES)
    }
}

/// A section under construction. Its pointers are absolute, so it may lie anywhere, unless an encoding says otherwise.
#[derive(Default)]
pub struct EhFrame {
    pub bytes: Vec<u8>,
    cie: usize,
}

impl EhFrame {
    pub fn record(&mut self, body: &[u8]) -> usize {
        let start = self.bytes.len();
        let length = (body.len() + 4).next_multiple_of(8) - 4;
        self.bytes.extend((length as u32).to_le_bytes());
        self.bytes.extend(body);
        self.bytes.resize(start + 4 + length, 0);
        start
    }

    pub fn cie(&mut self, encoding: u8) -> &mut Self {
        let mut body = b"\0\0\0\0\x01zR\0\x01\x78".to_vec();
        body.extend([arch::RETURN_COLUMN, 1, encoding]);
        body.extend(arch::CIE_CFI);
        self.cie = self.record(&body);
        self
    }

    /// A record whose code address and length are these bytes.
    pub fn fde(&mut self, code: &[u8], instructions: &[u8]) -> usize {
        let back = (self.bytes.len() + 4 - self.cie) as u32;
        self.record(&[&back.to_le_bytes(), code, b"\0", instructions].concat())
    }

    pub fn function(&mut self, code: &Range<usize>) -> &mut Self {
        let instructions = if code.len() == RECORDED_BYTES { arch::CALLER_CFI } else { b"" };
        self.fde(&[code.start.to_le_bytes(), code.len().to_le_bytes()].concat(), instructions);
        self
    }

    /// The records of some functions, terminated, at a fixed address for ever.
    pub fn of(functions: &[Range<usize>]) -> &'static [u8] {
        let mut section = EhFrame::default();
        section.cie(0);
        for code in functions {
            section.function(code);
        }
        section.bytes.extend([0; 4]);
        section.bytes.leak()
    }
}
