//! Mutations of ELF objects: one field of a header, a symbol, a relocation or a group gets a value that is likely to
//! matter. Blind mutations mostly damage bytes that no reader looks at, or the few without which nothing is read.

/// Draws numbers from a seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound that is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// A field: offset in its structure and length in bytes.
type Field = (usize, usize);

const FILE_HEADER: &[Field] = &[(4, 1), (5, 1), (16, 2), (18, 2), (40, 8), (58, 2), (60, 2), (62, 2), (8, 8), (48, 4)];
const SECTION: &[Field] =
    &[(0, 4), (4, 4), (8, 8), (16, 8), (24, 8), (32, 8), (32, 8), (40, 4), (44, 4), (44, 4), (48, 8), (56, 8)];
const SYMBOL: &[Field] = &[(0, 4), (4, 1), (5, 1), (6, 2), (6, 2), (8, 8), (16, 8)];
const RELOCATION: &[Field] = &[(0, 8), (8, 4), (8, 4), (12, 4), (16, 8)];
const WORD: &[Field] = &[(0, 4)];
const SECTION_SIZE: usize = 64;

/// Section types, relocation types and flags that make a reader take another way.
const TYPES: &[u64] = &[1, 2, 3, 4, 7, 8, 9, 14, 15, 16, 17, 18, 0x4000_0014, 0x7000_0001];
const FLAGS: &[u64] = &[2, 3, 6, 0x403, 0x202, 0x800, 0x1000_0000, 0x8000_0000, 0x20_0000];

/// Changes one to four fields; nothing where there is no ELF header.
pub fn mutate(data: &mut [u8], seed: u32) {
    let mut random = Random(u64::from(seed));
    let starts: Vec<usize> = (0..data.len()).filter(|at| data[*at..].starts_with(b"\x7fELF")).take(3).collect();
    if starts.is_empty() {
        return;
    }
    for _ in 0..=random.below(4) {
        let start = random.pick(&starts);
        if let Some((at, size)) = choose(data, start, &mut random) {
            change(data, start, at, size, &mut random);
        }
    }
}

/// A field of the object that begins at `start`.
fn choose(data: &[u8], start: usize, random: &mut Random) -> Option<Field> {
    let field = |at: usize, fields: &[Field], random: &mut Random| {
        let (offset, size) = random.pick(fields);
        Some((at.checked_add(offset)?, size))
    };
    let count = read(data, start + 60, 2)? as usize;
    let way = random.below(8);
    if way == 0 || count == 0 {
        return field(start, FILE_HEADER, random);
    }
    let headers = start.checked_add(read(data, start + 40, 8)? as usize)?;
    let header = headers.checked_add(random.below(count) * SECTION_SIZE)?;
    if way < 4 {
        return field(header, SECTION, random);
    }
    let content = start.checked_add(read(data, header.checked_add(24)?, 8)? as usize)?;
    let size = read(data, header + 32, 8)? as usize;
    let (fields, entry) = match read(data, header + 4, 4)? {
        2 => (SYMBOL, 24),
        4 => (RELOCATION, 24),
        _ => (WORD, 4),
    };
    let number = random.below((size / entry).clamp(1, 4096));
    field(content.checked_add(number * entry)?, fields, random)
}

fn change(data: &mut [u8], start: usize, at: usize, size: usize, random: &mut Random) {
    let Some(old) = read(data, at, size) else { return };
    let length = (data.len() - start) as u64;
    let new = match random.below(12) {
        0 => 0,
        1 => old.wrapping_add(1 + random.below(16) as u64),
        2 => old.wrapping_sub(1 + random.below(16) as u64),
        3 => old ^ 1 << random.below(8 * size),
        4 => random.pick(&[
            u64::MAX,
            u64::MAX >> 1,
            1 << 63,
            1 << 32,
            u64::from(u32::MAX),
            1 << 31,
            0xffff,
            0xfff1,
            0xfff2,
        ]),
        5 => length.wrapping_sub(random.below(64) as u64),
        6 => random.pick(TYPES),
        7 => random.pick(FLAGS),
        8 => 1 << random.below(64),
        9 => random.below(52) as u64,
        10 => random.below(length.max(1) as usize) as u64,
        // What the same field of a neighbour has, a structure or a few away.
        _ => read(
            data,
            at.wrapping_add(random.pick(&[24, 64, 128, 0usize.wrapping_sub(24), 0usize.wrapping_sub(64)])),
            size,
        )
        .unwrap_or(old),
    };
    data[at..at + size].copy_from_slice(&new.to_le_bytes()[..size]);
}

fn read(data: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = data.get(at..at.checked_add(size)?)?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}
