//! What is written is read again as it was: every edge, byte and symbol.

use crate::system::*;
use std::collections::{BTreeMap, HashMap};
use uruk_jitlink::format::Container;
use uruk_jitlink::graph::*;

/// Where something is: in a section, at an offset there, as if all blocks of one name followed each other.
type Spot = (String, u64);

/// A graph without ids.
#[derive(PartialEq, Eq, Debug, Default)]
struct Contents {
    bytes: BTreeMap<String, Vec<u8>>,
    /// What an edge computes and stores, by its place: the target's name or place, and the addend.
    edges: BTreeMap<Spot, Vec<String>>,
    symbols: BTreeMap<String, Vec<String>>,
}

/// The name that a block's section is written with. What COFF chooses among others stays apart.
fn section_name(graph: &LinkGraph, id: BlockId) -> String {
    let block = graph.block(id);
    let name = String::from_utf8_lossy(graph.section_name(block.section)).into_owned();
    let is_chosen = || graph.groups.iter().any(|group| group.comdat && group.blocks.contains(&id));
    match (name.is_empty(), graph.section(block.section).kind) {
        (true, SectionKind::EhFrame) => "__TEXT,__eh_frame".into(),
        _ if graph.format.container == Container::Coff && is_chosen() => format!("{name}, chosen"),
        _ => name,
    }
}

fn contents(graph: &LinkGraph) -> Contents {
    let mut contents = Contents::default();
    let mut spots: HashMap<u32, Spot> = HashMap::new();
    let mut sizes: HashMap<String, u64> = HashMap::new();
    for (id, block) in (0..).zip(&graph.blocks).filter(|(_, block)| block.live) {
        let name = section_name(graph, BlockId(id));
        let size = sizes.entry(name.clone()).or_default();
        let records = graph.section(block.section).kind.is_unwind_records();
        let offset = if records { *size } else { align_up(*size, block.align_log2) };
        *size = offset + block.size;
        let bytes = contents.bytes.entry(name.clone()).or_default();
        bytes.resize(offset as usize, 0);
        bytes.extend_from_slice(graph.content(block));
        // Fields hold addends in some formats and anything in others.
        for edge in graph.edges(block) {
            let info = graph.arch().info(edge.kind);
            let data = !matches!(info.field, uruk_jitlink::arch::Field::Code { .. });
            if data && graph.format.container != Container::Elf {
                let at = (offset + u64::from(edge.offset)) as usize;
                bytes[at..at + info.field.size() as usize].fill(0);
            }
        }
        spots.insert(id, (name, offset));
    }
    let target = |id: SymbolId, addend: i64| {
        let symbol = graph.symbol(id);
        let name = String::from_utf8_lossy(graph.symbol_name(id)).into_owned();
        match symbol.definition {
            Definition::Block(block) if symbol.binding == Binding::Local => {
                let (section, offset) = &spots[&block.0];
                format!("{section} at {}", (offset + symbol.value).wrapping_add_signed(addend))
            }
            _ => format!("{name} + {addend}"),
        }
    };
    for (id, block) in (0..).zip(&graph.blocks).filter(|(_, block)| block.live) {
        let (section, offset) = &spots[&id];
        for edge in graph.edges(block) {
            let info = graph.arch().info(edge.kind);
            let what = target(edge.target, graph.addend(edge));
            let what = format!("{:?} in {} bytes to {what}", info.value, info.field.size());
            contents.edges.entry((section.clone(), offset + u64::from(edge.offset))).or_default().push(what);
        }
    }
    for (id, symbol) in (0..).map(SymbolId).zip(&graph.symbols) {
        let name = String::from_utf8_lossy(graph.symbol_name(id)).into_owned();
        let place = match symbol.definition {
            Definition::Block(block) => format!("{:?}", (&spots[&block.0].0, spots[&block.0].1 + symbol.value)),
            Definition::Undefined => continue,
            other => format!("{other:?} {}", symbol.value),
        };
        let made = ["luruk", ".Luruk", ".weak."].iter().any(|prefix| name.starts_with(prefix));
        let made = made || symbol.kind == SymbolKind::Section;
        if !name.is_empty() && !made && symbol.kind != SymbolKind::File {
            let Symbol { size, binding, visibility, kind, .. } = symbol;
            let text = format!("{place} {size} {binding:?} {visibility:?} {kind:?}");
            contents.symbols.entry(name).or_default().push(text);
        }
    }
    contents.edges.values_mut().for_each(|edges| edges.sort());
    contents.symbols.values_mut().for_each(|symbols| symbols.sort());
    contents
}

#[track_caller]
fn check(name: &str, graph: &LinkGraph) {
    let bytes = uruk_image::write_object(&[graph]).unwrap_or_else(|error| panic!("{name}: {error}"));
    let again = read_bytes(name, bytes);
    let (found, expected) = (contents(&again), contents(graph));
    assert!(!expected.edges.is_empty() && 1 < expected.symbols.len(), "{name}: {expected:?}");
    for (place, edges) in &expected.edges {
        assert_eq!(found.edges.get(place), Some(edges), "{name}: {place:x?}");
    }
    assert_eq!(found.edges.len(), expected.edges.len(), "{name}");
    for (section, bytes) in &expected.bytes {
        assert_eq!(found.bytes.get(section), Some(bytes), "{name}: {section}");
    }
    assert_eq!(found.symbols, expected.symbols, "{name}");
}

/// Checks sources compiled in several ways.
#[track_caller]
fn check_all(compilers: &[&str], flags: &[&str], names: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    for compiler in compilers {
        for flags in flags {
            for name in names {
                let object = compile(&format!("{compiler} {flags} -w"), &sources().join(name), folder.path());
                check(&format!("{compiler} {flags} {name}"), &read(&object));
            }
        }
    }
}

#[test]
fn elf_is_read_as_it_was() {
    let compilers = [
        "gcc",
        "clang-22",
        "aarch64-linux-gnu-gcc",
        "clang-22 --target=aarch64-linux-gnu",
        "riscv64-linux-gnu-gcc",
        "clang-22 --target=riscv64-linux-gnu",
    ];
    let flags = ["-O0 -fPIC -fcommon", "-O2 -fPIC -ffunction-sections", "-O2 -fPIC -g"];
    check_all(&compilers, &flags, &["plain.c", "other.c", "free.cpp"]);
}

#[test]
fn mach_o_is_read_as_it_was() {
    let free = "-ffreestanding -fexceptions -fcxx-exceptions -std=c++17 -c";
    let compilers = ["x86_64", "arm64"].map(|arch| format!("clang++-22 --target={arch}-apple-macos13 {free}"));
    let compilers: Vec<&str> = compilers.iter().map(String::as_str).collect();
    check_all(&compilers, &["-O0", "-O2", "-O1 -fno-asynchronous-unwind-tables"], &["free.cpp", "free_more.cpp"]);
}

#[test]
fn coff_is_read_as_it_was() {
    let targets = ["x86_64-pc-windows-gnu", "x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"];
    let clang =
        |target| format!("clang++-22 --target={target} -fexceptions -fcxx-exceptions -ffreestanding -std=c++17");
    let compilers = targets.map(clang);
    let compilers: Vec<&str> =
        ["x86_64-w64-mingw32-g++"].into_iter().chain(compilers.iter().map(String::as_str)).collect();
    check_all(&compilers, &["-O0", "-O2", "-O1 -ffunction-sections"], &["free.cpp", "free_more.cpp"]);
}
