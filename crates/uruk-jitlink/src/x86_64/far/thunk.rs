//! The code of thunks: what an instruction does, done with 64-bit addresses.
//!
//! Data flow: a decoded instruction and the references in its fields → code, the fields in it that still need a
//! value, and how deep the stack is at each point, for unwinding. Pure; neither graph nor address is known here.
//! Invariants: flags, registers and the red zone are as the instruction itself would leave them; a register that
//! holds an address meanwhile has been saved below the red zone, or is one that the instruction overwrites anyway.
//! Sources: Intel SDM volume 2 (instructions); x86-64 psABI 1.0 §3.2.2 (the red zone).

use super::forms::{self, Operands};
use crate::graph::EdgeKind;
use crate::x86_64::ABS64;
use iced_x86::{
    Code, ConstantOffsets, Encoder, Instruction, InstructionInfoFactory, MemoryOperand, Mnemonic, OpAccess, OpKind,
    Register,
};

/// A field of an instruction that refers to a symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reference {
    /// Offset in the instruction.
    pub at: usize,
    /// What is stored there.
    pub kind: EdgeKind,
    /// The value is a distance from the field, not an address.
    pub relative: bool,
    /// The target is out of reach.
    pub far: bool,
}

/// A field of a thunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Offset in the thunk.
    pub at: usize,
    /// The reference of the instruction that it serves.
    pub reference: usize,
    /// What is stored.
    pub kind: EdgeKind,
    /// What to add to the reference's addend.
    pub more: i64,
}

/// From an offset in the thunk on, the stack pointer is this much lower than at the thunk's first instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Offset in the thunk of the first instruction concerned.
    pub at: usize,
    /// Bytes below; negative where it is higher.
    pub depth: i64,
}

/// How the original place gets to the thunk, and how the thunk leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// By a jump; back by a jump whose field lies at this offset of the thunk.
    There(usize),
    /// By a jump; the thunk goes where the instruction would have gone.
    Gone,
    /// By a call, which stays where it was, for the sake of handlers and return addresses; the thunk is a function
    /// that jumps on.
    Called,
}

/// What replaces an instruction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Thunk {
    /// Its code, with zeros in the fields.
    pub code: Vec<u8>,
    /// The fields that need a value.
    pub fields: Vec<Field>,
    /// Where the stack pointer changes, in order.
    pub steps: Vec<Step>,
    /// How it is entered and left.
    pub way: Way,
}

/// Bytes below the stack pointer that belong to the running function.
const RED_ZONE: i64 = 128;

/// Registers that may be borrowed: those that unwinding need not restore, and first those that go with any other.
const SCRATCH: [Register; 9] = [
    Register::RAX,
    Register::RCX,
    Register::RDX,
    Register::RSI,
    Register::RDI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];

/// The thunk of an instruction whose fields are at `offsets`, if there can be one. `kept` is a register that has to
/// keep its value because unwinding counts from it.
pub fn thunk(
    instruction: &Instruction,
    offsets: &ConstantOffsets,
    references: &[Reference],
    kept: Option<Register>,
) -> Option<Thunk> {
    let operands = Operands::read(instruction, offsets, references)?;
    let mut builder = Builder::new(instruction, references, kept);
    let way = match instruction.code() {
        Code::Call_rm64 => builder.call(&operands)?,
        Code::Jmp_rm64 => builder.jump(&operands)?,
        Code::Pushq_imm32 | Code::Push_rm64 => builder.push(&operands)?,
        Code::Pop_rm64 => builder.pop(&operands)?,
        _ => builder.plain(&operands, offsets)?,
    };
    let Builder { code, fields, steps, .. } = builder;
    Some(Thunk { code, fields, steps, way })
}

struct Builder<'a> {
    instruction: &'a Instruction,
    references: &'a [Reference],
    used: Vec<Register>,
    code: Vec<u8>,
    fields: Vec<Field>,
    steps: Vec<Step>,
    depth: i64,
}

