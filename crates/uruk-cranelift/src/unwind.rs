//! Unwind records: what debuggers, backtraces and exceptions need to go through a compiled function.
//!
//! Data flow: Cranelift's prologue notes and call sites → one common information entry and one frame description for
//! the function, and, where it handles exceptions, a table of its call sites for a personality routine.
//! Sources: LSB 5.0, "Exception Frames"; DWARF 5 §6.4.2 and §7.24; Itanium C++ ABI, "Exception Handling Tables".

pub mod windows;

use crate::machine::Registers;
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::isa::unwind::UnwindInst;
use cranelift_codegen::{FinalizedMachCallSite, FinalizedMachExceptionHandler};

/// The bytes of an `.eh_frame` section, and the fields in it that depend on addresses.
pub struct Frame {
    pub bytes: Vec<u8>,
    /// The personality routine's address in eight bytes.
    pub personality: Option<u32>,
    /// The distance in four bytes from the field to the function.
    pub function: u32,
    /// The same to the table of call sites.
    pub call_sites: Option<u32>,
}

const DW_EH_PE_ABSPTR: u8 = 0x00;
const DW_EH_PE_PCREL_SDATA4: u8 = 0x1b;
const DW_EH_PE_ULEB128: u8 = 0x01;
const DW_EH_PE_OMIT: u8 = 0xff;

const DW_CFA_ADVANCE_LOC: u8 = 0x40;
const DW_CFA_OFFSET: u8 = 0x80;
const DW_CFA_ADVANCE_LOC1: u8 = 0x02;
const DW_CFA_ADVANCE_LOC2: u8 = 0x03;
const DW_CFA_ADVANCE_LOC4: u8 = 0x04;
const DW_CFA_DEF_CFA: u8 = 0x0c;
const DW_CFA_DEF_CFA_REGISTER: u8 = 0x0d;
const DW_CFA_DEF_CFA_OFFSET: u8 = 0x0e;
const DW_CFA_VAL_OFFSET: u8 = 0x14;

const DW_CFA_OFFSET_EXTENDED: u8 = 0x05;
const DW_CFA_AARCH64_NEGATE_RA_STATE: u8 = 0x2d;

/// Offsets of saved registers are multiples of this, downwards.
const SLOT: u32 = 8;

impl Frame {
    /// The records of a function of `size` bytes whose prologue does `notes`; `None` if a register has no number.
    pub fn new(
        isa: &dyn TargetIsa,
        registers: &Registers,
        notes: &[(u32, UnwindInst)],
        size: u32,
        handles: bool,
    ) -> Option<Frame> {
        let mut bytes = Vec::with_capacity(96);
        let personality = entry(&mut bytes, registers, handles);
        let start = bytes.len();
        bytes.extend([0; 4]); // its length, below
        bytes.extend((start as u32 + 4).to_le_bytes()); // back to the entry, which begins at 0
        let function = bytes.len() as u32;
        bytes.extend([0; 4]);
        bytes.extend(size.to_le_bytes());
        let call_sites = handles.then_some(bytes.len() as u32 + 1);
        match handles {
            true => bytes.extend([4, 0, 0, 0, 0]),
            false => bytes.push(0),
        }
        instructions(&mut bytes, isa, registers, notes)?;
        close(&mut bytes, start);
        Some(Frame { bytes, personality, function, call_sites })
    }
}

/// Writes the common information entry: the frame as it is when the function is called. Returns where its personality
/// routine's address goes, if it is to have one.
fn entry(bytes: &mut Vec<u8>, registers: &Registers, handles: bool) -> Option<u32> {
    const VERSION: u8 = 1;
    const DATA_ALIGN_MINUS_8: u8 = 0x78;
    bytes.extend([0; 8]); // length, below, and 0 for an entry
    bytes.push(VERSION);
    let augmentation: &[u8] = if handles { b"zPLR\0" } else { b"zR\0" };
    bytes.extend_from_slice(augmentation);
    bytes.extend([1, DATA_ALIGN_MINUS_8, registers.return_address]);
    let mut personality = None;
    if handles {
        bytes.extend([11, DW_EH_PE_ABSPTR]);
        personality = Some(bytes.len() as u32);
        bytes.extend([0; 8]);
        bytes.extend([DW_EH_PE_PCREL_SDATA4, DW_EH_PE_PCREL_SDATA4]);
    } else {
        bytes.extend([1, DW_EH_PE_PCREL_SDATA4]);
    }
    bytes.extend([DW_CFA_DEF_CFA, registers.stack_pointer, registers.pushed]);
    if registers.pushed != 0 {
        bytes.extend([DW_CFA_OFFSET | registers.return_address, 1]);
    }
    close(bytes, 0);
    personality
}

