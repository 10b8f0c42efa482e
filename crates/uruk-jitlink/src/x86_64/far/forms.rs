//! What instructions with a far operand look like, and which of them can be done with 64-bit addresses.
//!
//! Refused: forms that use half an address (`cmp $far, %eax`, `movl $far, (%rdi)`, `lea far, %eax`), which a static
//! link gives a meaning by placing the symbol low; operands relative to `fs` or `gs`; 32-bit address arithmetic;
//! operands that add `rsp` to a far address; and whatever writes `rsp`.

use super::thunk::Reference;
use iced_x86::{Code, ConstantOffsets, FlowControl, Instruction, InstructionInfoFactory, OpAccess, OpKind, Register};

/// Which reference is in which field: indices of the list of references.
#[derive(Clone, Copy, Default, Debug)]
pub struct Operands {
    /// The displacement refers to something out of reach.
    pub far_displacement: Option<usize>,
    /// The displacement refers to something in reach.
    pub near_displacement: Option<usize>,
    /// The immediate is an address out of reach.
    pub far_immediate: Option<usize>,
    /// The immediate is an address in reach.
    pub near_immediate: Option<usize>,
}

impl Operands {
    /// Finds each reference's field; `None` if one has none, or if the operand is of a kind that is refused.
    pub fn read(instruction: &Instruction, offsets: &ConstantOffsets, references: &[Reference]) -> Option<Operands> {
        let mut operands = Operands::default();
        for (index, reference) in references.iter().enumerate() {
            let displacement = offsets.has_displacement()
                && offsets.displacement_offset() == reference.at
                && offsets.displacement_size() == 4;
            let immediate =
                offsets.has_immediate() && offsets.immediate_offset() == reference.at && offsets.immediate_size() == 4;
            let slot = match (displacement, immediate, reference.far) {
                (true, _, true) => &mut operands.far_displacement,
                (true, _, false) => &mut operands.near_displacement,
                (false, true, true) => &mut operands.far_immediate,
                (false, true, false) => &mut operands.near_immediate,
                (false, false, _) => return None,
            };
            let fits = reference.relative == (displacement && instruction.is_ip_rel_memory_operand());
            if !fits || slot.replace(index).is_some() {
                return None;
            }
        }
        if has_memory(instruction) {
            let (base, index) = (instruction.memory_base(), instruction.memory_index());
            let narrow = |register: Register| register.is_gpr32() || register == Register::EIP;
            let segment = matches!(instruction.segment_prefix(), Register::FS | Register::GS);
            let referred = operands.far_displacement.or(operands.near_displacement).is_some();
            let fixed = instruction.is_ip_rel_memory_operand() && !referred;
            let stack = operands.far_displacement.is_some() && base == Register::RSP;
            if narrow(base) || narrow(index) || segment || fixed || stack {
                return None;
            }
        }
        Some(operands)
    }
}

/// Whether an operand lies in memory.
pub fn has_memory(instruction: &Instruction) -> bool {
    instruction.op_kinds().any(|kind| kind == OpKind::Memory)
}

/// Whether an instruction runs on to the next, and only reads `rsp`, if that.
pub fn is_plain(instruction: &Instruction) -> bool {
    instruction.flow_control() == FlowControl::Next
        && instruction.stack_pointer_increment() == 0
        && !instruction.is_stack_instruction()
        && (0..instruction.op_count())
            .all(|operand| !names_stack(instruction, operand) || reads_stack(instruction, operand))
}

/// The operand that is `rsp` itself, if there is one.
pub fn stack_operand(instruction: &Instruction) -> Option<u32> {
    (0..instruction.op_count()).find(|operand| names_stack(instruction, *operand))
}

fn names_stack(instruction: &Instruction, operand: u32) -> bool {
    instruction.op_kind(operand) == OpKind::Register
        && instruction.op_register(operand).full_register() == Register::RSP
}

fn reads_stack(instruction: &Instruction, operand: u32) -> bool {
    let mut factory = InstructionInfoFactory::new();
    let access = factory.info(instruction).op_access(operand);
    access == OpAccess::Read && instruction.op_register(operand) == Register::RSP
}

/// The code that takes from a register what this one takes from a 64-bit immediate.
pub fn from_register(code: Code) -> Option<Code> {
    Some(match code {
        Code::Mov_rm64_imm32 => Code::Mov_rm64_r64,
        Code::Add_rm64_imm32 | Code::Add_RAX_imm32 => Code::Add_rm64_r64,
        Code::Or_rm64_imm32 | Code::Or_RAX_imm32 => Code::Or_rm64_r64,
        Code::Adc_rm64_imm32 | Code::Adc_RAX_imm32 => Code::Adc_rm64_r64,
        Code::Sbb_rm64_imm32 | Code::Sbb_RAX_imm32 => Code::Sbb_rm64_r64,
        Code::And_rm64_imm32 | Code::And_RAX_imm32 => Code::And_rm64_r64,
        Code::Sub_rm64_imm32 | Code::Sub_RAX_imm32 => Code::Sub_rm64_r64,
        Code::Xor_rm64_imm32 | Code::Xor_RAX_imm32 => Code::Xor_rm64_r64,
        Code::Cmp_rm64_imm32 | Code::Cmp_RAX_imm32 => Code::Cmp_rm64_r64,
        Code::Test_rm64_imm32 | Code::Test_RAX_imm32 => Code::Test_rm64_r64,
        _ => return None,
    })
}

/// Makes a register the whole base of the memory operand, in place of base and displacement.
pub fn set_base(instruction: &mut Instruction, register: Register) {
    instruction.set_memory_base(register);
    instruction.set_memory_displacement64(0);
    instruction.set_memory_displ_size(0);
}
