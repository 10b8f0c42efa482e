//! The same for Windows' unwinder: what a function's prologue has done, as `UNWIND_INFO`.
//!
//! Cranelift sets the frame pointer right behind the saved one and only then makes room, while Windows counts offsets of saved
//! registers up from a base that is a multiple of 16 bytes below the frame pointer. So the information speaks of a prologue
//! that makes as much room as the saved registers take before it sets the frame pointer, which leads to the same frames.
//! Source: "x64 exception handling", `UNWIND_INFO`, `UNWIND_CODE`.

use cranelift_codegen::RegClass;
use cranelift_codegen::isa::unwind::UnwindInst;

const VERSION: u8 = 1;
const RBP: u8 = 5;

const PUSH_NONVOL: u8 = 0;
const ALLOC_LARGE: u8 = 1;
const ALLOC_SMALL: u8 = 2;
const SET_FPREG: u8 = 3;
const SAVE_NONVOL: u8 = 4;
const SAVE_XMM128: u8 = 8;

/// Bytes that a small allocation has at most.
const MAX_SMALL: u32 = 128;

/// What one step of the prologue did.
struct Code {
    /// Where the step ends. Beyond the last offset that can be said only an interruption can look at the prologue.
    offset: u8,
    operation: u8,
    about: u8,
    operand: Option<u32>,
}

/// The information for a function whose prologue does `notes`; `None` if it has no frame, or one that cannot be told.
pub fn information(notes: &[(u32, UnwindInst)]) -> Option<Vec<u8>> {
    let mut codes = Vec::new();
    // How far below the frame pointer offsets count from, and saved registers begin.
    let (mut base, mut depth, mut end) = (0, 0, 0);
    for (offset, note) in notes {
        let offset = u8::try_from(*offset).unwrap_or(u8::MAX);
        end = offset;
        let mut add = |operation, about, operand| codes.push(Code { offset, operation, about, operand });
        match note {
            UnwindInst::PushFrameRegs { .. } => add(PUSH_NONVOL, RBP, None),
            UnwindInst::DefineNewFrame { offset_downward_to_clobbers, .. } => {
                depth = *offset_downward_to_clobbers;
                base = depth.next_multiple_of(16);
                match base {
                    0 => {}
                    1..=MAX_SMALL => add(ALLOC_SMALL, (base / 8 - 1) as u8, None),
                    _ => add(ALLOC_LARGE, 0, Some(base / 8)),
                }
                add(SET_FPREG, 0, None);
            }
            // The frame is known by its base pointer, whatever the stack pointer does.
            UnwindInst::StackAlloc { .. } => {}
            UnwindInst::SaveReg { clobber_offset, reg } => {
                let place = base - depth + clobber_offset;
                match reg.class() {
                    RegClass::Int => add(SAVE_NONVOL, reg.hw_enc(), Some(place / 8)),
                    _ => add(SAVE_XMM128, reg.hw_enc(), Some(place / 16)),
                }
            }
            UnwindInst::RegStackOffset { .. } | UnwindInst::Aarch64SetPointerAuth { .. } => return None,
        }
    }
    if codes.is_empty() {
        return None;
    }
    let mut slots = Vec::new();
    for code in codes.iter().rev() {
        slots.extend([code.offset, code.operation | code.about << 4]);
        if let Some(operand) = code.operand {
            slots.extend(u16::try_from(operand).ok()?.to_le_bytes());
        }
    }
    let has_frame = codes.iter().any(|code| code.operation == SET_FPREG);
    let frame = if has_frame { RBP | u8::try_from(base / 16).ok().filter(|base| *base < 16)? << 4 } else { 0 };
    let mut bytes = vec![VERSION, end, u8::try_from(slots.len() / 2).ok()?, frame];
    bytes.extend(slots);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use crate::{Cranelift, Options, text};
    use uruk_jitlink::graph::SectionKind;
    use uruk_orc::executor::Processor;

    /// A function whose callee may change all that its caller expects back.
    const CALLER: &str = "
function %caller() windows_fastcall {
    fn0 = %callee() system_v
block0:
    call fn0()
    return
}";

    #[test]
    fn what_a_prologue_saves_is_told() {
        let processor = Processor { architecture: "x86_64".into(), system: "windows".into(), features: Vec::new() };
        let compiler = Cranelift::new(&Options { processor: Some(processor), ..Options::default() }).unwrap();
        let function = text::read("caller.clif", CALLER, compiler.isa()).unwrap().remove(0);
        let graph = compiler.compile(function).unwrap();
        let read_only = |kind| graph.blocks.iter().find(|block| graph.section(block.section).kind == kind).unwrap();
        let information = graph.content(read_only(SectionKind::ReadOnly));
        // The frame is counted from 11 × 16 bytes below rbp.
        assert_eq!((information[0], information[2], information[3]), (1, 2 * 12 + 4, 0xb5));
        let mut codes = information[4..].as_chunks::<2>().0.iter();
        let mut last = u8::MAX;
        let mut check = |operation: u8, operand: Option<u16>| {
            let [offset, found] = *codes.next().unwrap();
            assert!(found == operation && offset <= last, "{found:#x} instead of {operation:#x}");
            assert_eq!(operand, operand.and_then(|_| codes.next()).map(|word| u16::from_le_bytes(*word)));
            last = offset;
        };
        for xmm in (6..16).rev() {
            check(8 | xmm << 4, Some(u16::from(xmm) - 5));
        }
        check(0x74, Some(1)); // rdi at 8
        check(0x64, Some(0)); // rsi
        check(0x03, None); // rbp is set
        check(0x01, Some(22)); // 22 × 8 bytes
        check(0x50, None); // push rbp
        let record = read_only(SectionKind::Pdata);
        assert_eq!((record.size, record.edges.len()), (12, 3));
    }
}
