//! Little-endian numbers at the end of bytes.

/// Adds numbers.
pub trait Bytes {
    /// Two bytes.
    fn half(&mut self, value: u16);
    /// Four.
    fn word(&mut self, value: u32);
    /// Eight.
    fn long(&mut self, value: u64);
}

impl Bytes for Vec<u8> {
    fn half(&mut self, value: u16) {
        self.extend(value.to_le_bytes());
    }

    fn word(&mut self, value: u32) {
        self.extend(value.to_le_bytes());
    }

    fn long(&mut self, value: u64) {
        self.extend(value.to_le_bytes());
    }
}
