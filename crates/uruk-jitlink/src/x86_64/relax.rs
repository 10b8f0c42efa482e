//! Rewriting of instructions that load an address from the GOT, for symbols in reach.
//!
//! The field follows its instruction's opcode and ModRM byte, so two bytes before it decide. What can be rewritten:
//! `mov foo@GOTPCREL(%rip), %reg` to `lea foo(%rip), %reg`; `call *foo@GOTPCREL(%rip)` to `addr32 call foo`;
//! `jmp *foo@GOTPCREL(%rip)` to `jmp foo; nop`. The length stays the same.
//! Source: x86-64 psABI 1.0, §B.2.

/// What becomes of an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rewrite {
    /// `mov` to `lea`.
    Lea,
    /// `call *` to `addr32 call`.
    Call,
    /// `jmp *` to `jmp`; its field moves one byte down.
    Jump,
}

/// How the instruction whose field lies at `offset` can do without the GOT, if it can.
pub fn rewrite(bytes: &[u8], offset: usize) -> Option<Rewrite> {
    let opcode = bytes.get(offset.checked_sub(2)?..offset)?;
    match opcode {
        [0x8b, modrm] if modrm & 0xc7 == 0x05 => Some(Rewrite::Lea),
        [0xff, 0x15] => Some(Rewrite::Call),
        [0xff, 0x25] => Some(Rewrite::Jump),
        _ => None,
    }
}

/// Rewrites the instruction whose field lies at `offset` so that it refers to a target `distance` bytes from the
/// field (`S + A - P`). False, with nothing changed, where the distance does not fit.
/// Panics if [`rewrite`] has not approved of the instruction.
pub fn apply(rewrite: Rewrite, bytes: &mut [u8], offset: usize, distance: i64) -> bool {
    let moved = i64::from(rewrite == Rewrite::Jump);
    let field = distance.checked_add(moved).and_then(|field| i32::try_from(field).ok());
    let Some(field) = field else { return false };
    let field = field.to_le_bytes();
    match rewrite {
        Rewrite::Lea => bytes[offset - 2] = 0x8d,
        Rewrite::Call => bytes[offset - 2..offset].copy_from_slice(&[0x67, 0xe8]),
        Rewrite::Jump => {
            bytes[offset - 2] = 0xe9;
            bytes[offset - 1..offset + 3].copy_from_slice(&field);
            bytes[offset + 3] = 0x90;
            return true;
        }
    }
    bytes[offset..offset + 4].copy_from_slice(&field);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &[u8], distance: i64, after: Option<&[u8]>) {
        let offset = before.len() - 4;
        let mut bytes = before.to_vec();
        let done = rewrite(before, offset).is_some_and(|kind| apply(kind, &mut bytes, offset, distance));
        assert_eq!(done.then_some(&bytes[..]), after);
    }

    #[test]
    fn instructions_are_rewritten_in_place() {
        check(&[0x48, 0x8b, 0x05, 0, 0, 0, 0], 0x10, Some(&[0x48, 0x8d, 0x05, 0x10, 0, 0, 0]));
        check(&[0x8b, 0x3d, 0, 0, 0, 0], -4, Some(&[0x8d, 0x3d, 0xfc, 0xff, 0xff, 0xff]));
        check(&[0xff, 0x15, 0, 0, 0, 0], 0x10, Some(&[0x67, 0xe8, 0x10, 0, 0, 0]));
        check(&[0xff, 0x25, 0, 0, 0, 0], 0x10, Some(&[0xe9, 0x11, 0, 0, 0, 0x90]));
    }

    #[test]
    fn others_keep_their_slot() {
        check(&[0x48, 0x3b, 0x05, 0, 0, 0, 0], 0x10, None); // cmp
        check(&[0x48, 0x8b, 0x80, 0, 0, 0, 0], 0x10, None); // not PC-relative
        check(&[0x48, 0x8b, 0x05, 0, 0, 0, 0], 1 << 31, None);
        check(&[0xff, 0x25, 0, 0, 0, 0], i64::MAX, None);
        assert_eq!(rewrite(&[0; 4], 0), None);
    }
}
