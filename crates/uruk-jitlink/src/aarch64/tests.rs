use super::*;
use crate::arch::Misfit;

/// Stores a value in the field of a kind of an instruction, twice.
fn check(kind: crate::graph::EdgeKind, instruction: u32, value: i64, expected: Result<u32, Misfit>) {
    let mut bytes = instruction.to_le_bytes();
    let field = ARCHITECTURE.info(kind).field;
    let mut store = || ARCHITECTURE.encode(field, value, &mut bytes);
    let done = store().and_then(|()| store());
    assert_eq!(done.map(|()| u32::from_le_bytes(bytes)), expected, "{kind:?} of {value:#x} in {instruction:#010x}");
    if done.is_err() {
        assert_eq!(u32::from_le_bytes(bytes), instruction);
    }
}

/// A field of distances counted in words: its ends, what lies past them, and a distance between words.
fn check_words(kind: crate::graph::EdgeKind, instruction: u32, low: u32, bits: u32) {
    let end = 1i64 << (bits + 1);
    let mask = ((1u32 << bits) - 1) << low;
    let range = Err(Misfit::Range(-end, end - 1));
    check(kind, instruction, end - 4, Ok(instruction | (mask & !(1 << (low + bits - 1)))));
    check(kind, instruction, -end, Ok(instruction | 1 << (low + bits - 1)));
    check(kind, instruction, -4, Ok(instruction | mask));
    check(kind, instruction, end, range);
    check(kind, instruction, -end - 4, range);
    check(kind, instruction, 2, Err(Misfit::Alignment(4)));
}

#[test]
fn branches_reach_as_far_as_their_fields() {
    check_words(BRANCH26, 0x9400_0000, 0, 26); // bl
    check_words(BRANCH19, 0x5400_0001, 5, 19); // b.ne
    check_words(BRANCH14, 0x3600_0003, 5, 14); // tbz w3
    check_words(LITERAL19, 0x5800_0002, 5, 19); // ldr x2
    check_words(GOT_PREL19, 0x5800_0002, 5, 19);
}

#[test]
fn addresses_are_split_in_pages_and_offsets() {
    const ADR: u32 = 0x1000_0000;
    const ADRP_: u32 = 0x9000_0000;
    check(ADR21, ADR, 0xf_ffff, Ok(0x707f_ffe0));
    check(ADR21, ADR, -0x10_0000, Ok(0x1080_0000));
    check(ADR21, ADR, 0x10_0000, Err(Misfit::Range(-0x10_0000, 0xf_ffff)));
    check(ADR21, ADR, -0x10_0001, Err(Misfit::Range(-0x10_0000, 0xf_ffff)));
    check(ADRP, ADRP_, 0xffff_f000, Ok(0xf07f_ffe0));
    check(ADRP, ADRP_, -0x1_0000_0000, Ok(0x9080_0000));
    check(ADRP, ADRP_, 0x1_0000_0000, Err(Misfit::Range(-0x1_0000_0000, 0xffff_ffff)));
    check(ADRP, ADRP_, -0x1_0000_1000, Err(Misfit::Range(-0x1_0000_0000, 0xffff_ffff)));
    check(ADRP_NC, ADRP_, 0x1_0000_0000, Ok(0x9080_0000));
    check(ADD_LO12, 0x9100_0000, 0x1234_5fff, Ok(0x913f_fc00));
    check(TP_HI12, 0x9140_0000, 0xff_ffff, Ok(0x917f_fc00));
    check(TP_HI12, 0x9140_0000, 0x100_0000, Err(Misfit::Range(0, 0xff_ffff)));
    check(TP_HI12, 0x9140_0000, -1, Err(Misfit::Range(0, 0xff_ffff)));
    check(TP_LO12, 0x9100_0000, 0xfff, Ok(0x913f_fc00));
    check(TP_LO12, 0x9100_0000, 0x1000, Err(Misfit::Range(0, 0xfff)));
    check(TP_LO12_NC, 0x9100_0000, 0x1001, Ok(0x9100_0400));
}

