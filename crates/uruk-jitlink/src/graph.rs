//! The link graph: one object as flat vectors of sections, blocks, symbols and edges.
//!
//! Data flow: a reader fills it, or a compiler does, passes change it, layout gives blocks their addresses, fix-up applies the edges.
//! Everything refers to everything else by index. Block content stays in the input until it is written to its final
//! place. Invariants: the edges of a block lie together, in order of offset, and every edge's field lies inside its
//! block; `SymbolId`s of an ELF object are the indices of its symbol table, so symbol 0 is the null symbol.

use crate::action::Action;
use crate::arch::Architecture;
use crate::elf;
use crate::format::Format;
use crate::input::Input;
use crate::names::Name;
use std::ops::Range;
use std::sync::Arc;

/// A section of the object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SectionId(pub u32);

/// A run of bytes that is kept, moved or dropped as a whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockId(pub u32);

/// A symbol of the object, named or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SymbolId(pub u32);

/// What an edge asks for; the graph's [`Architecture`] gives the numbers their meaning.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EdgeKind(pub u8);

/// What a section is for, which decides where it goes and who looks at it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SectionKind {
    /// Machine code.
    Code,
    /// Constants.
    ReadOnly,
    /// Variables with initial values.
    Data,
    /// Variables that start as zero.
    Zero,
    /// Initial values of thread-local variables.
    TlsData,
    /// Thread-local variables that start as zero.
    TlsZero,
    /// DWARF call-frame records.
    EhFrame,
    /// Records of functions for Windows' unwinder ([`pdata`](crate::pdata)).
    Pdata,
    /// Pointers to functions that run before `main` or after it.
    Functions(FunctionTable, Order),
    /// What nobody needs once the batch is final, as what allocation actions read; its memory goes then.
    Scratch,
    /// Debug information and other sections that are not loaded.
    Unloaded,
}

impl SectionKind {
    /// Whether it takes no bytes in the object.
    pub fn is_zero_fill(self) -> bool {
        matches!(self, SectionKind::Zero | SectionKind::TlsZero)
    }

    /// Whether it describes how to unwind functions, each of its records one, and goes with them.
    pub fn is_unwind_records(self) -> bool {
        matches!(self, SectionKind::EhFrame | SectionKind::Pdata)
    }

    /// Whether it belongs to the image that each thread gets a copy of.
    pub fn is_thread_local(self) -> bool {
        matches!(self, SectionKind::TlsData | SectionKind::TlsZero)
    }
}

/// Which table of functions a section is part of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FunctionTable {
    /// `.preinit_array`.
    Preinit,
    /// `.init_array` and, run backwards, `.ctors`.
    Init,
    /// `.fini_array` and `.dtors`; run in the reverse of the order of initialisation.
    Fini,
}

/// Where the functions of a section stand among those of the other sections.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Order {
    /// Lower ones initialise first; sections without a number come last, as 65,536.
    pub priority: u32,
    /// Entries run from the last to the first (`.ctors`).
    pub backwards: bool,
}

/// A section's name and use.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name, as a range of the input, which the reader has checked, or past it of [`LinkGraph::added_names`].
    pub name: Range<u32>,
    /// What it is for.
    pub kind: SectionKind,
    /// It may lie out of 32-bit reach (the medium and large code models' data).
    pub large: bool,
    /// Kept by a collection ([`gc`](crate::gc)) although nothing refers to it.
    pub retain: bool,
}

/// Where a block's initial bytes are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// At this offset of the input.
    Input(u64),
    /// At this offset of [`LinkGraph::made`].
    Made(u64),
    /// Nowhere: all zero.
    Zero,
}

/// A run of bytes with the edges that lie in it.
#[derive(Clone, Debug)]
pub struct Block {
    /// Where its bytes come from.
    pub content: Content,
    /// Its length in bytes.
    pub size: u64,
    /// Target address once laid out; in a thread-local section the offset in the batch's image.
    pub address: u64,
    /// Its edges, in order of offset.
    pub edges: Range<u32>,
    /// The section that it is part of.
    pub section: SectionId,
    /// Base-2 logarithm of its alignment.
    pub align_log2: u8,
    /// Dropped blocks are neither laid out nor fixed up.
    pub live: bool,
}

