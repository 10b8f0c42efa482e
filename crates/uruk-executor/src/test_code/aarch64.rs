//! The same on AArch64.

pub const CALLER: &[u8] = b"\xfd\x7b\xbf\xa9\x00\x00\x3f\xd6\xfd\x7b\xc1\xa8\xc0\x03\x5f\xd6";
pub const CALLER_CFI: &[u8] = b"\x44\x0e\x10\x9d\x02\x9e\x01";
pub const TRAP: &[u8] = b"\0\0\0\0";
pub const RETURN_COLUMN: u8 = 30;
pub const CIE_CFI: &[u8] = b"\x0c\x1f\0";
