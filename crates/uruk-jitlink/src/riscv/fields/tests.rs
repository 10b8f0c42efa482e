use super::*;
use crate::riscv::{rv32, rv64};

/// The bytes that a value makes of others, or the range that would fit.
fn check(field: Field, before: &[u8], value: i64, expected: Result<&[u8], Misfit>) {
    let mut bytes = before.to_vec();
    let done = rv64::ARCHITECTURE.encode(field, value, &mut bytes);
    assert_eq!(done.map(|()| bytes.as_slice()), expected, "{field:?} of {value:#x}");
    if done.is_err() {
        assert_eq!(bytes, before);
    }
}

/// Both ends of what a distance can be: what is stored there, and that two bytes more or one are refused.
fn check_ends(field: Field, range: (i64, i64), opcode: &[u8], least: &[u8], most: &[u8]) {
    let (min, max) = range;
    check(field, opcode, min, Ok(least));
    check(field, opcode, max, Ok(most));
    check(field, opcode, min - 2, Err(Misfit::Range(min, max)));
    check(field, opcode, max + 2, Err(Misfit::Range(min, max)));
    check(field, opcode, 1, Err(Misfit::Alignment(2)));
    check(field, opcode, -3, Err(Misfit::Alignment(2)));
    // What was there does not matter.
    let ones: Vec<u8> =
        most.iter().zip(least).zip(opcode).map(|((most, least), opcode)| most | least | opcode).collect();
    check(field, &ones, max, Ok(most));
}

#[test]
fn distances() {
    // beq zero, zero; jal ra; c.beqz a0; c.j
    check_ends(B_TYPE, (-4096, 4094), &[0x63, 0, 0, 0], &[0x63, 0, 0, 0x80], &[0xe3, 0x0f, 0, 0x7e]);
    check_ends(J_TYPE, (-0x10_0000, 0xf_fffe), &[0xef, 0, 0, 0], &[0xef, 0, 0, 0x80], &[0xef, 0xf0, 0xff, 0x7f]);
    check_ends(CB_TYPE, (-256, 254), &[0x01, 0xc1], &[0x01, 0xd1], &[0x7d, 0xcd]);
    check_ends(CJ_TYPE, (-2048, 2046), &[0x01, 0xa0], &[0x01, 0xb0], &[0xfd, 0xaf]);
}

#[test]
fn two_parts() {
    const RANGE: (i64, i64) = (-0x8000_0800, 0x7fff_f7ff);
    let auipc = [0x17, 0x03, 0, 0];
    check(U_TYPE, &auipc, RANGE.0, Ok(&[0x17, 0x03, 0, 0x80]));
    check(U_TYPE, &auipc, RANGE.1, Ok(&[0x17, 0xf3, 0xff, 0x7f]));
    check(U_TYPE, &auipc, 0x7ff, Ok(&auipc));
    check(U_TYPE, &auipc, 0x800, Ok(&[0x17, 0x13, 0, 0]));
    check(U_TYPE, &auipc, -0x801, Ok(&[0x17, 0xf3, 0xff, 0xff]));
    check(U_TYPE, &auipc, RANGE.0 - 1, Err(Misfit::Range(RANGE.0, RANGE.1)));
    check(U_TYPE, &auipc, RANGE.1 + 1, Err(Misfit::Range(RANGE.0, RANGE.1)));
    let call = [0x97, 0, 0, 0, 0xe7, 0x80, 0, 0];
    check(AUIPC_JALR, &call, RANGE.1, Ok(&[0x97, 0xf0, 0xff, 0x7f, 0xe7, 0x80, 0xf0, 0x7f]));
    check(AUIPC_JALR, &call, RANGE.0, Ok(&[0x97, 0, 0, 0x80, 0xe7, 0x80, 0, 0x80]));
    check(AUIPC_JALR, &call, RANGE.0 - 1, Err(Misfit::Range(RANGE.0, RANGE.1)));
    check(AUIPC_JALR, &call, RANGE.1 + 1, Err(Misfit::Range(RANGE.0, RANGE.1)));
    check(I_TYPE, &[0x13, 0x05, 0x05, 0], -1, Ok(&[0x13, 0x05, 0xf5, 0xff]));
    check(I_TYPE, &[0x13, 0x05, 0x05, 0], 0x1234_5678, Ok(&[0x13, 0x05, 0x85, 0x67]));
    check(S_TYPE, &[0x23, 0x30, 0xb5, 0], -1, Ok(&[0xa3, 0x3f, 0xb5, 0xfe]));
    check(S_TYPE, &[0x23, 0x30, 0xb5, 0], 0x7ff, Ok(&[0xa3, 0x3f, 0xb5, 0x7e]));
}

