//! A64 instructions as `decode_operand` numbers them.
//!
//! Sources: Arm Architecture Reference Manual, C4.1 "A64 instruction set encoding". Vector arithmetic, SVE and SME have no
//! relocations and are not in the table; their length is known all the same.

use super::Instruction;
use super::encoding::Part::{self, Made, Register as R, Signed as S, Unsigned as U};
use super::encoding::{self, Row, bits, signed};

/// Decodes the instruction at the start of some bytes.
pub fn decode(bytes: &[u8]) -> Option<Instruction> {
    let word = u32::from_le_bytes(*bytes.first_chunk()?);
    Some(encoding::decode(TABLE, word, 4))
}

const fn row(mask: u32, value: u32, operands: &'static [Part]) -> Row {
    Row { mask, value, operands }
}

/// `adr`, `adrp`: 21 bits in two fields.
const ADR: Part = Made(|word| signed(bits(word, 5, 19) << 2 | bits(word, 29, 2), 21));
/// A shift of immediates by 0 or 12.
const SHIFT_12: Part = Made(|word| i64::from(12 * bits(word, 22, 1)));
/// A shift of immediates by a multiple of 16.
const SHIFT_16: Part = Made(|word| i64::from(16 * bits(word, 21, 2)));
/// The bit that `tbz` tests.
const BIT: Part = Made(|word| i64::from(bits(word, 31, 1) << 5 | bits(word, 19, 5)));
/// A shift of a register: what kind, and by how much.
const SHIFTED: Part = Made(|word| i64::from(bits(word, 22, 2) << 6 | bits(word, 10, 6)));

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // Addresses and immediates.
    row(0x1f00_0000, 0x1000_0000, &[R, ADR]),                                // adr, adrp
    row(0x1f80_0000, 0x1100_0000, &[R, R, U(10, 12), SHIFT_12]),             // add, sub
    row(0x1f80_0000, 0x1200_0000, &[R, R, U(10, 13)]),                       // and, orr, eor, ands
    row(0x7f80_0000, 0x7280_0000, &[R, R, U(5, 16), SHIFT_16]),              // movk
    row(0x1f80_0000, 0x1280_0000, &[R, U(5, 16), SHIFT_16]),                 // movz, movn
    row(0x7f80_0000, 0x3300_0000, &[R, R, R, U(16, 6), U(10, 6)]),           // bfm
    row(0x1f80_0000, 0x1300_0000, &[R, R, U(16, 6), U(10, 6)]),              // sbfm, ubfm
    row(0x1f80_0000, 0x1380_0000, &[R, R, R, U(10, 6)]),                     // extr
    // Branches, system.
    row(0x7c00_0000, 0x1400_0000, &[S(0, 26)]),                              // b, bl
    row(0xff00_0000, 0x5400_0000, &[U(0, 4), S(5, 19)]),                     // b.cond
    row(0x7e00_0000, 0x3400_0000, &[R, S(5, 19)]),                           // cbz, cbnz
    row(0x7e00_0000, 0x3600_0000, &[R, BIT, S(5, 14)]),                      // tbz, tbnz
    row(0xff00_0000, 0xd400_0000, &[U(5, 16)]),                              // svc, brk, hlt
    row(0xffff_0000, 0x0000_0000, &[U(0, 16)]),                              // udf
    row(0xffff_ffff, 0xd503_201f, &[]),                                      // nop
    row(0xffff_fd1f, 0xd503_211f, &[]),                                      // pacia1716, paciasp and their kin
    row(0xffff_f01f, 0xd503_201f, &[U(5, 7)]),                               // hint
    row(0xffff_f01f, 0xd503_301f, &[U(8, 4)]),                               // barriers
    row(0xfff0_0000, 0xd530_0000, &[R, U(5, 16)]),                           // mrs
    row(0xfff0_0000, 0xd510_0000, &[U(5, 16), R]),                           // msr
    row(0xffdf_fc1f, 0xd61f_0000, &[R]),                                     // br, blr
    row(0xffff_fc1f, 0xd65f_0000, &[R]),                                     // ret
    row(0xffff_fbff, 0xd65f_0bff, &[]),                                      // retaa, retab
    row(0xfe80_0000, 0xd600_0000, &[R, R]),                                  // braa, blraa and their kin
    // Loads and stores. A prefetch names its kind instead of a register.
    row(0xff00_0000, 0xd800_0000, &[U(0, 5), S(5, 19)]),                     // prfm literal
    row(0x3b00_0000, 0x1800_0000, &[R, S(5, 19)]),                           // ldr literal
    row(0xffc0_0000, 0xf980_0000, &[U(0, 5), R, U(10, 12)]),                 // prfm
    row(0x3b00_0000, 0x3900_0000, &[R, R, U(10, 12)]),                       // unsigned offset
    row(0x3b20_0400, 0x3800_0400, &[R, R, R, S(12, 9)]),                     // before or after the access
    row(0x3b20_0000, 0x3800_0000, &[R, R, S(12, 9)]),                        // ldur, stur, ldtr
    row(0x3b20_0c00, 0x3820_0800, &[R, R, R, U(15, 1), U(12, 1)]),           // register offset
    row(0x3b20_fc00, 0x3820_8000, &[R, R, R]),                               // swp
    row(0x3b20_8c00, 0x3820_0000, &[R, R, R]),                               // ldadd and its kin
    row(0x3a80_0000, 0x2880_0000, &[R, R, R, R, S(15, 7)]),                  // ldp, stp before or after the access
    row(0x3a80_0000, 0x2800_0000, &[R, R, R, S(15, 7)]),                     // ldp, stp
    row(0x3fa0_0000, 0x0880_0000, &[R, R]),                                  // ldar, stlr
    row(0x3fa0_7c00, 0x08a0_7c00, &[R, R, R, R]),                            // cas
    row(0x3fe0_0000, 0x0840_0000, &[R, R]),                                  // ldxr
    row(0x3fe0_0000, 0x0800_0000, &[R, R, R]),                               // stxr
    // Registers.
    row(0x1f20_0000, 0x0b20_0000, &[R, R, R, U(10, 6)]),                     // add, sub, extended
    row(0x1f20_0000, 0x0b00_0000, &[R, R, R, SHIFTED]),                      // add, sub, shifted
    row(0x1f00_0000, 0x0a00_0000, &[R, R, R, SHIFTED]),                      // and, orr, eor and their kin
    row(0x1fe0_0000, 0x1a80_0000, &[R, R, R, U(12, 4)]),                     // csel and its kin
    row(0x1fe0_0800, 0x1a40_0000, &[R, R, U(0, 4), U(12, 4)]),               // ccmp register
    row(0x1fe0_0800, 0x1a40_0800, &[R, U(16, 5), U(0, 4), U(12, 4)]),        // ccmp immediate
    row(0x5fe0_0000, 0x1ac0_0000, &[R, R, R]),                               // shifts, divisions
    row(0x5fe0_0000, 0x5ac0_0000, &[R, R]),                                  // clz, rev and their kin
    row(0x1fe0_fc00, 0x1a00_0000, &[R, R, R]),                               // adc, sbc
    row(0x7fe0_0000, 0x1b40_0000, &[R, R, R]),                               // smulh
    row(0x7fe0_0000, 0x1bc0_0000, &[R, R, R]),                               // umulh
    row(0x7f00_0000, 0x1b00_0000, &[R, R, R, R]),                            // madd, msub
    // Floating point.
    row(0x5f00_0000, 0x1f00_0000, &[R, R, R, R]),                            // fmadd
    row(0x7f20_0c00, 0x1e20_0c00, &[R, R, R, U(12, 4)]),                     // fcsel
    row(0x7f20_0c00, 0x1e20_0800, &[R, R, R]),                               // fadd and its kin
    row(0x7f20_1c00, 0x1e20_1000, &[R, U(13, 8)]),                           // fmov immediate
    row(0x7f20_fc08, 0x1e20_2008, &[R]),                                     // fcmp 0.0
    row(0x7f20_fc08, 0x1e20_2000, &[R, R]),                                  // fcmp
    row(0x7f20_7c00, 0x1e20_4000, &[R, R]),                                  // fmov, fabs, fcvt and their kin
    row(0x7f20_fc00, 0x1e20_0000, &[R, R]),                                  // conversions from and to integers
];
