//! What differs between the architectures that functions are compiled for: relocations and frames.
//!
//! Sources: x86-64 psABI 1.0, §4.4.1 "Relocation Types" and §3.6.2 "DWARF Register Number Mapping"; AAELF64 (2024Q3), §5.7;
//! AADWARF64, §4.1; RISC-V ELF psABI 1.0, "Relocations" and "DWARF Register Numbers"; what Cranelift's relocation kinds stand
//! for is in the documentation of `cranelift_codegen::binemit::Reloc`.

use crate::error::Error;
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::isa::{CallConv, TargetIsa};
use uruk_jitlink::arch::{ABS32, ABS64, NOTHING};
use uruk_jitlink::format::Format;
use uruk_jitlink::graph::{EdgeKind, LinkGraph};
use uruk_jitlink::{aarch64, coff, elf, riscv, x86_64};

/// Cranelift's name of x86-64.
pub const X64: &str = "x64";

/// An architecture.
pub struct Machine {
    /// What its graphs are.
    pub format: &'static Format,
    /// The edge kind of a relocation at an offset of some code; `None` for those of other targets.
    pub edge_kind: fn(kind: Reloc, code: &[u8], offset: u32) -> Option<EdgeKind>,
    /// How unwinders know of its functions.
    pub records: Records,
}

/// Unwind records.
pub enum Records {
    /// Of DWARF, where its registers have these numbers.
    Dwarf(Registers),
    /// For Windows' unwinder.
    Windows,
}

/// The numbers of registers that frames are made of.
pub struct Registers {
    pub stack_pointer: u8,
    pub frame_pointer: u8,
    pub return_address: u8,
    /// Bytes that a call pushes: the return address, or none where that stays in its register.
    pub pushed: u8,
}

impl Machine {
    /// The machine of what Cranelift compiles for, which is linked as ELF has it, or COFF for Windows.
    pub fn of(isa: &dyn TargetIsa) -> Result<&'static Machine, Error> {
        match isa.name() {
            X64 if is_windows(isa) => return Ok(&WINDOWS_X86_64),
            _ if is_windows(isa) => {}
            X64 => return Ok(&X86_64),
            "aarch64" => return Ok(&AARCH64),
            "riscv64" => return Ok(&RISCV64),
            _ => {}
        }
        Err(Error::Machine { machine: isa.triple().to_string(), message: "its code is not linked here".into() })
    }

    /// An empty graph for it.
    pub fn graph(&self, name: &str) -> LinkGraph {
        LinkGraph::with_format(name, self.format)
    }
}

/// Whether code is for Windows.
pub fn is_windows(isa: &dyn TargetIsa) -> bool {
    isa.default_call_conv() == CallConv::WindowsFastcall
}

static WINDOWS_X86_64: Machine =
    Machine { format: &coff::x86_64::FORMAT, edge_kind: x86_64_edge, records: Records::Windows };

static X86_64: Machine = Machine {
    format: &elf::x86_64::FORMAT,
    edge_kind: x86_64_edge,
    records: Records::Dwarf(Registers { stack_pointer: 7, frame_pointer: 6, return_address: 16, pushed: 8 }),
};

static AARCH64: Machine = Machine {
    format: &elf::aarch64::FORMAT,
    edge_kind: aarch64_edge,
    records: Records::Dwarf(Registers { stack_pointer: 31, frame_pointer: 29, return_address: 30, pushed: 0 }),
};

static RISCV64: Machine = Machine {
    format: &elf::riscv64::FORMAT,
    edge_kind: riscv64_edge,
    records: Records::Dwarf(Registers { stack_pointer: 2, frame_pointer: 8, return_address: 1, pushed: 0 }),
};

fn x86_64_edge(kind: Reloc, code: &[u8], offset: u32) -> Option<EdgeKind> {
    const CALL: u8 = 0xe8;
    const JMP: u8 = 0xe9;
    const MOV: u8 = 0x8b;
    let before = |distance: u32| offset.checked_sub(distance).and_then(|at| code.get(at as usize)).copied();
    Some(match kind {
        Reloc::Abs4 => ABS32,
        Reloc::Abs8 => ABS64,
        Reloc::X86PCRel4 => x86_64::PC32,
        // Also the kind of addresses that are taken, for which a stub must not stand in.
        Reloc::X86CallPCRel4 if !matches!(before(1), Some(CALL | JMP)) => x86_64::PC32,
        Reloc::X86CallPCRel4 | Reloc::X86CallPLTRel4 => x86_64::BRANCH32,
        // A load of eight bytes can do without the slot if the symbol is in reach.
        Reloc::X86GOTPCRel4 if matches!((before(3), before(2)), (Some(0x48..=0x4f), Some(MOV))) => {
            x86_64::REX_GOTPCRELX
        }
        Reloc::X86GOTPCRel4 => x86_64::GOTPCREL,
        Reloc::ElfX86_64TlsGd => x86_64::TLSGD,
        Reloc::X86SecRel => x86_64::DTPOFF32,
        _ => return None,
    })
}

fn aarch64_edge(kind: Reloc, _: &[u8], _: u32) -> Option<EdgeKind> {
    Some(match kind {
        Reloc::Abs8 => ABS64,
        Reloc::Arm64Call => aarch64::BRANCH26,
        Reloc::Aarch64AdrPrelPgHi21 => aarch64::ADRP,
        Reloc::Aarch64AddAbsLo12Nc => aarch64::ADD_LO12,
        Reloc::Aarch64AdrGotPage21 => aarch64::GOT_PAGE,
        Reloc::Aarch64Ld64GotLo12Nc => aarch64::GOT_LO12,
        Reloc::Aarch64TlsDescAdrPage21 => aarch64::DESC_PAGE,
        Reloc::Aarch64TlsDescLd64Lo12 => aarch64::DESC_LD_LO12,
        Reloc::Aarch64TlsDescAddLo12 => aarch64::DESC_ADD_LO12,
        Reloc::Aarch64TlsDescCall => NOTHING,
        _ => return None,
    })
}

fn riscv64_edge(kind: Reloc, _: &[u8], _: u32) -> Option<EdgeKind> {
    Some(match kind {
        Reloc::Abs8 => ABS64,
        Reloc::RiscvCallPlt => riscv::CALL,
        Reloc::RiscvGotHi20 => riscv::GOT_HI20,
        Reloc::RiscvPCRelHi20 => riscv::PCREL_HI20,
        // Cranelift has it for both instructions that it may complete, which hold it in the same bits.
        Reloc::RiscvPCRelLo12I => riscv::PCREL_LO12_I,
        Reloc::RiscvTlsGdHi20 => riscv::TLS_GD_HI20,
        _ => return None,
    })
}