impl<'a> Builder<'a> {
    fn new(instruction: &'a Instruction, references: &'a [Reference], kept: Option<Register>) -> Builder<'a> {
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(instruction);
        let mut used: Vec<Register> =
            info.used_registers().iter().map(|used| used.register().full_register()).collect();
        used.extend(kept);
        Builder { instruction, references, used, code: Vec::new(), fields: Vec::new(), steps: Vec::new(), depth: 0 }
    }

    /// Any instruction that runs on to the next and leaves the stack pointer alone.
    fn plain(&mut self, operands: &Operands, offsets: &ConstantOffsets) -> Option<Way> {
        let before = self.instruction;
        if !forms::is_plain(before) {
            return None;
        }
        let whole = (before.op_count() != 0 && before.op_kind(0) == OpKind::Register)
            .then(|| before.op_register(0).full_register());
        if let (Some(immediate), Mnemonic::Mov, Some(whole)) = (operands.far_immediate, before.mnemonic(), whole) {
            // A 32-bit register with an address in it is a 64-bit pointer to whoever uses it.
            self.address(whole, immediate)?;
            return self.back();
        }
        if let (Some(field), Code::Lea_r64_m, Some(whole), Register::None | Register::RIP, Register::None) =
            (operands.far_displacement, before.code(), whole, before.memory_base(), before.memory_index())
        {
            self.address(whole, field)?;
            return self.back();
        }
        if before.code() == Code::Lea_r32_m && operands.far_displacement.is_some() {
            return None; // Half an address is no address.
        }
        let mut after = *before;
        let destination = match operands.far_displacement {
            Some(_) => self.overwritten(whole),
            None => None,
        };
        let mut borrowed = Vec::new();
        let mut borrow = |builder: &mut Builder<'_>| -> Option<Register> {
            let register = builder.free()?;
            builder.used.push(register);
            borrowed.push(register);
            Some(register)
        };
        let base = match (operands.far_displacement, destination) {
            (Some(field), None) => Some((field, borrow(self)?)),
            (Some(field), Some(destination)) => Some((field, destination)),
            (None, _) => None,
        };
        let value = match operands.far_immediate {
            Some(field) => {
                after.set_code(forms::from_register(before.code())?);
                let register = borrow(self)?;
                after.set_op1_kind(OpKind::Register);
                after.set_op1_register(register);
                Some((field, register))
            }
            None => None,
        };
        let stack = match forms::stack_operand(before) {
            Some(operand) => Some((operand, borrow(self)?)),
            None => None,
        };
        self.enter(&borrowed)?;
        if let Some((operand, register)) = stack {
            let original = MemoryOperand::with_base_displ(Register::RSP, self.depth);
            self.emit(&Instruction::with2(Code::Lea_r64_m, register, original).ok()?)?;
            after.set_op_register(operand, register);
        }
        if let Some((field, register)) = base {
            self.base(register, field)?;
            forms::set_base(&mut after, register);
        } else if before.memory_base() == Register::RSP && self.depth != 0 && forms::has_memory(before) {
            if operands.near_displacement.is_some() {
                return None;
            }
            after.set_memory_displacement64(before.memory_displacement64().wrapping_add(self.depth as u64));
            after.set_memory_displ_size(8);
        }
        if let Some((field, register)) = value {
            self.address(register, field)?;
        }
        let start = self.code.len();
        let moved = self.emit(&after)?;
        for (reference, old) in [
            (operands.near_displacement, offsets.displacement_offset()),
            (operands.near_immediate, offsets.immediate_offset()),
        ] {
            let Some(reference) = reference else { continue };
            let displacement = operands.near_displacement == Some(reference);
            let (at, size) = match displacement {
                true => (moved.displacement_offset(), moved.displacement_size()),
                false => (moved.immediate_offset(), moved.immediate_size()),
            };
            if size != 4 {
                return None;
            }
            let Reference { kind, relative, .. } = self.references[reference];
            // A distance counts from the field, an operand from the end of its instruction.
            let rest = (self.code.len() - start - at) as i64;
            let more = if relative { (before.len() - old) as i64 - rest } else { 0 };
            self.fields.push(Field { at: start + at, reference, kind, more });
        }
        self.leave(&borrowed)?;
        self.back()
    }

    /// `push $far` and `push far`: room for the value, then the value.
    fn push(&mut self, operands: &Operands) -> Option<Way> {
        let register = self.free()?;
        self.move_stack(-8)?;
        self.enter(&[register])?;
        match (operands.far_immediate, operands.far_displacement) {
            (Some(field), _) => self.address(register, field)?,
            (None, Some(field)) => {
                self.base(register, field)?;
                self.load(register)?;
            }
            (None, None) => return None,
        }
        self.store(register, self.depth - 8)?;
        self.leave(&[register])?;
        self.back()
    }

    /// `pop far`.
    fn pop(&mut self, operands: &Operands) -> Option<Way> {
        let (field, register) = (operands.far_displacement?, self.free()?);
        self.used.push(register);
        let value = self.free()?;
        self.enter(&[register, value])?;
        self.base(register, field)?;
        let slot = MemoryOperand::with_base_displ(Register::RSP, self.depth);
        self.emit(&Instruction::with2(Code::Mov_r64_rm64, value, slot).ok()?)?;
        let mut store = Instruction::with2(Code::Mov_rm64_r64, MemoryOperand::with_base(register), value).ok()?;
        store.set_memory_index(self.instruction.memory_index());
        store.set_memory_index_scale(self.instruction.memory_index_scale());
        self.emit(&store)?;
        self.leave(&[register, value])?;
        self.move_stack(8)?;
        self.back()
    }

    /// `jmp *far`: `ret` goes there with all registers as they were, and puts the stack pointer right.
    fn jump(&mut self, operands: &Operands) -> Option<Way> {
        let (field, register) = (operands.far_displacement?, self.free()?);
        self.move_stack(-RED_ZONE - 8)?;
        self.put_target(register, field)?;
        self.emit(&Instruction::with1(Code::Retnq_imm16, RED_ZONE as u32).ok()?)?;
        Some(Way::Gone)
    }

    /// `call *far`: the call has been made already, and callers have no red zone.
    fn call(&mut self, operands: &Operands) -> Option<Way> {
        let (field, register) = (operands.far_displacement?, self.free()?);
        self.move_stack(-8)?;
        self.put_target(register, field)?;
        self.emit(&Instruction::with(Code::Retnq))?;
        Some(Way::Called)
    }

    /// Puts the word that the instruction refers to in the topmost slot of the stack.
    fn put_target(&mut self, register: Register, field: usize) -> Option<()> {
        self.emit(&Instruction::with1(Code::Push_r64, register).ok()?)?;
        self.step(8);
        self.base(register, field)?;
        self.load(register)?;
        self.store(register, 8)?;
        self.emit(&Instruction::with1(Code::Pop_r64, register).ok()?)?;
        self.step(-8);
        Some(())
    }

    /// Steps over the red zone and saves the registers to be borrowed, if any.
    fn enter(&mut self, borrowed: &[Register]) -> Option<()> {
        if borrowed.is_empty() {
            return Some(());
        }
        self.move_stack(-RED_ZONE)?;
        for register in borrowed {
            self.emit(&Instruction::with1(Code::Push_r64, *register).ok()?)?;
            self.step(8);
        }
        Some(())
    }

    /// Undoes [`enter`](Builder::enter).
    fn leave(&mut self, borrowed: &[Register]) -> Option<()> {
        if borrowed.is_empty() {
            return Some(());
        }
        for register in borrowed.iter().rev() {
            self.emit(&Instruction::with1(Code::Pop_r64, *register).ok()?)?;
            self.step(-8);
        }
        self.move_stack(RED_ZONE)
    }

    fn back(&mut self) -> Option<Way> {
        self.code.push(0xe9);
        let field = self.code.len();
        self.code.extend([0; 4]);
        Some(Way::There(field))
    }

    /// `movabs $reference, register`
    fn address(&mut self, register: Register, reference: usize) -> Option<()> {
        let Reference { at, relative, .. } = self.references[reference];
        let more = if relative { (self.instruction.len() - at) as i64 } else { 0 };
        let start = self.code.len();
        let moved = self.emit(&Instruction::with2(Code::Mov_r64_imm64, register, 0u64).ok()?)?;
        self.fields.push(Field { at: start + moved.immediate_offset(), reference, kind: ABS64, more });
        Some(())
    }

    /// Puts the sum of the far displacement and the instruction's base register in a register.
    fn base(&mut self, register: Register, reference: usize) -> Option<()> {
        self.address(register, reference)?;
        match self.instruction.memory_base() {
            Register::None | Register::RIP => {}
            base => {
                let sum = MemoryOperand::new(register, base, 1, 0, 0, false, Register::None);
                self.emit(&Instruction::with2(Code::Lea_r64_m, register, sum).ok()?)?;
            }
        }
        Some(())
    }

    /// Loads what the instruction's memory operand holds, whose base is in `register`, into that register.
    fn load(&mut self, register: Register) -> Option<()> {
        let index = self.instruction.memory_index();
        let scale = self.instruction.memory_index_scale();
        let operand = MemoryOperand::new(register, index, scale, 0, 0, false, Register::None);
        self.emit(&Instruction::with2(Code::Mov_r64_rm64, register, operand).ok()?)?;
        Some(())
    }

    fn store(&mut self, register: Register, offset: i64) -> Option<()> {
        let slot = MemoryOperand::with_base_displ(Register::RSP, offset);
        self.emit(&Instruction::with2(Code::Mov_rm64_r64, slot, register).ok()?)?;
        Some(())
    }

    /// `lea by(%rsp), %rsp`, which leaves the flags alone.
    fn move_stack(&mut self, by: i64) -> Option<()> {
        let operand = MemoryOperand::with_base_displ(Register::RSP, by);
        self.emit(&Instruction::with2(Code::Lea_r64_m, Register::RSP, operand).ok()?)?;
        self.step(-by);
        Some(())
    }

    fn step(&mut self, down: i64) {
        self.depth += down;
        self.steps.push(Step { at: self.code.len(), depth: self.depth });
    }

    /// A register that the instruction has nothing to do with.
    fn free(&self) -> Option<Register> {
        SCRATCH.into_iter().find(|register| !self.used.contains(register))
    }

    /// The register that the instruction overwrites as a whole without reading it, if it is one of those known to.
    fn overwritten(&self, whole: Option<Register>) -> Option<Register> {
        let (whole, instruction) = (whole?, self.instruction);
        let known = matches!(
            instruction.mnemonic(),
            Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd | Mnemonic::Lea | Mnemonic::Popcnt
        );
        let register = instruction.op_register(0);
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(instruction);
        let writes = info.used_registers().iter().filter(|used| used.register().full_register() == whole);
        let only = writes.clone().all(|used| used.access() == OpAccess::Write);
        // The unwinder's register, which is among the used ones once more, must stay as it is till the end.
        let kept = 1 < self.used.iter().filter(|used| **used == whole).count();
        let fits = known && (register.is_gpr64() || register.is_gpr32()) && whole != Register::RSP;
        (fits && only && !kept).then_some(whole)
    }

    fn emit(&mut self, instruction: &Instruction) -> Option<ConstantOffsets> {
        let mut encoder = Encoder::new(64);
        encoder.encode(instruction, self.instruction.ip()).ok()?;
        self.code.extend(encoder.take_buffer());
        Some(encoder.get_constant_offsets())
    }
}

#[cfg(test)]
mod tests;
