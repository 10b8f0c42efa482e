//! Fix-up: a laid-out object's bytes, with every edge's value stored in its field.
//!
//! Data flow: blocks' initial bytes are copied to their working bytes, then each edge is computed from the final
//! addresses and stored; then stubs and slots are written. Pure: byte slices in, byte slices out; applying it twice
//! gives the same bytes, since addends come from the object file. Values that do not fit are errors, never truncated.

use crate::arch::{Architecture, BRANCH32, Field, Kind, Load, Misfit, PC32, Value};
use crate::error::LinkError;
use crate::graph::*;
use crate::layout::{Member, lane};
use crate::memory::Lane;
use crate::pdata;
use crate::resolve::{Target, Targets};
use crate::tls::{self, Question, Questions, Variable, entry_variable, question, variable};
use std::ops::Range;

/// A batch's thread-local answers.
#[derive(Clone, Copy)]
pub struct Threads<'a> {
    /// What was asked.
    pub questions: &'a Questions,
    /// What was answered, in the same order.
    pub answers: &'a [[u64; 2]],
}

/// One object about to be fixed up.
pub struct Fixup<'a> {
    /// The object, laid out.
    pub member: &'a Member,
    /// Where its globals are defined.
    pub targets: &'a Targets,
    /// Final addresses of its symbols, in the order of their ids.
    pub addresses: &'a [u64],
    /// Thread-local answers.
    pub threads: Threads<'a>,
    /// The start of the image that the session's memory is taken for, which must not change; see [`image_base`].
    pub image: u64,
}

/// A start of an image that memory in a range, and what lies within 256 MiB of it, is in 31-bit reach of.
pub fn image_base(span: &Range<u64>) -> u64 {
    const ROOM: u64 = 1 << 30;
    (span.end.saturating_sub(ROOM)).min(span.start) & !0xffff
}

/// Marks the symbols of dropped blocks in a table of addresses.
pub const DROPPED: u64 = u64::MAX;

/// The final addresses of an object's own symbols; those defined elsewhere are 0 until the session fills them in.
pub fn addresses(member: &Member, targets: &Targets) -> Vec<u64> {
    let graph = &member.graph;
    let own = |symbol: &Symbol| match symbol.definition {
        Definition::Block(block) => {
            let block = graph.block(block);
            if block.live { block.address.wrapping_add(symbol.value) } else { DROPPED }
        }
        Definition::Absolute => symbol.value,
        Definition::Undefined | Definition::Common => DROPPED,
    };
    let (locals, globals) = graph.symbols.split_at(graph.first_global.0 as usize);
    let mut addresses = Vec::with_capacity(graph.symbols.len());
    addresses.extend(locals.iter().map(own));
    // Symbols that the linker has added come last and have no target.
    let targets = targets.iter().map(|(_, target)| target).chain(std::iter::repeat(Target::Own));
    addresses.extend(globals.iter().zip(targets).map(|(symbol, target)| match target {
        Target::Own => own(symbol),
        Target::Known(address) => address,
        Target::Near | Target::Far | Target::ThreadLocal(_) | Target::ThreadImage | Target::Bound => 0,
    }));
    // What passes have added has no target of its own.
    let added = &graph.symbols[addresses.len()..];
    addresses.extend(added.iter().map(own));
    for indirect in &member.tables.indirect {
        addresses[indirect.symbol.0 as usize] = member.share.stubs + u64::from(indirect.stub) * graph.arch().stub_size;
    }
    if let Some(null) = addresses.first_mut() {
        *null = 0;
    }
    addresses
}

/// The address that an indirect function's resolver has, in contrast to its stub's.
pub fn resolver(graph: &LinkGraph, id: SymbolId) -> u64 {
    let symbol = graph.symbol(id);
    match symbol.definition {
        Definition::Block(block) => graph.block(block).address.wrapping_add(symbol.value),
        _ => symbol.value,
    }
}

/// Working bytes and the target address of the first.
pub struct Window<'a> {
    /// Target address.
    pub address: u64,
    /// The bytes.
    pub bytes: &'a mut [u8],
}

