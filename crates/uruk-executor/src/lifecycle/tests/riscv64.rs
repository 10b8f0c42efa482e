//! Linking templates on RISC-V.

/// Code that jumps to an address.
pub(super) fn jump_to(function: u64) -> Vec<u8> {
    // auipc t1, 0; ld t1, 16(t1); jr t1; nop; .quad function
    let code = [0x0000_0317u32, 0x0103_3303, 0x0003_0067, 0x0000_0013].map(u32::to_le_bytes).concat();
    [&code[..], &function.to_le_bytes()].concat()
}

/// Applies a relocation of a template.
pub(super) fn fix_up(field: &mut [u8], relocation: u32, place: u64, target: u64) {
    let distance = target.wrapping_sub(place) as u32;
    let upper = |distance: u32| distance.wrapping_add(0x800) & !0xfff;
    match relocation {
        23 => insert(field, upper(distance)),
        // The instruction with the upper part is the one before.
        24 => insert(field, distance.wrapping_add(4) << 20),
        19 => {
            insert(field, upper(distance));
            insert(&mut field[4..], distance << 20);
        }
        other => panic!("relocation {other}"),
    }
}

/// Sets bits of an instruction.
fn insert(field: &mut [u8], bits: u32) {
    for (byte, bits) in field.iter_mut().zip(bits.to_le_bytes()) {
        *byte |= bits;
    }
}