/// What a symbol's value is relative to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Definition {
    /// Not defined here; after resolution, the definition lies elsewhere and `value` is its address.
    Undefined,
    /// `value` bytes into a block.
    Block(BlockId),
    /// `value` is an address, or a number.
    Absolute,
    /// To be allocated by the linker: `value` is the alignment.
    Common,
}

/// How a symbol binds across objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Binding {
    /// Seen by its own object only.
    Local,
    /// One definition a dylib.
    Global,
    /// Gives way to a global one; undefined, it may stay so and is null.
    Weak,
    /// Like weak, and one for the whole process.
    Unique,
}

/// Who sees a symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visibility {
    /// Other dylibs, which may also take it over.
    Default,
    /// Other dylibs, but this one always uses its own.
    Protected,
    /// The objects of this dylib.
    Hidden,
}

/// What a symbol stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SymbolKind {
    /// Not said.
    None,
    /// A function.
    Function,
    /// A variable.
    Object,
    /// The start of a section.
    Section,
    /// A thread-local variable; its value is an offset in the thread's image.
    ThreadLocal,
    /// A function that returns the function to call.
    Indirect,
    /// A source file's name.
    File,
}

/// A symbol.
#[derive(Clone, Debug)]
pub struct Symbol {
    /// Offset in a block, address, or alignment, as `definition` says.
    pub value: u64,
    /// Size in bytes, 0 where not said.
    pub size: u64,
    /// Offset of the name in the string table, or past it in [`LinkGraph::added_names`].
    pub name: u32,
    /// What `value` is relative to.
    pub definition: Definition,
    /// How it binds.
    pub binding: Binding,
    /// Who sees it.
    pub visibility: Visibility,
    /// What it stands for.
    pub kind: SymbolKind,
}

/// A place in a block that depends on a symbol's address. Sixteen bytes; the graph has more of these than of anything.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// Offset of the field in its block.
    pub offset: u32,
    /// The symbol that it refers to.
    pub target: SymbolId,
    /// The addend, or, where `wide` is set, an index of [`LinkGraph::wide_addends`].
    pub addend: i32,
    /// What is computed and how it is stored.
    pub kind: EdgeKind,
    /// The addend does not fit 32 bits.
    pub wide: bool,
}

/// Sections that are kept or dropped together.
#[derive(Clone, Debug)]
pub struct Group {
    /// Only the first group of its signature in a dylib is kept.
    pub comdat: bool,
    /// The name that identifies it across objects.
    pub signature: Name,
    /// Its sections' blocks.
    pub blocks: Vec<BlockId>,
}

/// A table entry that an edge needs before it can be fixed up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Entry {
    /// A slot that holds the symbol's address.
    Got,
    /// A jump to the symbol, through a GOT slot.
    Stub,
    /// A slot that holds the thread-local variable's offset from the thread pointer.
    ThreadOffset,
    /// Two slots: the variable's module and its offset in there, for `__tls_get_addr`.
    ModuleAndOffset,
    /// Two slots: this batch's module and 0.
    Module,
    /// Two slots: a descriptor's function and argument.
    Descriptor,
    /// A jump to the symbol, like a stub, if it does not lie in the session's memory.
    Inside,
}

/// A wish for a table entry, gathered while edges are read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Want {
    /// The symbol that the entry is for.
    pub symbol: SymbolId,
    /// Which entry.
    pub entry: Entry,
    /// The instruction can be rewritten to do without if the symbol is in reach.
    pub relaxable: bool,
}