impl Window<'_> {
    /// The bytes at a target address, if they all lie in this window.
    pub fn at(&mut self, address: u64, size: u64) -> Option<&mut [u8]> {
        let start = usize::try_from(address.checked_sub(self.address)?).ok()?;
        self.bytes.get_mut(start..start.checked_add(usize::try_from(size).ok()?)?)
    }
}

/// Where working bytes are, by target address.
pub trait Places {
    /// The bytes at an address in a lane, if they are there to be written.
    fn at(&mut self, lane: Lane, address: u64, size: u64) -> Option<&mut [u8]>;
}

impl Places for [Window<'_>; 3] {
    fn at(&mut self, lane: Lane, address: u64, size: u64) -> Option<&mut [u8]> {
        self[lane as usize].at(address, size)
    }
}

/// Whether an edge of a kind may be what a paired one refers to.
fn is_first_of_pair(kind: &Kind) -> bool {
    matches!(kind.value, Value::Relative | Value::GotRelative) && matches!(kind.field, Field::Code { .. })
}

impl Fixup<'_> {
    /// Writes the object's blocks, stubs and slots, as far as there is room for them: to the windows of its shares of the
    /// lanes, mostly. Blocks outside them, as gathered ones are, are left to [`write_gathered`](Fixup::write_gathered).
    pub fn write(&self, lanes: &mut impl Places) -> Result<(), LinkError> {
        self.write_blocks(lanes, |_| true)?;
        let functions = &self.member.share.functions;
        if let Some(records) = lanes.at(Lane::ReadOnly, functions.start, functions.end - functions.start) {
            pdata::sort(self.arch(), records);
        }
        self.write_stubs(lanes)?;
        self.write_slots(lanes)
    }

    /// Writes the blocks that do not lie in the object's own shares to windows of whole lanes.
    pub fn write_gathered(&self, lanes: &mut [Window<'_>; 3]) -> Result<(), LinkError> {
        let shares = &self.member.share.lanes;
        self.write_blocks(lanes, |block| !shares.iter().any(|share| share.contains(&block.address)))
    }

    fn write_blocks(&self, lanes: &mut impl Places, wanted: impl Fn(&Block) -> bool) -> Result<(), LinkError> {
        let graph = &self.member.graph;
        for block in graph.blocks.iter().filter(|block| block.live && block.content != Content::Zero) {
            let Some(lane) = lane(graph.section(block.section).kind) else { continue };
            if !wanted(block) {
                continue;
            }
            if let Some(bytes) = lanes.at(lane, block.address, block.size) {
                bytes.copy_from_slice(graph.content(block));
                self.apply(block, bytes)?;
            }
        }
        Ok(())
    }

    /// Writes the initial values of the object's thread-local variables to the batch's image.
    pub fn write_thread_image(&self, image: &mut [u8]) -> Result<(), LinkError> {
        let graph = &self.member.graph;
        for block in graph.blocks.iter().filter(|block| block.live) {
            if graph.section(block.section).kind == SectionKind::TlsData {
                let start = block.address as usize;
                let bytes = &mut image[start..start + block.size as usize];
                bytes.copy_from_slice(graph.content(block));
                self.apply(block, bytes)?;
            }
        }
        Ok(())
    }

    fn arch(&self) -> &'static Architecture {
        self.member.graph.arch()
    }

    fn apply(&self, block: &Block, bytes: &mut [u8]) -> Result<(), LinkError> {
        let graph = &self.member.graph;
        let arch = graph.arch();
        for edge in graph.edges(block) {
            let place = block.address.wrapping_add(u64::from(edge.offset));
            let at = edge.offset as usize;
            let symbol = self.addresses[edge.target.0 as usize];
            let addend = graph.addend(edge);
            let sum = symbol.wrapping_add_signed(addend);
            let distance = sum.wrapping_sub(place) as i64;
            // The two kinds that make up most of every object.
            if let (PC32 | BRANCH32, Ok(value), true) = (edge.kind, i32::try_from(distance), symbol != DROPPED) {
                bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
                continue;
            }
            let info = arch.info(edge.kind);
            if symbol == DROPPED {
                self.check_dropped(block, edge)?;
            }
            // Where a pair of instructions makes up a load, either all of the symbol's are rewritten or none.
            if info.value == Value::GotLoad || info.value.is_load() && !self.member.tables.has(edge.target, info.entry)
            {
                let load = Load { kind: edge.kind, addend, offset: at };
                let target = if info.takes_thread_offset() { self.thread_offset(block, edge)? } else { symbol };
                if (arch.relax)(&load, bytes, place, target) {
                    continue;
                }
            }
            let value = self.value(block, edge, place)?;
            arch.encode(info.field, value, &mut bytes[at..])
                .map_err(|misfit| self.misfit(block, edge, value, misfit))?;
        }
        Ok(())
    }

    /// The value of an edge whose kind is not one of the frequent ones.
    fn value(&self, block: &Block, edge: &Edge, place: u64) -> Result<i64, LinkError> {
        let graph = &self.member.graph;
        let symbol = self.addresses[edge.target.0 as usize];
        let addend = graph.addend(edge);
        let got = self.member.share.got;
        let sum = |base: u64| base.wrapping_add_signed(addend) as i64;
        let info = self.arch().info(edge.kind);
        let slot = || match info.entry {
            Some(entry) => self.slot(block, edge, entry),
            None => Ok(0),
        };
        Ok(match info.value {
            Value::Nothing => 0,
            Value::Absolute => sum(symbol),
            Value::Relative => sum(symbol).wrapping_sub(place as i64),
            Value::Branch => {
                let direct = sum(symbol).wrapping_sub(place as i64);
                let near = direct.unsigned_abs() < self.arch().branch_reach && symbol != 0;
                let stub = if near { None } else { self.stub(edge.target) };
                stub.map_or(direct, |stub| sum(stub).wrapping_sub(place as i64))
            }
            Value::Page => page(sum(symbol)).wrapping_sub(page(place as i64)),
            Value::GotPage | Value::GotLoadPage => page(sum(slot()?)).wrapping_sub(page(place as i64)),
            Value::GotFromPage => sum(slot()?).wrapping_sub(page(got as i64)),
            Value::ImageOffset => sum(self.stub(edge.target).unwrap_or(symbol)).wrapping_sub(self.image as i64),
            Value::BranchFromGot => sum(self.stub(edge.target).unwrap_or(symbol)).wrapping_sub(got as i64),
            Value::GotOffset => sum(slot()?).wrapping_sub(got as i64),
            Value::GotAddress | Value::GotLoadAddress => sum(slot()?),
            Value::GotRelative | Value::GotLoad => sum(slot()?).wrapping_sub(place as i64),
            Value::FromGot => sum(symbol).wrapping_sub(got as i64),
            Value::GotBase => sum(got).wrapping_sub(place as i64),
            Value::Size => sum(graph.symbol(edge.target).size),
            Value::ModuleOffset => match self.variable(block, edge)? {
                Variable::Own(offset) if tls::is_part(graph) => {
                    let [_, first] = self.answer(block, edge, Variable::Own(0), Question::ModuleAndOffset)?;
                    sum(first.wrapping_add(offset))
                }
                Variable::Own(offset) => sum(offset.wrapping_sub(self.arch().threads.bias)),
                other => sum(self.answer(block, edge, other, Question::ModuleAndOffset)?[1]),
            },
            Value::ThreadOffset => sum(self.thread_offset(block, edge)?),
            Value::Paired => {
                let (block, edge) = self.pair(block, edge)?;
                self.value(block, edge, block.address.wrapping_add(u64::from(edge.offset)))?
            }
            Value::Difference => match self.at(block, edge.offset, |kind| kind.value == Value::Subtrahend) {
                Some(less) => {
                    let less = self.addresses[less.target.0 as usize].wrapping_add_signed(graph.addend(less));
                    sum(symbol).wrapping_sub(less as i64)
                }
                None => sum(symbol),
            },
            Value::Subtrahend => match self.at(block, edge.offset, |kind| kind.value == Value::Difference) {
                Some(_) => 0,
                None => sum(symbol).wrapping_neg(),
            },
            Value::DescriptorFunction => self.descriptor(block, edge)?[0] as i64,
            Value::DescriptorArgument => self.descriptor(block, edge)?[1] as i64,
        })
    }

    /// The descriptor of the thread-local variable that an edge is about.
    fn descriptor(&self, block: &Block, edge: &Edge) -> Result<[u64; 2], LinkError> {
        let variable = match self.variable(block, edge)? {
            Variable::Own(offset) => Variable::Own(offset.wrapping_add_signed(self.member.graph.addend(edge))),
            other => other,
        };
        self.answer(block, edge, variable, Question::Descriptor)
    }

    /// The first edge at an offset of a block whose kind is as wanted.
    fn at<'a>(&'a self, block: &Block, offset: u32, wanted: impl Fn(&Kind) -> bool) -> Option<&'a Edge> {
        let edges = self.member.graph.edges(block);
        let first = edges.partition_point(|edge| edge.offset < offset);
        let mut here = edges[first..].iter().take_while(|edge| edge.offset == offset);
        here.find(|edge| wanted(self.arch().info(edge.kind)))
    }

    /// The edge that the symbol of a paired one marks, and its block.
    fn pair(&self, block: &Block, edge: &Edge) -> Result<(&Block, &Edge), LinkError> {
        let graph = &self.member.graph;
        let symbol = graph.symbol(edge.target);
        let found = match symbol.definition {
            Definition::Block(other) => {
                let (other, offset) = (graph.block(other), symbol.value.wrapping_add_signed(graph.addend(edge)));
                let first = u32::try_from(offset).ok().and_then(|offset| self.at(other, offset, is_first_of_pair));
                first.map(|first| (other, first))
            }
            _ => None,
        };
        found.ok_or_else(|| LinkError::Unpaired {
            place: graph.place(block, u64::from(edge.offset)),
            kind: (graph.format.relocation)(edge.kind),
            symbol: String::from_utf8_lossy(graph.symbol_name(edge.target)).into_owned(),
        })
    }

    /// The offset of an edge's variable from the thread pointer.
    fn thread_offset(&self, block: &Block, edge: &Edge) -> Result<u64, LinkError> {
        let ask = |of| self.answer(block, edge, of, Question::ThreadOffset).map(|answer| answer[0]);
        match self.variable(block, edge)? {
            Variable::Own(offset) => Ok(ask(Variable::Own(0))?.wrapping_add(offset)),
            other => ask(other),
        }
    }

    fn variable(&self, block: &Block, edge: &Edge) -> Result<Variable, LinkError> {
        variable(&self.member.graph, self.targets, edge.target)
            .ok_or_else(|| self.thread_local(block, edge, "the symbol is no thread-local variable"))
    }

    fn answer(&self, block: &Block, edge: &Edge, of: Variable, question: Question) -> Result<[u64; 2], LinkError> {
        let answer = self.threads.questions.answer(self.threads.answers, of, question);
        answer.ok_or_else(|| self.thread_local(block, edge, "nothing is known of where the variable lies"))
    }

    /// The address of an edge's slot.
    fn slot(&self, block: &Block, edge: &Edge, entry: Entry) -> Result<u64, LinkError> {
        let entry = if entry == Entry::Stub { Entry::Got } else { entry };
        match self.member.tables.find(edge.target, entry) {
            Some(index) => Ok(self.member.share.got + u64::from(index) * self.arch().slot_size),
            None => {
                let value = self.addresses[edge.target.0 as usize] as i64;
                Err(self.misfit(block, edge, value, Misfit::Range(i32::MIN.into(), i32::MAX.into())))
            }
        }
    }

    /// The address of a symbol's stub.
    fn stub(&self, symbol: SymbolId) -> Option<u64> {
        let index = self.member.tables.find(symbol, Entry::Stub)?;
        Some(self.member.share.stubs + u64::from(index) * self.arch().stub_size)
    }

    fn write_stubs(&self, lanes: &mut impl Places) -> Result<(), LinkError> {
        let Member { tables, share, graph } = self.member;
        let arch = graph.arch();
        let slots = tables.all().filter(|planned| planned.entry == Entry::Stub).filter_map(|planned| {
            let slot = tables.find_any(planned.symbol, Entry::Got)?;
            Some((planned.index, share.got + u64::from(slot) * arch.slot_size))
        });
        let indirect = (0..).zip(&tables.indirect);
        let indirect = indirect.map(|(slot, indirect)| (indirect.stub, share.indirect + slot * arch.slot_size));
        for (index, slot) in slots.chain(indirect) {
            let address = share.stubs + u64::from(index) * arch.stub_size;
            if let Some(code) = lanes.at(Lane::Code, address, arch.stub_size)
                && !(arch.stub)(address, slot, code)
            {
                return Err(LinkError::TooLarge { file: graph.input.name().to_string() });
            }
        }
        Ok(())
    }

    fn write_slots(&self, lanes: &mut impl Places) -> Result<(), LinkError> {
        let Member { tables, share, graph } = self.member;
        let size = graph.arch().slot_size;
        for planned in tables.all().filter(|planned| planned.entry != Entry::Stub) {
            let words = match question(planned.entry) {
                None => [self.addresses[planned.symbol.0 as usize], 0],
                Some(question) => {
                    let variable = entry_variable(graph, self.targets, planned.symbol, planned.entry);
                    let answer = variable
                        .and_then(|variable| self.threads.questions.answer(self.threads.answers, variable, question));
                    answer.ok_or_else(|| LinkError::ThreadLocal {
                        place: graph.input.name().to_string(),
                        kind: "thread-local access",
                        symbol: String::from_utf8_lossy(graph.symbol_name(planned.symbol)).into_owned(),
                        what: "the symbol is no thread-local variable",
                    })?
                }
            };
            let count = if matches!(planned.entry, Entry::Got | Entry::ThreadOffset) { 1 } else { 2 };
            for (index, word) in (u64::from(planned.index)..).zip(&words[..count]) {
                if let Some(bytes) = lanes.at(Lane::ReadOnly, share.got + index * size, size) {
                    bytes.copy_from_slice(&word.to_le_bytes()[..size as usize]);
                }
            }
        }
        Ok(())
    }

    /// A reference to something that was dropped is an error, unless the value does not depend on where it lies.
    fn check_dropped(&self, block: &Block, edge: &Edge) -> Result<(), LinkError> {
        let info = self.arch().info(edge.kind);
        if matches!(info.value, Value::GotBase | Value::Size) || info.entry == Some(Entry::Module) {
            return Ok(());
        }
        let graph = &self.member.graph;
        // Assemblers for RISC-V leave the distances in it to the linker. Nothing leads to those of dropped functions.
        if graph.section_name(block.section).starts_with(b".gcc_except_table") {
            return Ok(());
        }
        // A number that looks like the mark.
        let own = self.targets.get(edge.target) == Target::Own;
        if !own || graph.symbol(edge.target).definition == Definition::Absolute {
            return Ok(());
        }
        Err(LinkError::Discarded {
            place: graph.place(block, u64::from(edge.offset)),
            symbol: String::from_utf8_lossy(graph.symbol_name(edge.target)).into_owned(),
        })
    }

    fn thread_local(&self, block: &Block, edge: &Edge, what: &'static str) -> LinkError {
        let graph = &self.member.graph;
        LinkError::ThreadLocal {
            place: graph.place(block, u64::from(edge.offset)),
            kind: (graph.format.relocation)(edge.kind),
            symbol: String::from_utf8_lossy(graph.symbol_name(edge.target)).into_owned(),
            what,
        }
    }

    fn misfit(&self, block: &Block, edge: &Edge, value: i64, misfit: Misfit) -> LinkError {
        let graph = &self.member.graph;
        let place = graph.place(block, u64::from(edge.offset));
        let kind = (graph.format.relocation)(edge.kind);
        let symbol = String::from_utf8_lossy(graph.symbol_name(edge.target)).into_owned();
        let (min, max) = match misfit {
            Misfit::Range(min, max) => (min, max),
            Misfit::Alignment(align) => {
                let hint = "give what it refers to that alignment";
                return LinkError::Misaligned { place, kind, symbol, value, align, hint };
            }
        };
        let hint = match self.arch().info(edge.kind).value {
            Value::Difference | Value::Subtrahend => "the two places are too far apart",
            Value::Relative | Value::Absolute => "compile with -fPIC",
            _ => "compile with -mcmodel=large or -fPIC",
        };
        LinkError::OutOfRange { place, kind, symbol, value, min, max, hint }
    }
}

/// The start of the page of 4 KiB that an address lies in.
fn page(address: i64) -> i64 {
    address & !0xfff
}
