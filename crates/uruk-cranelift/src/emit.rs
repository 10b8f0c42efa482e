//! Compiled functions and data to link graphs, with no object file between.
//!
//! Data flow: code, relocations, unwind notes and call sites from Cranelift's buffers → blocks, symbols and edges of a
//! graph of its own, so that each function is linked, found and freed alone.

use crate::error::Error;
use crate::machine::{Machine, Records};
use crate::unwind::{self, Frame};
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::ir::{ExternalName, Function, KnownSymbol, LibCall};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::isa::unwind::UnwindInst;
use cranelift_codegen::{CompiledCode, FinalizedRelocTarget};
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::Hash;
use uruk_jitlink::arch::{ABS64, NOTHING, PC32};
use uruk_jitlink::edit::{EditError, Editor, NewSymbol, Stage};
use uruk_jitlink::graph::{BlockId, EdgeKind, LinkGraph, SectionKind, SymbolId, SymbolKind};
use uruk_jitlink::x86_64::IMAGE32;

/// Who may refer to a definition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Scope {
    /// All dylibs.
    #[default]
    Exported,
    /// Its own dylib.
    Hidden,
    /// All dylibs, and it gives way to another definition.
    Weak,
}

/// The personality routine of functions that handle exceptions: it calls handlers as clean-ups, and belongs to the
/// library that unwinds.
const PERSONALITY: &str = "__gcc_personality_v0";

/// A relocation's target as far as the graph needs to know it.
pub enum Target<'a, K> {
    /// Something with a name; `K` tells names apart without their text.
    Named(K, Cow<'a, str>),
    /// So many bytes into the function itself.
    Own(u32),
}

/// A graph in the making.
pub struct Graph<'a> {
    editor: Editor<'a>,
    name: &'a str,
    machine: &'static Machine,
}

/// What a relocation says.
pub struct Relocation<'a, K> {
    pub offset: u32,
    pub kind: Reloc,
    pub target: Target<'a, K>,
    pub addend: i64,
}

/// How a compiled function's relocation names what it refers to.
pub fn external<'a>(
    target: &'a FinalizedRelocTarget,
    function: &Function,
    user: &dyn Fn(u32, u32) -> String,
    library: &dyn Fn(LibCall) -> String,
) -> Target<'a, &'a ExternalName> {
    let name = match target {
        FinalizedRelocTarget::Func(offset) => return Target::Own(*offset),
        FinalizedRelocTarget::ExternalName(name) => name,
    };
    let text = match name {
        ExternalName::User(reference) => {
            let external = &function.params.user_named_funcs()[*reference];
            Cow::Owned(user(external.namespace, external.index))
        }
        ExternalName::TestCase(name) => String::from_utf8_lossy(name.raw()),
        ExternalName::LibCall(call) => Cow::Owned(library(*call)),
        ExternalName::KnownSymbol(symbol) => Cow::Borrowed(known(*symbol)),
    };
    Target::Named(name, text)
}

/// The linker's name of what Cranelift refers to by itself.
pub fn known(symbol: KnownSymbol) -> &'static str {
    match symbol {
        KnownSymbol::ElfGlobalOffsetTable => "_GLOBAL_OFFSET_TABLE_",
        KnownSymbol::CoffTlsIndex => "_tls_index",
    }
}

impl<'a> Graph<'a> {
    /// For a graph of a machine.
    pub fn new(graph: &'a mut LinkGraph, name: &'a str, machine: &'static Machine) -> Graph<'a> {
        Graph { editor: graph.edit(Stage::BeforePruning), name, machine }
    }

    /// Adds a function's code with its symbol.
    pub fn code(&mut self, bytes: &[u8], align: u32, scope: Scope) -> Result<(BlockId, SymbolId), Error> {
        let section = self.section(".text", SectionKind::Code)?;
        let block = self.check(|editor| editor.add_block(section, bytes, align.into()))?;
        let symbol = self.define(block, SymbolKind::Function, bytes.len() as u64, scope)?;
        Ok((block, symbol))
    }

    /// Adds a variable that starts as `bytes`, or as `size` zeros.
    pub fn data(
        &mut self,
        kind: SectionKind,
        section: &str,
        initial: Initial<'_>,
        align: u64,
    ) -> Result<BlockId, Error> {
        let section = self.section(section, kind)?;
        self.check(|editor| match initial {
            Initial::Bytes(bytes) => editor.add_block(section, bytes, align),
            Initial::Zeros(size) => editor.add_zero_block(section, size, align),
        })
    }

    /// Adds the symbol that others know a block by.
    pub fn define(&mut self, block: BlockId, kind: SymbolKind, size: u64, scope: Scope) -> Result<SymbolId, Error> {
        let symbol = NewSymbol::global(self.name, block, 0).kind(kind).size(size);
        let symbol = match scope {
            Scope::Exported => symbol,
            Scope::Hidden => symbol.hidden(),
            Scope::Weak => symbol.weak(),
        };
        self.check(|editor| editor.add_symbol(symbol))
    }

    /// Adds the edges of a block, which `own` stands for.
    pub fn relocate<'r, K: Hash + Eq>(
        &mut self,
        (block, own): (BlockId, SymbolId),
        bytes: &[u8],
        relocations: impl Iterator<Item = Relocation<'r, K>>,
    ) -> Result<(), Error> {
        let mut symbols: HashMap<K, SymbolId, foldhash::fast::FixedState> = HashMap::default();
        for Relocation { offset, kind, target, addend } in relocations {
            let edge = (self.machine.edge_kind)(kind, bytes, offset).ok_or_else(|| {
                let (function, format) = (self.name.to_string(), self.machine.format.name);
                Error::Relocation { function, kind, offset, format }
            })?;
            if edge == NOTHING {
                continue;
            }
            let (symbol, addend) = match target {
                // Other linkers find the high part by a symbol that is there (RISC-V ELF psABI, "Pc-Relative Symbol Addresses").
                Target::Own(offset) if kind == Reloc::RiscvPCRelLo12I => {
                    let label = NewSymbol::local("", block, offset.into());
                    (self.check(|editor| editor.add_symbol(label))?, addend)
                }
                Target::Own(offset) => (own, addend + i64::from(offset)),
                Target::Named(key, name) => match symbols.get(&key) {
                    Some(symbol) => (*symbol, addend),
                    None if name == self.name => (own, addend),
                    None => {
                        let symbol = self.check(|editor| editor.add_symbol(NewSymbol::external(&*name)))?;
                        symbols.insert(key, symbol);
                        (symbol, addend)
                    }
                },
            };
            self.check(|editor| editor.add_edge(block, offset, edge, symbol, addend))?;
        }
        Ok(())
    }

