//! x86-64 instructions as `decode_operand` numbers them: iced-x86 decodes, and its operands, which are in the order of
//! Intel's manual, are put in LLVM's order.
//!
//! The differences: a register that is read and written stands twice, what the opcode implies not at all; memory is
//! base, scale, index, displacement and segment; a condition comes last; and `lock` is an instruction of its own.

use super::{Instruction, Operand};
use iced_x86::{
    Decoder, DecoderOptions, EncodingKind, Instruction as Iced, InstructionInfoFactory, Mnemonic, OpAccess,
    OpCodeOperandKind, OpCodeTableKind, OpKind, Register,
};

/// Decodes the instruction at the start of some bytes.
pub fn decode(bytes: &[u8]) -> Option<Instruction> {
    const LOCK: u8 = 0xf0;
    if bytes.first() == Some(&LOCK) {
        return Some(Instruction { length: 1, operands: Some(Vec::new()) });
    }
    let decoded = Decoder::new(64, bytes, DecoderOptions::NONE).decode();
    (!decoded.is_invalid()).then(|| Instruction { length: decoded.len() as u64, operands: operands(&decoded) })
}

/// The operands in LLVM's order; `None` for the few instructions whose order is not known here.
fn operands(decoded: &Iced) -> Option<Vec<Operand>> {
    if decoded.op_mask() != Register::None {
        return None;
    }
    let opcode = decoded.op_code();
    let mut operands = Vec::new();
    // Both are results, and come before the memory that the encoding names first.
    let exchanges = matches!(decoded.mnemonic(), Mnemonic::Xchg | Mnemonic::Xadd);
    if exchanges {
        let explicit = (0..decoded.op_count()).filter(|index| !is_implied(opcode.op_kind(*index)));
        let registers = explicit.filter(|index| decoded.op_kind(*index) == OpKind::Register).count();
        operands.resize(2 * registers, Operand::Other);
    }
    for index in 0..decoded.op_count() {
        match decoded.op_kind(index) {
            _ if is_implied(opcode.op_kind(index)) => {}
            OpKind::Register if exchanges => {}
            OpKind::Register => {
                operands.push(Operand::Other);
                if index == 0 && is_read_and_written(decoded) {
                    operands.push(Operand::Other);
                }
            }
            OpKind::Memory => operands.extend(memory(decoded)),
            OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
                let distance = decoded.near_branch_target().wrapping_sub(decoded.next_ip());
                operands.push(Operand::Immediate(distance as i64));
            }
            OpKind::FarBranch16
            | OpKind::FarBranch32
            | OpKind::MemorySegSI
            | OpKind::MemorySegESI
            | OpKind::MemorySegRSI
            | OpKind::MemorySegDI
            | OpKind::MemorySegEDI
            | OpKind::MemorySegRDI
            | OpKind::MemoryESDI
            | OpKind::MemoryESEDI
            | OpKind::MemoryESRDI => return None,
            _ => operands.push(Operand::Immediate(immediate(decoded, index))),
        }
    }
    operands.extend(condition(decoded).map(Operand::Immediate));
    Some(operands)
}

/// Whether an operand follows from the opcode alone.
fn is_implied(kind: OpCodeOperandKind) -> bool {
    use OpCodeOperandKind::*;
    matches!(kind, al | cl | ax | dx | eax | rax | st0 | es | cs | ss | ds | fs | gs | imm8_const_1)
}

fn is_read_and_written(decoded: &Iced) -> bool {
    // Reads nothing, but may leave the register as it was.
    if matches!(decoded.mnemonic(), Mnemonic::Lar | Mnemonic::Lsl) {
        return false;
    }
    // `xor` of a register with itself is said to read nothing, but is no other instruction.
    let mut decoded = *decoded;
    let merges = matches!(decoded.mnemonic(), Mnemonic::Movss | Mnemonic::Movsd);
    if decoded.op1_kind() == OpKind::Register && !merges {
        decoded.set_op1_kind(OpKind::Memory);
    }
    let access = InstructionInfoFactory::new().info(&decoded).op0_access();
    matches!(access, OpAccess::ReadWrite | OpAccess::ReadCondWrite | OpAccess::CondWrite)
        && decoded.mnemonic() != Mnemonic::Cmpxchg
}

fn memory(decoded: &Iced) -> Vec<Operand> {
    let displacement = match decoded.is_ip_rel_memory_operand() {
        true => decoded.ip_rel_memory_address().wrapping_sub(decoded.next_ip()),
        false => decoded.memory_displacement64(),
    };
    let displacement = Operand::Immediate(displacement as i64);
    if decoded.op_code().op_kinds().contains(&OpCodeOperandKind::mem_offs) {
        return vec![displacement, Operand::Other];
    }
    let scale = Operand::Immediate(i64::from(decoded.memory_index_scale()));
    vec![Operand::Other, scale, Operand::Other, displacement, Operand::Other]
}

/// An immediate with the sign that it has for the instruction.
fn immediate(decoded: &Iced, index: u32) -> i64 {
    let value = decoded.immediate(index);
    match (decoded.op_kind(index), decoded.mnemonic()) {
        (
            OpKind::Immediate8,
            Mnemonic::Add
            | Mnemonic::Or
            | Mnemonic::Adc
            | Mnemonic::Sbb
            | Mnemonic::And
            | Mnemonic::Sub
            | Mnemonic::Xor
            | Mnemonic::Cmp
            | Mnemonic::Test
            | Mnemonic::Mov,
        ) => i64::from(value as i8),
        (OpKind::Immediate8_2nd, Mnemonic::Enter) => i64::from(value as i8),
        (OpKind::Immediate16, Mnemonic::Ret | Mnemonic::Retf | Mnemonic::Enter) => i64::from(value as i16),
        _ => value as i64,
    }
}

/// The condition of a jump, a conditional move or a `set`: the lowest bits of its opcode.
fn condition(decoded: &Iced) -> Option<i64> {
    let opcode = decoded.op_code();
    if opcode.encoding() != EncodingKind::Legacy {
        return None;
    }
    let conditional = match (opcode.table(), opcode.op_code() & 0xf0) {
        (OpCodeTableKind::Normal, group) => group == 0x70,
        (OpCodeTableKind::T0F, group) => matches!(group, 0x40 | 0x80 | 0x90),
        _ => false,
    };
    conditional.then_some(i64::from(opcode.op_code() & 0xf))
}
