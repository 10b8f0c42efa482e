//! Content addresses.

use std::fmt;

/// The hash of everything that something was made from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 32]);

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// Hashes what a key is made from (BLAKE3). Parts are told apart: `ab`, `c` is not `a`, `bc`.
#[derive(Clone)]
pub struct KeyBuilder(blake3::Hasher);

impl KeyBuilder {
    /// For the results of a compiler: its name, with its version, the target and the options, which all keys share.
    pub fn new(compiler: &str) -> KeyBuilder {
        KeyBuilder(blake3::Hasher::new()).part(compiler.as_bytes())
    }

    /// The same with another part.
    pub fn part(mut self, bytes: &[u8]) -> KeyBuilder {
        self.add(bytes);
        self
    }

    /// Adds a part.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The key.
    pub fn finish(&self) -> Key {
        Key(*self.0.finalize().as_bytes())
    }
}

/// A checksum of bytes that belong to a key.
pub(crate) fn checksum(key: &Key, bytes: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_keyed(&key.0);
    hasher.update(bytes);
    let mut sum = [0; 16];
    sum.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    sum
}
