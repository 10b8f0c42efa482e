//! RISC-V instructions of 32 and of 16 bits as `decode_operand` numbers them.
//!
//! Sources: The RISC-V Instruction Set Manual, volume I: "RV32/64G Instruction Set Listings" and "C" extension.

use super::Instruction;
use super::encoding::Part::{self, Made, Register as R, Signed as S, Unsigned as U};
use super::encoding::{self, Row, bits, signed};

/// Decodes the instruction of RV64 at the start of some bytes.
pub fn decode64(bytes: &[u8]) -> Option<Instruction> {
    decode(bytes, COMPRESSED_64)
}

/// The same for RV32.
pub fn decode32(bytes: &[u8]) -> Option<Instruction> {
    decode(bytes, COMPRESSED_32)
}

fn decode(bytes: &[u8], compressed: &[Row]) -> Option<Instruction> {
    let half = u16::from_le_bytes(*bytes.first_chunk()?);
    if half & 3 != 3 {
        let own = encoding::decode(compressed, u32::from(half), 2);
        return Some(if own.operands.is_some() { own } else { encoding::decode(COMPRESSED, u32::from(half), 2) });
    }
    let word = u32::from_le_bytes(*bytes.first_chunk()?);
    // Longer ones are reserved.
    (word & 0x1f != 0x1f).then(|| encoding::decode(TABLE, word, 4))
}

const fn row(mask: u32, value: u32, operands: &'static [Part]) -> Row {
    Row { mask, value, operands }
}

/// The offset of a store.
const STORE: Part = Made(|word| signed(bits(word, 25, 7) << 5 | bits(word, 7, 5), 12));
/// The distance of a conditional branch.
const BRANCH: Part = Made(|word| {
    let field = bits(word, 31, 1) << 12 | bits(word, 7, 1) << 11 | bits(word, 25, 6) << 5 | bits(word, 8, 4) << 1;
    signed(field, 13)
});
/// The distance of a jump.
const JUMP: Part = Made(|word| {
    let field = bits(word, 31, 1) << 20 | bits(word, 12, 8) << 12 | bits(word, 20, 1) << 11 | bits(word, 21, 10) << 1;
    signed(field, 21)
});

/// 32 bits. Floating-point instructions that round have the rounding mode as their last operand.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    row(0x0000_005f, 0x0000_0017, &[R, U(12, 20)]),             // lui, auipc
    row(0x0000_007f, 0x0000_006f, &[R, JUMP]),                  // jal
    row(0x0000_707f, 0x0000_0067, &[R, R, S(20, 12)]),          // jalr
    row(0x0000_007f, 0x0000_0063, &[R, R, BRANCH]),             // beq and its kin
    row(0x0000_007b, 0x0000_0003, &[R, R, S(20, 12)]),          // loads
    row(0x0000_007b, 0x0000_0023, &[R, R, STORE]),              // stores
    row(0xf800_307f, 0x0000_1013, &[R, R, U(20, 6)]),           // slli, srli
    row(0xfc00_707f, 0x4000_5013, &[R, R, U(20, 6)]),           // srai
    row(0x0000_307f, 0x0000_1013, &[R, R]),                     // other instructions in place of shifts
    row(0x0000_007f, 0x0000_0013, &[R, R, S(20, 12)]),          // addi and its kin
    row(0x0000_707f, 0x0000_001b, &[R, R, S(20, 12)]),          // addiw
    row(0x0000_007f, 0x0000_001b, &[R, R, U(20, 5)]),           // slliw, srliw, sraiw
    row(0x0000_0077, 0x0000_0033, &[R, R, R]),                  // add and its kin
    row(0x0000_707f, 0x0000_000f, &[U(24, 4), U(20, 4)]),       // fence
    row(0xffff_ffff, 0x0000_100f, &[]),                         // fence.i
    row(0x0000_707f, 0x0000_0073, &[]),                         // ecall, ebreak
    row(0x0000_407f, 0x0000_4073, &[R, U(20, 12), U(15, 5)]),   // csrrwi and its kin
    row(0x0000_007f, 0x0000_0073, &[R, U(20, 12), R]),          // csrrw and its kin
    row(0xf800_007f, 0x1000_002f, &[R, R]),                     // lr
    row(0x0000_007f, 0x0000_002f, &[R, R, R]),                  // sc, amoadd and its kin
    row(0x0000_0073, 0x0000_0043, &[R, R, R, R, U(12, 3)]),     // fmadd and its kin
    row(0xe000_007f, 0x0000_0053, &[R, R, R, U(12, 3)]),        // fadd, fsub, fmul, fdiv
    row(0xf000_007f, 0x5000_0053, &[R, R, U(12, 3)]),           // fsqrt
    row(0xf000_007f, 0x4000_0053, &[R, R, U(12, 3)]),           // fcvt between floating-point formats
    row(0xe000_007f, 0xe000_0053, &[R, R]),                     // fmv, fclass
    row(0xe000_007f, 0xc000_0053, &[R, R, U(12, 3)]),           // fcvt from and to integers
    row(0x0000_007f, 0x0000_0053, &[R, R, R]),                  // fsgnj, fmin, fmax, feq and its kin
];

