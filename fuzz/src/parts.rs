//! What a fuzz input is made of: objects, and decisions that are not theirs.

/// Cuts at each ELF magic, three objects at most.
pub fn split(data: &[u8]) -> Vec<&[u8]> {
    const MAGIC: &[u8] = b"\x7fELF\x02\x01\x01";
    let starts = (1..data.len()).filter(|at| data[*at..].starts_with(MAGIC)).take(2);
    let mut parts = Vec::new();
    let mut start = 0;
    for end in starts.chain([data.len()]) {
        parts.push(&data[start..end]);
        start = end;
    }
    parts
}

/// Decisions that a session would make, drawn from bytes of the file header that readers look at little or not at all.
pub struct Choices(u64);

impl Choices {
    /// The choices that go with an input.
    pub fn new(data: &[u8]) -> Choices {
        let spare = data.iter().skip(8).take(8).chain(data.iter().skip(48).take(4));
        Choices(spare.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)))
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below a bound that is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 32) % bound
    }
}
