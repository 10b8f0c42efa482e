//! Instructions with far operands: finding them in a block's bytes.
//!
//! A function is decoded from its symbol to the next one. Nothing is found in one that does not decode cleanly; an
//! instruction is left alone where a branch of its own function goes into its middle, as with a skipped `lock`.

use iced_x86::{ConstantOffsets, Decoder, DecoderOptions, FlowControl, Instruction};
use std::ops::Range;

/// An instruction and where its fields are; its `ip` is the offset in the block.
#[derive(Clone, Debug)]
pub struct Found {
    /// The instruction.
    pub instruction: Instruction,
    /// Offsets of its fields, from its start.
    pub offsets: ConstantOffsets,
}

impl Found {
    /// Its bytes, as offsets in the block.
    pub fn range(&self) -> Range<usize> {
        let start = self.instruction.ip() as usize;
        start..start + self.instruction.len()
    }
}

/// The instructions in which the given offsets lie; `starts` are where functions begin. Both in order.
pub fn find(bytes: &[u8], starts: &[u64], fields: &[usize]) -> Vec<Found> {
    let mut found = Vec::new();
    let mut rest = fields;
    while let Some(&field) = rest.first() {
        let next = starts.partition_point(|start| *start <= field as u64);
        let start = next.checked_sub(1).map_or(0, |at| starts[at] as usize);
        let end = starts.get(next).map_or(bytes.len(), |end| (*end as usize).min(bytes.len()));
        let (own, later) = rest.split_at(rest.partition_point(|field| *field < end).max(1));
        rest = later;
        if start < end {
            find_in_function(bytes, start..end, own, &mut found);
        }
    }
    found
}

fn find_in_function(bytes: &[u8], function: Range<usize>, fields: &[usize], found: &mut Vec<Found>) {
    let mut decoder = Decoder::with_ip(64, &bytes[function.clone()], function.start as u64, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    let mut branches = Vec::new();
    let mut rest = fields;
    let first = found.len();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            // Data among code: what has been found before it stands.
            break;
        }
        if matches!(
            instruction.flow_control(),
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch | FlowControl::XbeginXabortXend
        ) {
            branches.push(instruction.near_branch_target());
        }
        let inside = rest.partition_point(|field| (*field as u64) < instruction.next_ip());
        if inside != 0 {
            rest = &rest[inside..];
            found.push(Found { instruction, offsets: decoder.get_constant_offsets(&instruction) });
        }
    }
    branches.sort_unstable();
    let entered = |one: &Found| {
        let range = one.range();
        let after = branches.partition_point(|branch| *branch <= range.start as u64);
        branches.get(after).is_some_and(|branch| *branch < range.end as u64)
    };
    let mut index = 0;
    found.retain(|one| {
        index += 1;
        index <= first || !entered(one)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], starts: &[u64], fields: &[usize], expected: &[(usize, usize)]) {
        let found: Vec<_> =
            find(bytes, starts, fields).iter().map(|found| (found.range().start, found.range().end)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn instructions_are_found_by_their_fields() {
        // ret; mov x(%rip),%rax; mov $x,%edi; ret
        let code = [0xc3, 0x48, 0x8b, 5, 0, 0, 0, 0, 0xbf, 0, 0, 0, 0, 0xc3];
        check(&code, &[0], &[4, 9], &[(1, 8), (8, 13)]);
        check(&code, &[], &[9], &[(8, 13)]);
        check(&code, &[0, 1, 8], &[4, 9], &[(1, 8), (8, 13)]);
        check(&code, &[0, 5], &[4], &[]); // a symbol in its middle
    }

    #[test]
    fn doubtful_places_are_left_alone() {
        // je past the lock; lock incl x(%rip)
        let skipped = [0x74, 1, 0xf0, 0xff, 5, 0, 0, 0, 0];
        check(&skipped, &[0], &[5], &[]);
        check(&[0x74, 0, 0xf0, 0xff, 5, 0, 0, 0, 0], &[0], &[5], &[(2, 9)]);
        check(&[0x06, 0x48, 0x8b, 5, 0, 0, 0, 0], &[0], &[4], &[]); // not an instruction of 64-bit mode
    }
}