#[test]
fn two_parts_reach_every_address_of_32_bits() {
    let mut bytes = [0x17, 0x03, 0, 0];
    rv32::ARCHITECTURE.encode(U_TYPE, 0xffff_f000, &mut bytes).unwrap();
    assert_eq!(bytes, [0x17, 0xf3, 0xff, 0xff]);
    rv32::ARCHITECTURE.encode(U_TYPE, -0xffff_f000, &mut bytes).unwrap();
    assert_eq!(bytes, [0x17, 0x13, 0, 0]);
}

#[test]
fn sums() {
    check(SUM8, &[5], -6, Ok(&[0xff]));
    check(SUM8, &[0], 255, Ok(&[0xff]));
    check(SUM8, &[0xfe], 5, Ok(&[3]));
    check(SUM8, &[0], 256, Err(Misfit::Range(-128, 255)));
    check(SUM8, &[0], -129, Err(Misfit::Range(-128, 255)));
    check(SUM16, &[0, 0], 65_535, Ok(&[0xff, 0xff]));
    check(SUM16, &[1, 0], 65_535, Err(Misfit::Range(-32_769, 65_534)));
    check(SUM32, &[0; 4], -0x8000_0000, Ok(&[0, 0, 0, 0x80]));
    check(SUM32, &[0; 4], -0x8000_0001, Err(Misfit::Range(-0x8000_0000, 0xffff_ffff)));
    check(SUM32, &[0; 4], 1 << 32, Err(Misfit::Range(-0x8000_0000, 0xffff_ffff)));
    check(SUM64, &[0xff; 8], 2, Ok(&[1, 0, 0, 0, 0, 0, 0, 0]));
    check(BITS6, &[0x40], 63, Ok(&[0x7f]));
    check(BITS6, &[0x7f], 0, Ok(&[0x40]));
    check(BITS6, &[0x40], 64, Err(Misfit::Range(0, 63)));
    check(BITS6, &[0x40], -1, Err(Misfit::Range(0, 63)));
    check(SUM6, &[0x45], -5, Ok(&[0x40]));
    check(SUM6, &[0x45], -6, Err(Misfit::Range(-5, 58)));
}

#[test]
fn numbers_keep_their_length() {
    check(ULEB128, &[0], 127, Ok(&[127]));
    check(ULEB128, &[0], 128, Err(Misfit::Range(0, 127)));
    check(ULEB128, &[0x80, 0], 127, Ok(&[0xff, 0]));
    check(ULEB128, &[0x80, 0], 16_383, Ok(&[0xff, 0x7f]));
    check(ULEB128, &[0x80, 0], 16_384, Err(Misfit::Range(0, 16_383)));
    check(ULEB128, &[0x80, 0], -1, Err(Misfit::Range(0, 16_383)));
    check(SUM_ULEB128, &[0x83, 1], -131, Ok(&[0x80, 0]));
    let longest = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0];
    check(ULEB128, &longest, i64::MAX, Ok(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]));
    // One that does not end holds nothing.
    check(ULEB128, &[0x80, 0x80], 0, Err(Misfit::Range(0, 0)));
    check(ULEB128, &[0x80; 12], 1, Err(Misfit::Range(0, 0)));
}
