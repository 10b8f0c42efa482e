//! Link graphs as one relocatable object file, for the system's linker to make a program or a library of.
//!
//! Data flow: graphs of one format → blocks gathered by what their sections are called and are for ([`sections`]) → one table of
//! symbols ([`symbols`]) → the container, with a relocation for each edge ([`elf`], [`macho`], [`coff`]).
//! Invariants: the same graphs give the same bytes; what is written is in the order of the graphs and of what they have; the time
//! taken is linear in that. What the format cannot say is an error that names the place.

mod coff;
mod elf;
mod macho;
mod sections;
mod symbols;

use crate::error::Error;
use crate::link::{self, text};
use sections::{Output, Sections};
use symbols::Symbols;
use uruk_jitlink::arch::{Field, NOTHING};
use uruk_jitlink::format::{Container, Format};
use uruk_jitlink::graph::{Block, Edge, EdgeKind, LinkGraph};

/// Writes graphs of one format as a relocatable object: an ELF file of type `ET_REL` (gABI 4.3, "Object Files"; relocations with
/// addends as the psABIs of x86-64, AArch64 and RISC-V have them), a Mach-O file of type `MH_OBJECT` (`mach-o/loader.h`), or a COFF object
/// (PE Format, "COFF File Header").
///
/// A symbol that one graph defines and others refer to is one symbol; a strong definition is taken before common and weak ones, then the
/// first. Nobody else sees local ones. In ELF, `name@VERSION` refers to that version of a symbol.
///
/// What a graph does not have is not written:
/// - debug information of object files, which readers leave in their bytes; that of compilers' own graphs is written, for ELF;
/// - groups: a graph keeps what it was chosen to keep, and its symbols are weak here; COFF has a COMDAT section for each;
/// - `.note.gnu.property`, so that linkers mark nothing as ready for indirect-branch tracking and its like;
/// - `SHF_MERGE` and `SHF_LINK_ORDER`, which save room; what `st_other` says besides visibility, as of calling conventions;
/// - Mach-O's compact unwind records: `__eh_frame` has them all, and linkers make compact ones of these; that a weak definition may be
///   hidden (`.weak_def_can_be_hidden`); the system's version, for which macOS 11 is written;
/// - what a weak external symbol of COFF falls back on, and directives.
///
/// Errors if two graphs define a symbol for good, if graphs are of several formats or of several calling conventions, if one has
/// allocation actions or scratch sections, which only a linker at run time has a use for, if something refers to what was
/// dropped, if the format has no relocation for an edge, or no room for so many sections and symbols.
pub fn write_object(graphs: &[&LinkGraph]) -> Result<Vec<u8>, Error> {
    let merged = Merged::new(graphs)?;
    match merged.format.container {
        Container::Elf => elf::write(&merged),
        Container::MachO => macho::write(&merged),
        Container::Coff => coff::write(&merged),
    }
}

/// Graphs, and what becomes of them.
struct Merged<'a> {
    graphs: &'a [&'a LinkGraph],
    format: &'static Format,
    sections: Sections<'a>,
    symbols: Symbols<'a>,
}

