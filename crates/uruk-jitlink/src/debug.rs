//! Debug images: what debuggers and symbolizers are given to name linked code, its lines and its variables.
//!
//! Data flow: the bytes of one or more linked objects, and their [`Places`] → debug sections, decompressed,
//! concatenated by name and relocated (`relocate`) → an ELF executable whose sections lie at their final addresses
//! (`write`). Loaded sections have an address there and no bytes, since debuggers read them from the process;
//! `.eh_frame` has its bytes, since gdb unwinds by these. The same form serves gdb's and lldb's JIT interface, with a
//! base of 0, and as a module's file Rust's and C++'s backtraces; these take a module at 0 for the executable.
//! Nothing of it is made before somebody asks: until then an object costs its [`Places`].
//! Invariants: a reference to something that was dropped holds a value that no code has (the tombstones of lld); what
//! cannot be computed does, too, as one odd field must not hide the other functions.
//! An image has structures of 64 bits for riscv32 too: no executor runs such code, so that no debugger is shown one; who
//! reads images otherwise finds the sections, whose debug information says itself that addresses have four bytes.
//! Sources: gABI 4.3; DWARF 5 §7.3 and §2.17.3; lld's treatment of relocations in sections that are not loaded.

mod darwin;
mod made;
mod relocate;
mod sections;
#[cfg(test)]
mod tests;
mod write;

use crate::error::LinkError;
use crate::fixup::DROPPED;
use crate::format::{Container, container};
use crate::graph::*;
use crate::input::Input;
use crate::layout::{Member, lane};
use crate::resolve::{Target, Targets};
use relocate::Object;
use sections::Outputs;
use std::ops::Range;
use write::{Run, Use};

/// Where the parts of a linked object lie: all that its debug image needs beside its bytes.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The address of each block, by its id, or [`DROPPED`]; of a thread-local one its offset in the image.
    blocks: Box<[u64]>,
    /// Variables that the object defines and that lie elsewhere: common ones, and weak ones that another object or
    /// library has brought; in the order of their ids.
    elsewhere: Vec<(SymbolId, u64)>,
    /// Where code has been cut, so that what the object says of it is no longer true.
    moved: Option<Box<Moved>>,
    /// Its shares of the lanes, and of the zero-fill behind the data.
    runs: [Range<u64>; 4],
    /// What an image takes from the bytes of an object, for one that has none.
    made: Option<Box<made::Made>>,
}

/// What has become of code that was cut.
#[derive(Clone, Debug)]
struct Moved {
    /// Values and sizes of all symbols.
    symbols: Box<[(u64, u64)]>,
    /// Sizes of all blocks.
    blocks: Box<[u64]>,
}

impl Places {
    /// Of a member whose addresses are final; `addresses` are those of its symbols.
    pub fn new(member: &Member, targets: &Targets, addresses: &[u64]) -> Places {
        let graph = &member.graph;
        let blocks = graph.blocks.iter().map(|block| if block.live { block.address } else { DROPPED }).collect();
        let elsewhere = graph.globals().filter(|(id, symbol)| {
            symbol.kind == SymbolKind::Object
                && match symbol.definition {
                    // The linker has made room for a common one: a block that no section of the object stands for.
                    Definition::Block(block) => {
                        targets.get(*id) != Target::Own || graph.section(graph.block(block).section).name == (0..0)
                    }
                    Definition::Common => true,
                    Definition::Undefined | Definition::Absolute => false,
                }
        });
        let elsewhere = elsewhere.map(|(id, _)| (id, addresses[id.0 as usize])).collect();
        let [code, read_only, data] = member.share.lanes.clone();
        let made = made::Made::new(member, targets, addresses);
        let moved = graph.moved.then(|| {
            let symbols = graph.symbols.iter().map(|symbol| (symbol.value, symbol.size)).collect();
            Box::new(Moved { symbols, blocks: graph.blocks.iter().map(|block| block.size).collect() })
        });
        Places { blocks, elsewhere, moved, runs: [code, read_only, data, member.share.zero.clone()], made }
    }

    /// The lowest address that anything of the object has.
    pub fn lowest(&self) -> u64 {
        let taken = self.runs.iter().filter(|run| !run.is_empty());
        taken.map(|run| run.start).min().unwrap_or(u64::MAX)
    }

    /// The code that the object's image names.
    pub fn code(&self) -> Range<u64> {
        self.runs[0].clone()
    }
}

/// What addresses in an image are relative to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// Subtracted from addresses in memory. None of the objects lies below it, nor right at it, as address 0 marks what
    /// was dropped.
    pub base: u64,
    /// Added to offsets in the thread-local image of the objects' batch. `None` if debuggers cannot find it: then they
    /// are told an address that no variable has, since the offset alone would have them show another variable.
    pub threads: Option<u64>,
}

/// An object in an image, by where it comes from.
enum Part<'a> {
    File(Object<'a>),
    Made(made::Object<'a>),
}

/// An ELF image of linked objects. That of one Mach-O object has its debug information, that of several their symbols only.
pub fn image(objects: &[(&Input, &Places)], origin: Origin) -> Result<Vec<u8>, LinkError> {
    let mut runs = Vec::new();
    let mut outputs = Outputs::default();
    let mut parts = Vec::with_capacity(objects.len());
    for (input, places) in objects {
        parts.push(match &places.made {
            None => {
                let object = Object::parse(input, places, origin, &mut outputs)?;
                runs.extend(object.runs());
                Part::File(object)
            }
            Some(made) => {
                runs.extend(places.shares(origin));
                if objects.len() == 1 && container(input) == Container::MachO {
                    darwin::append(input, places, origin.base, &mut outputs)?;
                }
                Part::Made(made::Object::new(made, origin, &mut outputs))
            }
        });
    }
    let runs = write::merge(runs);
    for part in &parts {
        match part {
            Part::File(object) => object.relocate(&mut outputs)?,
            Part::Made(object) => object.relocate(&mut outputs),
        }
    }
    let mut symbols = write::Symbols::new(&runs);
    for local in [true, false] {
        for part in &parts {
            match part {
                Part::File(object) => object.add_symbols(local, &mut symbols)?,
                Part::Made(object) => object.add_symbols(local, &mut symbols),
            }
        }
    }
    let machine = parts.first().map_or(0, |part| match part {
        Part::File(object) => object.machine(),
        Part::Made(object) => object.machine(),
    });
    Ok(write::file(machine, &runs, symbols, &outputs))
}

/// What the runs of a [`Places`] hold.
const USES: [Use; 4] = [Use::Code, Use::ReadOnly, Use::Data, Use::Zero];

impl Places {
    /// The object's shares of the lanes in an image.
    fn shares(&self, origin: Origin) -> impl Iterator<Item = Run> + '_ {
        let shares = self.runs.iter().zip(USES).filter(|(run, _)| !run.is_empty());
        let moved = move |address: u64| address.wrapping_sub(origin.base);
        shares.map(move |(run, what)| Run { range: moved(run.start)..moved(run.end), what })
    }
}

impl Object<'_> {
    /// The runs of memory that the object takes: its shares, and blocks that were gathered elsewhere.
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = self.places.shares(self.origin).collect();
        let shares = runs.len();
        for block in &self.blocks {
            let Some(lane) = lane(block.kind) else { continue };
            let what = USES[lane as usize];
            let range = block.address..block.address.saturating_add(block.size);
            let gathered =
                block.address != DROPPED && !runs[..shares].iter().any(|share| share.range.contains(&range.start));
            if gathered && !range.is_empty() {
                runs.push(Run { range, what });
            }
        }
        runs
    }
}
