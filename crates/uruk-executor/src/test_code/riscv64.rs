//! The same on RISC-V.

pub const CALLER: &[u8] = b"\x41\x11\x06\xe4\x02\x95\xa2\x60\x41\x01\x82\x80";
pub const CALLER_CFI: &[u8] = b"\x42\x0e\x10\x42\x81\x01";
pub const TRAP: &[u8] = b"\0\0";
pub const RETURN_COLUMN: u8 = 1;
pub const CIE_CFI: &[u8] = b"\x0c\x02\0";