impl<'a> Merged<'a> {
    fn new(graphs: &'a [&'a LinkGraph]) -> Result<Merged<'a>, Error> {
        link::check(graphs)?;
        let sections = Sections::new(graphs);
        let symbols = Symbols::new(graphs, &sections)?;
        Ok(Merged { graphs, format: graphs[0].format, sections, symbols })
    }

    /// The edges of a section's pieces that are written, with their graphs and their offsets in the section, in order.
    fn edges(&self, section: usize) -> impl Iterator<Item = Reference<'a>> + '_ {
        self.sections.list[section].pieces.iter().flat_map(move |piece| {
            let graph = self.graphs[piece.graph];
            let block = graph.block(piece.block);
            let end = piece.size;
            let edges =
                graph.edges(block).iter().filter(move |edge| edge.kind != NOTHING && u64::from(edge.offset) < end);
            edges.map(move |edge| Reference { number: piece.graph, graph, block, edge, block_at: piece.offset })
        })
    }

    /// The bytes of a section; none if it has none.
    fn content(&self, section: usize) -> Vec<u8> {
        let section = &self.sections.list[section];
        if section.kind.is_zero_fill() {
            return Vec::new();
        }
        let mut bytes = Vec::with_capacity(section.size as usize);
        for piece in &section.pieces {
            bytes.resize(piece.offset as usize, 0);
            let graph = self.graphs[piece.graph];
            bytes.extend_from_slice(&graph.content(graph.block(piece.block))[..piece.size as usize]);
        }
        bytes.resize(section.size as usize, 0);
        bytes
    }

    /// Errors if a section is aligned to more than its format can say.
    fn check_align(&self, section: &Output<'_>, most_log2: u8) -> Result<(), Error> {
        if section.align_log2 <= most_log2 {
            return Ok(());
        }
        let (name, align, most) = (text(&section.name), 1u64 << section.align_log2, 1u64 << most_log2);
        let format = self.format.name;
        let what = format!("`{name}` is aligned to {align} bytes, and sections of {format} to {most} at most");
        Err(self.refuse_section(section, what))
    }

    /// What is wrong with a section, of the object that has its first bytes.
    fn refuse_section(&self, section: &Output<'_>, what: String) -> Error {
        let graph = section.pieces.first().map_or(0, |piece| piece.graph);
        Error::Object { object: self.graphs[graph].input.name().to_string(), what }
    }

    /// What is wrong with an edge.
    fn refuse(&self, reference: &Reference<'_>, reason: &str) -> Error {
        let Reference { graph, block, edge, .. } = *reference;
        let kind = self.format.arch.info(edge.kind);
        Error::Relocation {
            place: graph.place(block, edge.offset.into()),
            format: self.format.name,
            kind: format!("{:?} in {:?}", kind.value, kind.field),
            symbol: text(graph.symbol_name(edge.target)),
            reason: reason.into(),
        }
    }
}

/// An edge to be written.
#[derive(Clone, Copy)]
struct Reference<'a> {
    /// The position of its graph.
    number: usize,
    graph: &'a LinkGraph,
    block: &'a Block,
    edge: &'a Edge,
    /// Where its block lies in the section.
    block_at: u64,
}

impl Reference<'_> {
    /// Where its field lies in the section.
    fn at(&self) -> u64 {
        self.block_at + u64::from(self.edge.offset)
    }

    fn addend(&self) -> i64 {
        self.graph.addend(self.edge)
    }
}

/// The relocation type of each edge kind, by the kind's number.
struct Numbers(Vec<Option<u32>>);

impl Numbers {
    /// Of a format: the first type that stands for a kind. A kind of plain data that has no type of its own is written as one that
    /// stores the same value in as many bytes.
    fn new(format: &Format) -> Numbers {
        let rows = format.relocations();
        let kinds = format.arch.kinds;
        let mut numbers = vec![None; kinds.len()];
        for (number, _, kind) in rows.iter().filter(|(.., kind)| *kind != NOTHING) {
            numbers[usize::from(kind.0)].get_or_insert(*number);
        }
        for (kind, info) in (0..).zip(kinds).filter(|(kind, _)| *kind != NOTHING.0) {
            let alike = rows.iter().find(|(.., other)| {
                let other = format.arch.info(*other);
                other.value == info.value && is_data(other.field, info.field) && other.entry == info.entry
            });
            if let (None, Some((number, ..))) = (numbers[usize::from(kind)], alike) {
                numbers[usize::from(kind)] = Some(*number);
            }
        }
        Numbers(numbers)
    }

    fn of(&self, kind: EdgeKind) -> Option<u32> {
        self.0.get(usize::from(kind.0)).copied().flatten()
    }
}

/// Whether two fields are as many bytes of data, and some.
fn is_data(one: Field, other: Field) -> bool {
    let code = |field| matches!(field, Field::Code { .. });
    !code(one) && !code(other) && one.size() == other.size() && one.size() != 0
}
