//! The same on x86-64.

pub const CALLER: &[u8] = b"\x55\x48\x89\xe5\xff\xd7\x5d\xc3";
pub const CALLER_CFI: &[u8] = b"\x41\x0e\x10\x86\x02\x43\x0d\x06\x43\x0c\x07\x08";
pub const TRAP: &[u8] = b"\x0f\x0b\xc3";
pub const RETURN_COLUMN: u8 = 16;
pub const CIE_CFI: &[u8] = b"\x0c\x07\x08\x90\x01";