    /// Adds what is not found by name; returns a local symbol at its start. Edges are given by offset, kind and target.
    pub fn extra(
        &mut self,
        kind: SectionKind,
        name: &str,
        bytes: &[u8],
        edges: impl Iterator<Item = (u32, EdgeKind, SymbolId)>,
    ) -> Result<SymbolId, Error> {
        let block = self.data(kind, name, Initial::Bytes(bytes), 4)?;
        for (offset, kind, target) in edges {
            self.check(|editor| editor.add_edge(block, offset, kind, target, 0))?;
        }
        self.check(|editor| editor.add_symbol(NewSymbol::local("", block, 0)))
    }

    /// Adds what unwinding through a function needs.
    pub fn unwind(&mut self, isa: &dyn TargetIsa, code: &CompiledCode, function: SymbolId) -> Result<(), Error> {
        let tagged = |_| Error::ExceptionTag { function: self.name.to_string() };
        let call_sites = unwind::call_sites(code.buffer.call_sites()).map_err(tagged)?;
        let (notes, size) = (&code.buffer.unwind_info, code.buffer.total_size());
        let registers = match &self.machine.records {
            Records::Dwarf(registers) => registers,
            Records::Windows if call_sites.is_some() => {
                return Err(Error::Handlers { function: self.name.to_string() });
            }
            Records::Windows => return self.function_record(notes, size, function),
        };
        let Some(frame) = Frame::new(isa, registers, notes, size, call_sites.is_some()) else {
            return Ok(());
        };
        let section = self.section(".eh_frame", SectionKind::EhFrame)?;
        let records = self.check(|editor| editor.add_block(section, &frame.bytes, 8))?;
        if let Some(offset) = frame.personality {
            let routine = self.check(|editor| editor.add_symbol(NewSymbol::external(PERSONALITY)))?;
            self.check(|editor| editor.add_edge(records, offset, ABS64, routine, 0))?;
        }
        self.check(|editor| editor.add_edge(records, frame.function, PC32, function, 0))?;
        if let Some((offset, table)) = frame.call_sites.zip(call_sites) {
            let symbol = self.extra(SectionKind::ReadOnly, ".gcc_except_table", &table, std::iter::empty())?;
            self.check(|editor| editor.add_edge(records, offset, PC32, symbol, 0))?;
        }
        Ok(())
    }

    /// Adds a function's record and information for Windows' unwinder.
    fn function_record(&mut self, notes: &[(u32, UnwindInst)], size: u32, function: SymbolId) -> Result<(), Error> {
        const RECORD_BYTES: usize = 12;
        // A function without a frame has no record.
        let Some(information) = unwind::windows::information(notes) else { return Ok(()) };
        let information = self.extra(SectionKind::ReadOnly, ".xdata", &information, std::iter::empty())?;
        let record = self.data(SectionKind::Pdata, ".pdata", Initial::Bytes(&[0; RECORD_BYTES]), 4)?;
        for (offset, target, addend) in [(0, function, 0), (4, function, size.into()), (8, information, 0)] {
            self.check(|editor| editor.add_edge(record, offset, IMAGE32, target, addend))?;
        }
        Ok(())
    }

    fn section(&mut self, name: &str, kind: SectionKind) -> Result<uruk_jitlink::graph::SectionId, Error> {
        self.check(|editor| editor.add_section(name, kind))
    }

    fn check<T>(&mut self, change: impl FnOnce(&mut Editor<'a>) -> Result<T, EditError>) -> Result<T, Error> {
        change(&mut self.editor).map_err(|cause| Error::Graph { name: self.name.to_string(), cause })
    }
}

/// How data begins.
pub enum Initial<'a> {
    Bytes(&'a [u8]),
    Zeros(u64),
}
