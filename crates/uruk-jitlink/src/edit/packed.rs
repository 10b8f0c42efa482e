//! Graphs as bytes, for caches: what a compiler made can be kept and linked again in another process.
//!
//! Only graphs from nothing have this form. Invariant: bytes that were not packed here are refused, or make a graph that is
//! whole, since a graph is unpacked by the same calls that a compiler makes.

use super::{EditError, Editor, NewSymbol, Stage};
use crate::format::Format;
use crate::graph::*;

/// Changes whenever the form does.
const MAGIC: &[u8; 8] = b"urukgr03";

/// Bytes that are no packed graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// They end too early, or hold a value that none of their kind has.
    #[error("a packed graph is damaged at byte {0}; make it anew")]
    Damaged(usize),
    /// They make no graph.
    #[error("a packed graph is damaged: {0}; make it anew")]
    Edit(#[from] EditError),
}

impl LinkGraph {
    /// The graph as bytes, for [`unpack`](LinkGraph::unpack); `None` if it has more than sections, blocks, symbols and edges, as actions,
    /// or its bytes are an object's.
    pub fn pack(&self) -> Option<Vec<u8>> {
        let more = !self.input.is_empty() || !self.groups.is_empty() || !self.mentions.is_empty();
        if more || !self.descriptions.is_empty() || !self.actions.is_empty() {
            return None;
        }
        let mut packer = Packer(Vec::with_capacity(64 + 2 * self.made.len() + 16 * self.edges.len()));
        packer.0.extend_from_slice(MAGIC);
        packer.text(self.format.name.as_bytes());
        packer.count(self.sections.len());
        for id in (0..self.sections.len() as u32).map(SectionId) {
            packer.section(self, id);
        }
        packer.count(self.blocks.len());
        for block in &self.blocks {
            packer.number(block.section.0.into());
            packer.0.extend([block.align_log2, u8::from(block.content == Content::Zero), u8::from(block.live)]);
            packer.number(block.size);
            packer.0.extend_from_slice(self.content(block));
        }
        packer.count(self.symbols.len().checked_sub(1)?);
        for id in (1..self.symbols.len() as u32).map(SymbolId) {
            packer.symbol(self, id)?;
        }
        for block in &self.blocks {
            packer.count(block.edges.len());
            for edge in self.edges(block) {
                packer.0.push(edge.kind.0);
                packer.number(edge.offset.into());
                packer.number(edge.target.0.into());
                packer.number(self.addend(edge) as u64);
            }
        }
        Some(packer.0)
    }

    /// The graph that was packed, under a name for messages.
    pub fn unpack(name: &str, bytes: &[u8]) -> Result<LinkGraph, UnpackError> {
        let mut packed = Packed { bytes, at: 0 };
        if packed.take(MAGIC.len())? != MAGIC {
            return Err(UnpackError::Damaged(0));
        }
        let format = Format::named(packed.text()?).ok_or(packed.damaged())?;
        let mut graph = LinkGraph::with_format(name, format);
        graph.made.reserve_exact(bytes.len());
        let mut editor = graph.edit(Stage::BeforePruning);
        for _ in 0..packed.count()? {
            packed.section(&mut editor)?;
        }
        let blocks = packed.count()?;
        let mut dropped = Vec::new();
        for _ in 0..blocks {
            let section = SectionId(packed.count()?);
            let [align_log2, zero, live] = [packed.byte()?, packed.byte()?, packed.byte()?];
            let align = 1u64.checked_shl(align_log2.into()).ok_or(packed.damaged())?;
            let size = packed.number()?;
            let block = match zero {
                0 => {
                    let size = usize::try_from(size).map_err(|_| packed.damaged())?;
                    editor.add_block(section, packed.take(size)?, align)?
                }
                _ => editor.add_zero_block(section, size, align)?,
            };
            if live == 0 {
                dropped.push(block);
            }
        }
        for _ in 0..packed.count()? {
            packed.symbol(&mut editor)?;
        }
        for block in (0..blocks).map(BlockId) {
            for _ in 0..packed.count()? {
                let kind = EdgeKind(packed.byte()?);
                let [offset, target] = [packed.count()?, packed.count()?];
                let addend = packed.number()? as i64;
                editor.add_edge(block, offset, kind, SymbolId(target), addend)?;
            }
        }
        dropped.into_iter().try_for_each(|block| editor.drop_block(block))?;
        drop(editor);
        Ok(graph)
    }
}