/// An immediate of six bits in two fields.
const SIX: Part = Made(|word| signed(six(word), 6));
/// The same without a sign.
const SIX_UNSIGNED: Part = Made(|word| i64::from(six(word)));
/// The same as the highest bits of 20.
const SIX_UPPER: Part = Made(|word| signed(six(word), 6) & 0xf_ffff);
const NEAR_BRANCH: Part = Made(|word| {
    let field = bits(word, 12, 1) << 8 | bits(word, 5, 2) << 6 | bits(word, 2, 1) << 5;
    signed(field | bits(word, 10, 2) << 3 | bits(word, 3, 2) << 1, 9)
});
const NEAR_JUMP: Part = Made(|word| {
    let high = bits(word, 12, 1) << 11 | bits(word, 8, 1) << 10 | bits(word, 9, 2) << 8 | bits(word, 6, 1) << 7;
    let low = bits(word, 7, 1) << 6 | bits(word, 2, 1) << 5 | bits(word, 11, 1) << 4 | bits(word, 3, 3) << 1;
    signed(high | low, 12)
});
/// The offset of a load or store of four bytes.
const FOUR: Part = Made(|word| i64::from(bits(word, 5, 1) << 6 | bits(word, 10, 3) << 3 | bits(word, 6, 1) << 2));
/// Of eight bytes.
const EIGHT: Part = Made(|word| i64::from(bits(word, 5, 2) << 6 | bits(word, 10, 3) << 3));
/// From the stack pointer.
const LOAD_FOUR: Part = Made(|word| i64::from(bits(word, 2, 2) << 6 | bits(word, 12, 1) << 5 | bits(word, 4, 3) << 2));
const LOAD_EIGHT: Part = Made(|word| i64::from(bits(word, 2, 3) << 6 | bits(word, 12, 1) << 5 | bits(word, 5, 2) << 3));
const STORE_FOUR: Part = Made(|word| i64::from(bits(word, 7, 2) << 6 | bits(word, 9, 4) << 2));
const STORE_EIGHT: Part = Made(|word| i64::from(bits(word, 7, 3) << 6 | bits(word, 10, 3) << 3));
const ADD_4_SP: Part = Made(|word| {
    let high = bits(word, 7, 4) << 6 | bits(word, 11, 2) << 4;
    i64::from(high | bits(word, 5, 1) << 3 | bits(word, 6, 1) << 2)
});
const ADD_16_SP: Part = Made(|word| {
    let high = bits(word, 12, 1) << 9 | bits(word, 3, 2) << 7 | bits(word, 5, 1) << 6;
    signed(high | bits(word, 2, 1) << 5 | bits(word, 6, 1) << 4, 10)
});

fn six(word: u32) -> u32 {
    bits(word, 12, 1) << 5 | bits(word, 2, 5)
}

/// 16 bits, the same whatever the width of registers.
#[rustfmt::skip]
const COMPRESSED: &[Row] = &[
    row(0xffff, 0x0000, &[]),                  // c.unimp
    row(0xe003, 0x0000, &[R, R, ADD_4_SP]),    // c.addi4spn
    row(0x6003, 0x2000, &[R, R, EIGHT]),       // c.fld, c.fsd
    row(0x6003, 0x4000, &[R, R, FOUR]),        // c.lw, c.sw
    row(0xffff, 0x0001, &[]),                  // c.nop
    row(0xef83, 0x0001, &[SIX]),               // c.nop with a hint
    row(0xe003, 0x0001, &[R, R, SIX]),         // c.addi
    row(0xe003, 0x4001, &[R, SIX]),            // c.li
    row(0xef83, 0x6101, &[R, R, ADD_16_SP]),   // c.addi16sp
    row(0xe003, 0x6001, &[R, SIX_UPPER]),      // c.lui
    row(0xe803, 0x8001, &[R, R, SIX_UNSIGNED]),// c.srli, c.srai
    row(0xec03, 0x8801, &[R, R, SIX]),         // c.andi
    row(0xec03, 0x8c01, &[R, R, R]),           // c.sub and its kin
    row(0xe003, 0xa001, &[NEAR_JUMP]),         // c.j
    row(0xc003, 0xc001, &[R, NEAR_BRANCH]),    // c.beqz, c.bnez
    row(0xe003, 0x0002, &[R, R, SIX_UNSIGNED]),// c.slli
    row(0xe003, 0x2002, &[R, R, LOAD_EIGHT]),  // c.fldsp
    row(0xe003, 0x4002, &[R, R, LOAD_FOUR]),   // c.lwsp
    row(0xffff, 0x9002, &[]),                  // c.ebreak
    row(0xe07f, 0x8002, &[R]),                 // c.jr, c.jalr
    row(0xf003, 0x8002, &[R, R]),              // c.mv
    row(0xf003, 0x9002, &[R, R, R]),           // c.add
    row(0xe003, 0xa002, &[R, R, STORE_EIGHT]), // c.fsdsp
    row(0xe003, 0xc002, &[R, R, STORE_FOUR]),  // c.swsp
];

/// What only RV64 has.
#[rustfmt::skip]
const COMPRESSED_64: &[Row] = &[
    row(0x6003, 0x6000, &[R, R, EIGHT]),       // c.ld, c.sd
    row(0xe003, 0x2001, &[R, R, SIX]),         // c.addiw
    row(0xe003, 0x6002, &[R, R, LOAD_EIGHT]),  // c.ldsp
    row(0xe003, 0xe002, &[R, R, STORE_EIGHT]), // c.sdsp
];

/// What only RV32 has.
#[rustfmt::skip]
const COMPRESSED_32: &[Row] = &[
    row(0x6003, 0x6000, &[R, R, FOUR]),        // c.flw, c.fsw
    row(0xe003, 0x2001, &[NEAR_JUMP]),         // c.jal
    row(0xe003, 0x6002, &[R, R, LOAD_FOUR]),   // c.flwsp
    row(0xe003, 0xe002, &[R, R, STORE_FOUR]),  // c.fswsp
];