/// Writes how the frame changes in the course of the prologue.
fn instructions(
    bytes: &mut Vec<u8>,
    isa: &dyn TargetIsa,
    registers: &Registers,
    notes: &[(u32, UnwindInst)],
) -> Option<()> {
    let mut at = 0;
    // How far below the caller's frame the saved registers begin.
    let mut depth = 0;
    for (offset, note) in notes {
        advance(bytes, *offset - at);
        at = *offset;
        match note {
            UnwindInst::PushFrameRegs { offset_upward_to_caller_sp } => {
                bytes.push(DW_CFA_DEF_CFA_OFFSET);
                uleb128(bytes, *offset_upward_to_caller_sp);
                bytes.push(DW_CFA_OFFSET | registers.frame_pointer);
                uleb128(bytes, offset_upward_to_caller_sp / SLOT);
                if registers.pushed == 0 {
                    bytes.push(DW_CFA_OFFSET | registers.return_address);
                    uleb128(bytes, offset_upward_to_caller_sp / SLOT - 1);
                }
            }
            UnwindInst::DefineNewFrame { offset_upward_to_caller_sp, offset_downward_to_clobbers } => {
                bytes.extend([DW_CFA_DEF_CFA_REGISTER, registers.frame_pointer]);
                depth = offset_upward_to_caller_sp + offset_downward_to_clobbers;
            }
            // The frame is known by its base pointer, whatever the stack pointer does.
            UnwindInst::StackAlloc { .. } => {}
            UnwindInst::SaveReg { clobber_offset, reg } => {
                let register = isa.map_regalloc_reg_to_dwarf((*reg).into()).ok()?;
                match register {
                    0..64 => bytes.push(DW_CFA_OFFSET | register as u8),
                    _ => {
                        bytes.push(DW_CFA_OFFSET_EXTENDED);
                        uleb128(bytes, register.into());
                    }
                }
                uleb128(bytes, (depth - clobber_offset) / SLOT);
            }
            UnwindInst::RegStackOffset { clobber_offset, reg } => {
                let register = isa.map_regalloc_reg_to_dwarf((*reg).into()).ok()?;
                bytes.push(DW_CFA_VAL_OFFSET);
                uleb128(bytes, register.into());
                uleb128(bytes, (depth - clobber_offset) / SLOT);
            }
            UnwindInst::Aarch64SetPointerAuth { return_addresses: true } => bytes.push(DW_CFA_AARCH64_NEGATE_RA_STATE),
            UnwindInst::Aarch64SetPointerAuth { return_addresses: false } => {}
        }
    }
    Some(())
}

fn advance(bytes: &mut Vec<u8>, delta: u32) {
    match delta {
        0 => {}
        1..64 => bytes.push(DW_CFA_ADVANCE_LOC | delta as u8),
        64..0x100 => bytes.extend([DW_CFA_ADVANCE_LOC1, delta as u8]),
        0x100..0x1_0000 => {
            bytes.push(DW_CFA_ADVANCE_LOC2);
            bytes.extend((delta as u16).to_le_bytes());
        }
        _ => {
            bytes.push(DW_CFA_ADVANCE_LOC4);
            bytes.extend(delta.to_le_bytes());
        }
    }
}

/// Fills a record up to a multiple of eight bytes with instructions that do nothing, and enters its length.
fn close(bytes: &mut Vec<u8>, start: usize) {
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    let length = (bytes.len() - start - 4) as u32;
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Appends a number in the form that DWARF has for them.
pub fn uleb128(bytes: &mut Vec<u8>, mut value: u32) {
    while 0x80 <= value {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// A handler that is called for some exceptions only.
pub struct Tagged;

/// The table of call sites for a personality routine, or `None` if no call of the function has a handler. A handler is
/// called for every exception, as clean-ups of C++ are.
pub fn call_sites<'a>(sites: impl Iterator<Item = FinalizedMachCallSite<'a>>) -> Result<Option<Vec<u8>>, Tagged> {
    let mut table = Vec::new();
    let mut handles = false;
    for site in sites {
        let mut pad = 0;
        for handler in site.exception_handlers {
            match handler {
                FinalizedMachExceptionHandler::Default(offset) => pad = *offset,
                FinalizedMachExceptionHandler::Tag(..) | FinalizedMachExceptionHandler::Context(_) => {
                    return Err(Tagged);
                }
            }
        }
        handles |= pad != 0;
        // An unwinder looks the last byte of the call up. Calls without a handler are listed too: a call that is not
        // may not throw for some personality routines.
        for field in [site.ret_addr - 1, 1, pad, 0] {
            uleb128(&mut table, field);
        }
    }
    if !handles {
        return Ok(None);
    }
    let mut bytes = vec![DW_EH_PE_OMIT, DW_EH_PE_OMIT, DW_EH_PE_ULEB128];
    uleb128(&mut bytes, table.len() as u32);
    bytes.extend(table);
    Ok(Some(bytes))
}
