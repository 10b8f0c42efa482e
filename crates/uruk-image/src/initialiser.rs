//! Pointers that no linker can fill, filled by a function that runs before `main`.
//!
//! Data flow: the data's graph → each pointer to a symbol of an image's externals becomes an entry of a list → a function that goes
//! through the list, in the table of functions that a program begins with.
//! A DLL's variable has no address that a linker knows, only a pointer to it that the system's loader fills (`__imp_X`): the list has
//! where each field is, that pointer, and an addend. ELF and Mach-O need none of this, since their loaders fill pointers in data.
//! Sources: PE Format, "Import Address Table"; Microsoft's "CRT initialization", `.CRT$XCB`.

use crate::closure::Closure;
use crate::error::Error;
use foldhash::{HashMap, HashSet};
use uruk_jitlink::arch::{ABS64, PC32};
use uruk_jitlink::coff;
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::graph::{BlockId, Edge, FunctionTable, LinkGraph, Order, SectionKind, SymbolId, SymbolKind};

/// Bytes of an entry: the address of the field, that of the pointer to what it is to point to, and what is added.
const ENTRY: usize = 24;

/// The function.
///
/// ```text
///     lea first(%rip),%rax
///     lea last(%rip),%rcx
/// 1:  cmp %rcx,%rax
///     je 2f
///     mov (%rax),%r8
///     mov 8(%rax),%rdx
///     mov (%rdx),%rdx
///     add 16(%rax),%rdx
///     mov %rdx,(%r8)
///     add $24,%rax
///     jmp 1b
/// 2:  ret
/// ```
const CODE: &[u8] =
    b"\x48\x8d\x05\0\0\0\0\x48\x8d\x0d\0\0\0\0\x48\x39\xc8\x74\x17\x4c\x8b\x00\x48\x8b\x50\x08\x48\x8b\x12\
    \x48\x03\x50\x10\x49\x89\x10\x48\x83\xc0\x18\xeb\xe4\xc3";
/// Its fields: where they are, and whether they are about the end of the list.
const FIELDS: [(u32, bool); 2] = [(3, false), (10, true)];

impl Closure {
    /// Has the pointers of a graph of this data ([`to_graph`](Closure::to_graph)) that lead to symbols of others filled by a function that
    /// runs before `main` and the program's own initialisers. For COFF on x86-64, where these symbols may be variables of DLLs.
    ///
    /// Gives how many there are. Symbols that may be absent stay with the linker.
    pub fn initialise_externals(&self, graph: &mut LinkGraph) -> Result<usize, Error> {
        if graph.format != &coff::x86_64::FORMAT {
            let what = format!("the pointers of {} are filled by loaders; no function has to do it", graph.format.name);
            return Err(Error::Object { object: graph.input.name().to_string(), what });
        }
        let container = graph.format.container;
        let strong = self.externals.iter().filter(|external| !external.weak);
        let names: HashSet<Vec<u8>> =
            strong.map(|external| container.object_name(external.name.as_bytes()).into_owned()).collect();
        let is_listed =
            |graph: &LinkGraph, edge: &Edge| edge.kind == ABS64 && names.contains(graph.symbol_name(edge.target));
        let mut list: Vec<(BlockId, u32, SymbolId, i64)> = Vec::new();
        for (id, block) in (0..).map(BlockId).zip(&graph.blocks) {
            let edges = graph.edges(block).iter().filter(|edge| is_listed(graph, edge));
            list.extend(edges.map(|edge| (id, edge.offset, edge.target, graph.addend(edge))));
        }
        if list.is_empty() {
            return Ok(0);
        }
        let listed: HashSet<(BlockId, u32)> = list.iter().map(|(block, offset, ..)| (*block, *offset)).collect();
        let mut imports: HashMap<SymbolId, Vec<u8>> = HashMap::default();
        for (_, _, target, _) in &list {
            let name = || [b"__imp_", graph.symbol_name(*target)].concat();
            imports.entry(*target).or_insert_with(name);
        }
        let mut editor = graph.edit(Stage::BeforePruning);
        let mut entries = vec![0; list.len() * ENTRY];
        for (entry, (_, _, _, addend)) in entries.chunks_exact_mut(ENTRY).zip(&list) {
            entry[16..].copy_from_slice(&addend.to_le_bytes());
        }
        let section = editor.add_section(".rdata", SectionKind::ReadOnly)?;
        let table = editor.add_block(section, &entries, 8)?;
        let first = editor.add_symbol(NewSymbol::local("uruk.pointers", table, 0))?;
        let mut anchors: HashMap<BlockId, SymbolId> = HashMap::default();
        for (number, (block, offset, target, _)) in list.iter().enumerate() {
            let anchor = match anchors.get(block) {
                Some(anchor) => *anchor,
                None => {
                    let anchor = editor.add_symbol(NewSymbol::local("", *block, 0))?;
                    editor.retain_edges(*block, |edge| !listed.contains(&(*block, edge.offset)))?;
                    anchors.insert(*block, anchor);
                    anchor
                }
            };
            let import = editor.external(&imports[target])?;
            let at = (number * ENTRY) as u32;
            editor.add_edge(table, at, ABS64, anchor, i64::from(*offset))?;
            editor.add_edge(table, at + 8, ABS64, import, 0)?;
        }
        let section = editor.add_section(".text", SectionKind::Code)?;
        let code = editor.add_block(section, CODE, 16)?;
        for (field, is_end) in FIELDS {
            let end = if is_end { entries.len() as i64 } else { 0 };
            // Counted from the field's end.
            editor.add_edge(code, field, PC32, first, end - 4)?;
        }
        let fill = NewSymbol::local("uruk.fill_pointers", code, 0).kind(SymbolKind::Function).size(CODE.len() as u64);
        let fill = editor.add_symbol(fill)?;
        let before = SectionKind::Functions(FunctionTable::Init, Order { priority: 0, backwards: false });
        let section = editor.add_section(".CRT$XCB", before)?;
        editor.retain_section(section)?;
        let slot = editor.add_block(section, &[0; 8], 8)?;
        editor.add_edge(slot, 0, ABS64, fill, 0)?;
        Ok(list.len())
    }
}