/// One object, ready to be linked.
#[derive(Clone)]
pub struct LinkGraph {
    /// The object's bytes; none where a compiler made the graph, only the name.
    pub input: Input,
    /// What kind of object it is.
    pub format: &'static Format,
    /// Sections that are loaded or kept for debuggers.
    pub sections: Vec<Section>,
    /// Runs of bytes.
    pub blocks: Vec<Block>,
    /// Symbols.
    pub symbols: Vec<Symbol>,
    /// Edges of all blocks.
    pub edges: Vec<Edge>,
    /// Addends that do not fit an edge.
    pub wide_addends: Vec<i64>,
    /// Content made by readers, compilers and passes.
    pub made: Vec<u8>,
    /// Section groups.
    pub groups: Vec<Group>,
    /// Blocks that describe another, which comes second, and live if it does (`SHF_LINK_ORDER`).
    pub descriptions: Vec<(BlockId, BlockId)>,
    /// References that change no byte and only keep their target (`R_X86_64_NONE`).
    pub mentions: Vec<(BlockId, SymbolId)>,
    /// Calls when its memory is final and when it goes.
    pub actions: Vec<Action>,
    /// Table entries that edges ask for; sorted and unique once read.
    pub wants: Vec<Want>,
    /// The string table of local names, as a range of the input.
    pub strings: Range<usize>,
    /// Names that passes have made, each with a zero byte behind it; empty or begins with one.
    pub added_names: Vec<u8>,
    /// Symbols from this one on are seen by other objects, if they are not `Local` all the same.
    pub first_global: SymbolId,
    /// Passes have added blocks to sections that are not the last: those of one section do not follow each other.
    pub scattered: bool,
    /// Code has been cut: symbols lie elsewhere than the object's table says.
    pub moved: bool,
    /// Its code may use compressed instructions, where the architecture has such.
    pub compressed: bool,
    /// An edge stores a 32-bit absolute address.
    pub needs_low: bool,
    /// An edge needs thread-local variables at a fixed offset from the thread pointer.
    pub needs_static_tls: bool,
    /// An edge's field holds an offset of a thread-local variable itself.
    pub has_tls_fields: bool,
}

impl LinkGraph {
    /// A graph of nothing but the null symbol, to be filled through [`edit`](LinkGraph::edit); messages call it `name`.
    /// See [`edit`](crate::edit) for how compilers make one.
    ///
    /// It is one of ELF x86-64; [`with_format`](LinkGraph::with_format) makes others.
    pub fn new(name: impl Into<Arc<str>>) -> LinkGraph {
        LinkGraph::with_format(name, &elf::x86_64::FORMAT)
    }

    /// The same for a format and an architecture.
    pub fn with_format(name: impl Into<Arc<str>>, format: &'static Format) -> LinkGraph {
        LinkGraph::with_input(Input::from_bytes(name, Vec::new()), format)
    }

    /// The same for a reader of this input.
    pub(crate) fn with_input(input: Input, format: &'static Format) -> LinkGraph {
        let mut graph = LinkGraph::of(input, format);
        graph.symbols.push(Symbol {
            value: 0,
            size: 0,
            name: 0,
            definition: Definition::Undefined,
            binding: Binding::Local,
            visibility: Visibility::Default,
            kind: SymbolKind::None,
        });
        graph.first_global = SymbolId(1);
        graph
    }

    /// A graph that nothing has been read into yet.
    pub(crate) fn of(input: Input, format: &'static Format) -> LinkGraph {
        LinkGraph {
            input,
            format,
            sections: Vec::new(),
            blocks: Vec::new(),
            symbols: Vec::new(),
            edges: Vec::new(),
            wide_addends: Vec::new(),
            made: Vec::new(),
            groups: Vec::new(),
            descriptions: Vec::new(),
            mentions: Vec::new(),
            actions: Vec::new(),
            wants: Vec::new(),
            strings: 0..0,
            added_names: Vec::new(),
            first_global: SymbolId(0),
            scattered: false,
            moved: false,
            compressed: false,
            needs_low: false,
            needs_static_tls: false,
            has_tls_fields: false,
        }
    }

