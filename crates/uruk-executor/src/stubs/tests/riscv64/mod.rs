//! What the tests know of RISC-V.

pub(super) const REGISTERS: &str = include_str!("registers.c");
pub(super) const ARGUMENTS: &str = include_str!("arguments.c");

/// The rounding mode: nearest.
pub(super) const DEFAULT_ENVIRONMENT: u64 = 0;
pub(super) const ENVIRONMENT_BITS: u64 = 0xe0;

/// The callers of `arguments.c` that are this architecture's own.
pub(super) fn calls() -> impl Iterator<Item = &'static str> {
    [].into_iter()
}

/// The vector registers have one width.
pub(super) fn widths() -> Vec<i64> {
    vec![0]
}

/// There is one entry.
pub(super) fn widths_saved(_way: usize) -> Vec<i64> {
    widths()
}

/// As in `registers.c`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Registers {
    general: [u64; 25],
    control: u64,
    vectors: [[u64; 1]; 32],
}

/// Different numbers in all of them.
pub(super) fn pattern(_width: i64) -> Registers {
    let mut next = 0x0123_4567_89ab_cdefu64;
    let mut number = || {
        next = next.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        next
    };
    Registers {
        general: std::array::from_fn(|_| number()),
        // Towards zero, and one flag.
        control: 0x21,
        vectors: std::array::from_fn(|_| [number()]),
    }
}