struct Packer(Vec<u8>);

impl Packer {
    /// A number in as few bytes as it needs: seven bits each, the lowest first.
    fn number(&mut self, mut number: u64) {
        while 0x80 <= number {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    fn text(&mut self, text: &[u8]) {
        self.count(text.len());
        self.0.extend_from_slice(text);
    }

    fn section(&mut self, graph: &LinkGraph, id: SectionId) {
        let section = graph.section(id);
        self.text(graph.section_name(id));
        self.0.extend([u8::from(section.large), u8::from(section.retain)]);
        if let SectionKind::Functions(table, order) = section.kind {
            self.0.extend([FUNCTIONS, table as u8, u8::from(order.backwards)]);
            self.number(order.priority.into());
        } else {
            let at = KINDS.iter().position(|kind| *kind == section.kind);
            self.0.push(at.map_or(u8::MAX, |at| at as u8));
        }
    }

    fn symbol(&mut self, graph: &LinkGraph, id: SymbolId) -> Option<()> {
        let symbol = graph.symbol(id);
        self.text(graph.symbol_name(id));
        let place = |list: &dyn Fn(usize) -> bool, count: usize| (0..count).find(|at| list(*at)).map(|at| at as u8);
        self.0.push(place(&|at| BINDINGS[at] == symbol.binding, BINDINGS.len())?);
        self.0.push(place(&|at| VISIBILITIES[at] == symbol.visibility, VISIBILITIES.len())?);
        self.0.push(place(&|at| SYMBOLS[at] == symbol.kind, SYMBOLS.len())?);
        match symbol.definition {
            Definition::Undefined => self.0.push(0),
            Definition::Absolute => self.0.push(1),
            Definition::Block(block) => {
                self.0.push(2);
                self.number(block.0.into());
            }
            Definition::Common => return None,
        }
        self.number(symbol.value);
        self.number(symbol.size);
        Some(())
    }
}

const KINDS: &[SectionKind] = &[
    SectionKind::Code,
    SectionKind::ReadOnly,
    SectionKind::Data,
    SectionKind::Zero,
    SectionKind::TlsData,
    SectionKind::TlsZero,
    SectionKind::EhFrame,
    SectionKind::Unloaded,
    SectionKind::Pdata,
    SectionKind::Scratch,
];
/// Stands for the kind that has more to it.
const FUNCTIONS: u8 = 100;
const TABLES: &[FunctionTable] = &[FunctionTable::Preinit, FunctionTable::Init, FunctionTable::Fini];
const BINDINGS: &[Binding] = &[Binding::Local, Binding::Global, Binding::Weak, Binding::Unique];
const VISIBILITIES: &[Visibility] = &[Visibility::Default, Visibility::Protected, Visibility::Hidden];
const SYMBOLS: &[SymbolKind] =
    &[SymbolKind::None, SymbolKind::Function, SymbolKind::Object, SymbolKind::ThreadLocal, SymbolKind::Indirect];

struct Packed<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Packed<'a> {
    fn damaged(&self) -> UnpackError {
        UnpackError::Damaged(self.at)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], UnpackError> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len()).ok_or(self.damaged())?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, UnpackError> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<u64, UnpackError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damaged())
    }

    fn count(&mut self) -> Result<u32, UnpackError> {
        u32::try_from(self.number()?).map_err(|_| self.damaged())
    }

    fn text(&mut self) -> Result<&'a [u8], UnpackError> {
        let length = self.count()?;
        self.take(length as usize)
    }

    /// One of a list, by its number.
    fn one<T: Copy>(&mut self, of: &[T]) -> Result<T, UnpackError> {
        let number = self.byte()?;
        of.get(usize::from(number)).copied().ok_or(self.damaged())
    }

    fn section(&mut self, editor: &mut Editor<'_>) -> Result<(), UnpackError> {
        let name = self.text()?;
        let [large, retain] = [self.byte()?, self.byte()?];
        let kind = if self.bytes.get(self.at) == Some(&FUNCTIONS) {
            self.at += 1;
            let table = self.one(TABLES)?;
            let backwards = self.byte()? != 0;
            SectionKind::Functions(table, Order { priority: self.count()?, backwards })
        } else {
            self.one(KINDS)?
        };
        let id = editor.add_section(name, kind)?;
        let section = &mut editor.graph.sections[id.0 as usize];
        (section.large, section.retain) = (large != 0, retain != 0);
        Ok(())
    }

    fn symbol(&mut self, editor: &mut Editor<'_>) -> Result<(), UnpackError> {
        let name = self.text()?;
        let (binding, visibility, kind) = (self.one(BINDINGS)?, self.one(VISIBILITIES)?, self.one(SYMBOLS)?);
        let definition = match self.byte()? {
            0 => Definition::Undefined,
            1 => Definition::Absolute,
            2 => Definition::Block(BlockId(self.count()?)),
            _ => return Err(self.damaged()),
        };
        let (value, size) = (self.number()?, self.number()?);
        editor.add_symbol(NewSymbol { name, definition, value, size, binding, visibility, kind })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump::dump;
    use crate::names::Names;
    use crate::x86_64::{ABS64, GOTPCREL};

    fn graph() -> LinkGraph {
        let mut graph = LinkGraph::new("packed");
        let mut editor = graph.edit(Stage::BeforePruning);
        let code = editor.add_section(".text", SectionKind::Code).unwrap();
        let zero = editor.add_section("", SectionKind::Zero).unwrap();
        let order = Order { priority: 700, backwards: true };
        let table = editor.add_section(".init_array", SectionKind::Functions(FunctionTable::Init, order)).unwrap();
        editor.retain_section(table).unwrap();
        let body = editor.add_block(code, b"some code of a function", 16).unwrap();
        let room = editor.add_zero_block(zero, 1 << 40, 4096).unwrap();
        let entry = editor.add_block(table, &[0; 8], 8).unwrap();
        let function = NewSymbol::global("function", body, 1).kind(SymbolKind::Function).size(9).weak();
        let function = editor.add_symbol(function).unwrap();
        editor.add_symbol(NewSymbol::local("", room, 1 << 39).hidden()).unwrap();
        editor.add_symbol(NewSymbol::absolute("number", u64::MAX)).unwrap();
        let other = editor.external("other").unwrap();
        editor.add_edge(entry, 0, ABS64, function, i64::MIN).unwrap();
        editor.add_edge(body, 4, GOTPCREL, other, -4).unwrap();
        drop(editor);
        graph
    }

    #[test]
    fn a_graph_is_unpacked_as_it_was() {
        let (graph, names) = (graph(), Names::default());
        let unpacked = LinkGraph::unpack("packed", &graph.pack().unwrap()).unwrap();
        assert_eq!(dump(&unpacked, &names).to_string(), dump(&graph, &names).to_string());
        assert_eq!((unpacked.wants.len(), unpacked.sections[2].retain), (1, true));
        assert_eq!(unpacked.sections[2].kind, graph.sections[2].kind);
    }

    #[test]
    fn damaged_bytes_are_refused_or_make_a_whole_graph() {
        let bytes = graph().pack().unwrap();
        for length in 0..bytes.len() {
            assert!(LinkGraph::unpack("short", &bytes[..length]).is_err(), "{length} bytes");
        }
        assert_eq!(LinkGraph::unpack("no", b"urukgr99 and more").err(), Some(UnpackError::Damaged(0)));
        for at in 0..bytes.len() {
            for change in [1, 0x40, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= change;
                if let Ok(graph) = LinkGraph::unpack("damaged", &damaged) {
                    let _ = dump(&graph, &Names::default()).to_string();
                }
            }
        }
    }
}
