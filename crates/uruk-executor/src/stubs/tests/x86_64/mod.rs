//! What the tests know of x86-64.

mod stepping;

pub(super) const REGISTERS: &str = include_str!("registers.c");
pub(super) const ARGUMENTS: &str = include_str!("arguments.c");

/// MXCSR without its flags, and the x87 control word: nearest, all exceptions masked.
pub(super) const DEFAULT_ENVIRONMENT: u64 = 0x1f80 | 0x37f << 32;
pub(super) const ENVIRONMENT_BITS: u64 = 0xffff_ffff_0000_ffc0;

/// The callers of `arguments.c` that this processor can execute.
pub(super) fn calls() -> impl Iterator<Item = &'static str> {
    let cases = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512", is_x86_feature_detected!("avx512f")),
        ("windows", true),
        ("windows_variadic", true),
    ];
    cases.into_iter().filter(|(_, available)| *available).map(|(name, _)| name)
}

/// The vector registers that this processor has: what `width` in `registers.c` may be.
pub(super) fn widths() -> Vec<i64> {
    let widths = [true, is_x86_feature_detected!("avx"), is_x86_feature_detected!("avx512bw")];
    (0..3).zip(widths).filter(|(_, available)| *available).map(|(width, _)| width).collect()
}

/// Those that the entry with this number, from the last, saves: the one for the oldest processors what these have.
pub(super) fn widths_saved(way: usize) -> Vec<i64> {
    widths().into_iter().filter(|width| way != 0 || *width == 0).collect()
}

/// As in `registers.c`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Registers {
    general: [u64; 9],
    kept: [u64; 6],
    unused: u64,
    vectors: [[u64; 8]; 32],
    masks: [u64; 8],
    control: u32,
    x87_control: u16,
}

/// Different numbers in all of them.
pub(super) fn pattern(width: i64) -> Registers {
    let mut next = 0x0123_4567_89ab_cdefu64;
    let mut number = || {
        next = next.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        next
    };
    let vector_words = [2, 4, 8][width as usize];
    Registers {
        general: std::array::from_fn(|_| number()),
        kept: std::array::from_fn(|_| number()),
        unused: 0,
        vectors: std::array::from_fn(|register| {
            let exists = register < 16 || width == 2;
            std::array::from_fn(|word| if exists && word < vector_words { number() } else { 0 })
        }),
        masks: std::array::from_fn(|_| if width == 2 { number() } else { 0 }),
        // Towards zero, denormals flushed; and with single precision.
        control: 0xff80,
        x87_control: 0x0c7f,
    }
}