#[test]
fn offsets_are_scaled_by_the_size_of_the_access() {
    let scaled = [(LDST8_LO12, TP_LDST8, 0), (LDST16_LO12, TP_LDST16, 1), (LDST32_LO12, TP_LDST32, 2)];
    for (kind, checked, scale) in scaled.into_iter().chain([(LDST64_LO12, TP_LDST64, 3), (LDST128_LO12, TP_LDST128, 4)])
    {
        let size = 1i64 << scale;
        let largest = 0x1000 - size;
        let field = ((largest >> scale) as u32) << 10;
        check(kind, 0x3900_0000, 0x7_0000 + largest, Ok(0x3900_0000 | field));
        check(checked, 0x3900_0000, largest, Ok(0x3900_0000 | field));
        check(checked, 0x3900_0000, 0x1000, Err(Misfit::Range(0, 0xfff)));
        if scale != 0 {
            check(kind, 0x3900_0000, largest + 1, Err(Misfit::Alignment(size)));
            check(checked, 0x3900_0000, size / 2, Err(Misfit::Alignment(size)));
        }
    }
    // add, ldrb, ldrh, ldr w, ldr x, ldr s, ldr d, ldr q
    let instructions = [
        (0x9100_0000, 0),
        (0x3940_0000, 0),
        (0x7940_0000, 1),
        (0xb940_0000, 2),
        (0xf940_0000, 3),
        (0xbd40_0000, 2),
        (0xfd40_0000, 3),
        (0x3dc0_0000, 4),
    ];
    for (instruction, scale) in instructions {
        check(PAGEOFF12, instruction, 0x5ff0, Ok(instruction | (0xff0 >> scale) << 10));
        if scale != 0 {
            check(PAGEOFF12, instruction, 0x5ff1, Err(Misfit::Alignment(1 << scale)));
        }
    }
    check(GOTPAGE_LO15, 0xf940_0000, 0x7ff8, Ok(0xf97f_fc00));
    check(GOTPAGE_LO15, 0xf940_0000, 0x8000, Err(Misfit::Range(0, 0x7fff)));
    check(GOTOFF_LO15, 0xf940_0000, 4, Err(Misfit::Alignment(8)));
}

#[test]
fn numbers_are_moved_by_sixteen_bits() {
    const MOVZ: u32 = 0xd280_0000;
    const MOVN: u32 = 0x9280_0000;
    const MOVK: u32 = 0xf280_0000;
    let all = 0xffff << 5;
    let groups = [(UABS_G0, SABS_G0, ABS_G0_NC), (UABS_G1, SABS_G1, ABS_G1_NC), (UABS_G2, SABS_G2, ABS_G2_NC)];
    for (group, (unsigned, signed, unchecked)) in (0..).zip(groups) {
        let end = 1i64 << (16 * (group + 1));
        check(unsigned, MOVZ, end - 1, Ok(MOVZ | all));
        check(unsigned, MOVZ, end, Err(Misfit::Range(0, end - 1)));
        check(unsigned, MOVZ, -1, Err(Misfit::Range(0, end - 1)));
        check(signed, MOVN, end - 1, Ok(MOVZ | all));
        check(signed, MOVZ, -end, Ok(MOVN | all));
        check(signed, MOVZ, -1, Ok(MOVN));
        check(signed, MOVZ, end, Err(Misfit::Range(-end, end - 1)));
        check(signed, MOVZ, -end - 1, Err(Misfit::Range(-end, end - 1)));
        check(unchecked, MOVK, -end, Ok(MOVK));
    }
    check(ABS_G3, MOVZ, 0x1234 << 48, Ok(MOVZ | 0x1234 << 5));
    check(PREL_G3, MOVZ, -1, Ok(MOVZ | all));
}

#[test]
fn stubs_jump_to_what_their_slot_holds() {
    let mut code = [0; 16];
    assert!(stub(0x1_2345_6ff8, 0x1_2346_0008, &mut code));
    let words: Vec<u32> = code.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    assert_eq!(words, [0xd000_0050, 0xf940_0610, 0xd61f_0200, 0]);
    assert!(!stub(0, 0x1_0000_0000, &mut code));
}

#[test]
fn loads_from_the_got_become_additions() {
    let relaxed = |kind, instruction: u32, place, symbol| {
        let mut bytes = instruction.to_le_bytes();
        let load = Load { kind, addend: 0, offset: 0 };
        let done = can_relax(&load, &bytes) && relax(&load, &mut bytes, place, symbol);
        done.then(|| u32::from_le_bytes(bytes))
    };
    assert_eq!(relaxed(GOT_PAGE, 0x9000_0001, 0x1ffc, 0x5123), Some(0x9000_0021));
    assert_eq!(relaxed(GOT_LO12, 0xf940_0020, 0, 0x5123), Some(0x9104_8c20));
    assert_eq!(relaxed(GOT_LO12, 0xb940_0020, 0, 0x5123), None); // of 32 bits
    assert_eq!(relaxed(GOT_PAGE, 0x1000_0001, 0, 0), None); // adr
    assert_eq!(relaxed(GOT_PAGE, 0x9000_0001, 0, 1 << 32), None);
}

#[test]
fn loads_of_thread_offsets_become_numbers() {
    let relaxed = |kind, instruction: u32, offset| {
        let mut bytes = instruction.to_le_bytes();
        let load = Load { kind, addend: 0, offset: 0 };
        (can_relax(&load, &bytes), relax(&load, &mut bytes, 0, offset), u32::from_le_bytes(bytes))
    };
    assert_eq!(relaxed(IE_PAGE, 0x9000_0001, 0x1234_5678), (true, true, 0xd2a2_4681)); // movz x1, #0x1234, lsl #16
    assert_eq!(relaxed(IE_LD_LO12, 0xf940_0021, 0x1234_5678), (true, true, 0xf28a_cf01)); // movk x1, #0x5678
    assert_eq!(relaxed(IE_LD_LO12, 0xf940_0020, 0x10), (false, false, 0xf940_0020)); // of another register
    assert_eq!(relaxed(IE_PAGE, 0x9000_0001, 1 << 32), (true, false, 0x9000_0001));
}
