//! Linking templates on AArch64.

/// Code that jumps to an address.
pub(super) fn jump_to(function: u64) -> Vec<u8> {
    // ldr x16, .+8; br x16; .quad function
    [&[0x5800_0050u32, 0xd61f_0200].map(u32::to_le_bytes).concat()[..], &function.to_le_bytes()].concat()
}

/// Applies a relocation of a template.
pub(super) fn fix_up(field: &mut [u8], relocation: u32, place: u64, target: u64) {
    let bits = match relocation {
        275 => {
            let pages = (target >> 12).wrapping_sub(place >> 12) as u32;
            (pages & 3) << 29 | (pages >> 2 & 0x7_ffff) << 5
        }
        277 => (target as u32 & 0xfff) << 10,
        282 => target.wrapping_sub(place) as u32 >> 2 & 0x3ff_ffff,
        other => panic!("relocation {other}"),
    };
    for (byte, bits) in field.iter_mut().zip(bits.to_le_bytes()) {
        *byte |= bits;
    }
}