    /// Its architecture.
    pub fn arch(&self) -> &'static Architecture {
        self.format.arch
    }

    /// The block of an id.
    pub fn block(&self, id: BlockId) -> &Block {
        &self.blocks[id.0 as usize]
    }

    /// The symbol of an id.
    pub fn symbol(&self, id: SymbolId) -> &Symbol {
        &self.symbols[id.0 as usize]
    }

    /// The section of an id.
    pub fn section(&self, id: SectionId) -> &Section {
        &self.sections[id.0 as usize]
    }

    /// The edges of a block, in order of offset.
    pub fn edges(&self, block: &Block) -> &[Edge] {
        &self.edges[block.edges.start as usize..block.edges.end as usize]
    }

    /// An edge's addend, as the object file has it.
    pub fn addend(&self, edge: &Edge) -> i64 {
        if edge.wide { self.wide_addends[edge.addend as usize] } else { i64::from(edge.addend) }
    }

    /// The initial bytes of a block; none where it is zero-fill.
    pub fn content(&self, block: &Block) -> &[u8] {
        let slice = |bytes: &'_ [u8], at: u64| -> Range<usize> {
            debug_assert!(at + block.size <= bytes.len() as u64);
            at as usize..(at + block.size) as usize
        };
        match block.content {
            Content::Input(at) => &self.input[slice(&self.input, at)],
            Content::Made(at) => &self.made[slice(&self.made, at)],
            Content::Zero => &[],
        }
    }

    /// Where the input's last bytes that will be written end: once the graph has been read, what follows is only for
    /// debuggers and messages.
    pub fn end_of_content(&self) -> usize {
        let end = |block: &Block| match block.content {
            Content::Input(at) => at + block.size,
            Content::Made(_) | Content::Zero => 0,
        };
        self.blocks.iter().map(end).max().unwrap_or(0) as usize
    }

    /// Gives a common symbol its room, in a block of its own that starts as zero. `align` is a power of two.
    pub fn allocate_common(&mut self, id: SymbolId, size: u64, align: u64) {
        if self.sections.last().is_none_or(|last| last.kind != SectionKind::Zero || last.name != (0..0)) {
            self.sections.push(Section { name: 0..0, kind: SectionKind::Zero, large: false, retain: false });
        }
        let section = SectionId(self.sections.len() as u32 - 1);
        let block = BlockId(self.blocks.len() as u32);
        self.blocks.push(Block {
            content: Content::Zero,
            size,
            address: 0,
            edges: 0..0,
            section,
            align_log2: align.trailing_zeros() as u8,
            live: true,
        });
        let symbol = &mut self.symbols[id.0 as usize];
        symbol.definition = Definition::Block(block);
        symbol.value = 0;
    }

    /// A section's name.
    pub fn section_name(&self, id: SectionId) -> &[u8] {
        let name = &self.section(id).name;
        let (start, end) = (name.start as usize, name.end as usize);
        match start.checked_sub(self.input.len()) {
            None => self.input.get(start..end).unwrap_or_default(),
            Some(at) => self.added_names.get(at..at + (end - start)).unwrap_or_default(),
        }
    }

    /// A symbol's name as the object's string table has it; a section symbol has its section's.
    pub fn symbol_name(&self, id: SymbolId) -> &[u8] {
        let symbol = self.symbol(id);
        if let (SymbolKind::Section, Definition::Block(block)) = (symbol.kind, symbol.definition) {
            return self.section_name(self.block(block).section);
        }
        let strings = self.input.get(self.strings.clone()).unwrap_or_default();
        let name = match (symbol.name as usize).checked_sub(strings.len()) {
            None => &strings[symbol.name as usize..],
            Some(at) => self.added_names.get(at..).unwrap_or_default(),
        };
        name.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Symbols that other objects may see, with their ids.
    pub fn globals(&self) -> impl Iterator<Item = (SymbolId, &Symbol)> {
        let first = self.first_global.0;
        self.symbols[first as usize..].iter().zip(first..).map(|(symbol, id)| (SymbolId(id), symbol))
    }

    /// A place in the object, in words, for messages: `foo.o(.text+0x2a)`.
    pub fn place(&self, block: &Block, offset: u64) -> String {
        format!("{}({}+{offset:#x})", self.input.name(), String::from_utf8_lossy(self.section_name(block.section)))
    }
}

/// Rounds up to a multiple of `1 << align_log2`.
pub fn align_up(value: u64, align_log2: u8) -> u64 {
    let mask = (1u64 << align_log2) - 1;
    (value + mask) & !mask
}
