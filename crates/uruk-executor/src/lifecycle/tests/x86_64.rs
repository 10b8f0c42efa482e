//! Linking templates on x86-64.

/// Code that jumps to an address.
pub(super) fn jump_to(function: u64) -> Vec<u8> {
    [&[0xff, 0x25, 0, 0, 0, 0][..], &function.to_le_bytes()].concat() // jmp *0(%rip); .quad function
}

/// Applies a relocation of a template. Of both types, the addend is in the target.
pub(super) fn fix_up(field: &mut [u8], _relocation: u32, place: u64, target: u64) {
    field[..4].copy_from_slice(&(target.wrapping_sub(place) as i32).to_le_bytes());
}
