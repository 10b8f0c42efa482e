//! COFF objects made byte by byte, and links of them at fixed addresses.

use uruk_jitlink::error::LinkError;
use uruk_jitlink::fixup::{self, Fixup, Threads, Window};
use uruk_jitlink::format;
use uruk_jitlink::graph::LinkGraph;
use uruk_jitlink::input::Input;
use uruk_jitlink::layout::{Layout, Member, Share};
use uruk_jitlink::memory::{Lane, Placement};
use uruk_jitlink::names::Names;
use uruk_jitlink::prune;
use uruk_jitlink::resolve::{Target, Targets};
use uruk_jitlink::tables::Tables;
use uruk_jitlink::tls::Questions;

pub const X86_64: u16 = 0x8664;
pub const ARM64: u16 = 0xaa64;

// Characteristics.
pub const CODE: u32 = 0x6030_0020;
pub const READ_ONLY: u32 = 0x4030_0040;
pub const DATA: u32 = 0xc030_0040;
pub const ZERO: u32 = 0xc030_0080;
pub const COMDAT: u32 = 0x1000;
/// What `.drectve` has.
pub const INFO: u32 = 0x0010_0a00;

// Storage classes.
pub const EXTERNAL: u8 = 2;
pub const STATIC: u8 = 3;
pub const WEAK: u8 = 105;

const SYMBOL_SIZE: usize = 18;
const SECTION_SIZE: usize = 40;
const HEADER_SIZE: usize = 20;
const RELOCATION_SIZE: usize = 10;

/// A section to be.
#[derive(Clone, Default)]
pub struct Section {
    pub name: &'static [u8],
    pub flags: u32,
    pub content: Vec<u8>,
    /// Offset, symbol and type.
    pub relocations: Vec<(u32, u32, u16)>,
}

/// A section of this content.
pub fn section(name: &'static [u8], flags: u32, content: &[u8]) -> Section {
    Section { name, flags, content: content.to_vec(), relocations: Vec::new() }
}

/// A symbol to be.
#[derive(Clone, Default)]
pub struct Symbol {
    pub name: Vec<u8>,
    pub value: u32,
    pub section: i16,
    pub kind: u16,
    pub class: u8,
    pub aux: Vec<[u8; SYMBOL_SIZE]>,
}

/// A symbol that others see.
pub fn external(name: &str, section: i16, value: u32) -> Symbol {
    Symbol { name: name.as_bytes().to_vec(), value, section, class: EXTERNAL, ..Symbol::default() }
}

/// The symbol of a section, with what chooses it among COMDAT sections, and the section that it belongs to.
pub fn of_section(section: i16, selection: u8, parent: u16) -> Symbol {
    let mut aux = [0; SYMBOL_SIZE];
    aux[12..14].copy_from_slice(&parent.to_le_bytes());
    aux[14] = selection;
    Symbol { name: b".section".to_vec(), section, class: STATIC, aux: vec![aux], ..Symbol::default() }
}

/// A weak external symbol with its default.
pub fn weak(name: &str, default: u32, search: u32) -> Symbol {
    let mut aux = [0; SYMBOL_SIZE];
    aux[..4].copy_from_slice(&default.to_le_bytes());
    aux[4..8].copy_from_slice(&search.to_le_bytes());
    Symbol { name: name.as_bytes().to_vec(), class: WEAK, aux: vec![aux], ..Symbol::default() }
}

/// An object, written with room for names of any length.
pub fn build(machine: u16, sections: &[Section], symbols: &[Symbol]) -> Vec<u8> {
    let mut strings = vec![0; 4];
    let mut place = |name: &[u8]| {
        let at = strings.len() as u32;
        strings.extend_from_slice(name);
        strings.push(0);
        at
    };
    let mut headers = Vec::new();
    let mut contents = Vec::new();
    let contents_at = HEADER_SIZE + SECTION_SIZE * sections.len();
    for section in sections {
        let mut name = section.name.to_vec();
        if 8 < name.len() {
            name = format!("/{}", place(section.name)).into_bytes();
        }
        name.resize(8, 0);
        let zero = section.flags & 0x80 != 0;
        let at = if zero { 0 } else { (contents_at + contents.len()) as u32 };
        if !zero {
            contents.extend_from_slice(&section.content);
        }
        let relocations_at = (contents_at + contents.len()) as u32;
        for (offset, symbol, kind) in &section.relocations {
            contents.extend([offset.to_le_bytes(), symbol.to_le_bytes()].concat());
            contents.extend(kind.to_le_bytes());
        }
        headers.extend(name);
        let words = [0, 0, section.content.len() as u32, at, relocations_at, 0, section.relocations.len() as u32];
        words.iter().for_each(|word| headers.extend(word.to_le_bytes()));
        headers.extend(section.flags.to_le_bytes());
    }
    let mut table = Vec::new();
    for symbol in symbols {
        let mut name = symbol.name.clone();
        if 8 < name.len() {
            name = [vec![0; 4], place(&symbol.name).to_le_bytes().to_vec()].concat();
        }
        name.resize(8, 0);
        table.extend(name);
        table.extend(symbol.value.to_le_bytes());
        table.extend(symbol.section.to_le_bytes());
        table.extend(symbol.kind.to_le_bytes());
        table.extend([symbol.class, symbol.aux.len() as u8]);
        table.extend(symbol.aux.concat());
    }
    let length = strings.len() as u32;
    strings[..4].copy_from_slice(&length.to_le_bytes());
    let mut bytes = machine.to_le_bytes().to_vec();
    bytes.extend((sections.len() as u16).to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(((contents_at + contents.len()) as u32).to_le_bytes());
    bytes.extend(((table.len() / SYMBOL_SIZE) as u32).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(headers);
    bytes.extend(contents);
    bytes.extend(table);
    bytes.extend(strings);
    bytes
}

/// Where a section's header lies.
pub fn section_at(index: usize) -> u64 {
    (HEADER_SIZE + SECTION_SIZE * index) as u64
}

/// Where a symbol's record lies, for one whose auxiliary ones are counted too.
pub fn symbol_at(bytes: &[u8], index: usize) -> u64 {
    let table = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
    u64::from(table) + (SYMBOL_SIZE * index) as u64
}

/// Where a section's relocation lies.
pub fn relocation_at(bytes: &[u8], section: usize, index: usize) -> u64 {
    let at = section_at(section) as usize + 24;
    u64::from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())) + (RELOCATION_SIZE * index) as u64
}

/// The graph of an object.
pub fn read(bytes: &[u8]) -> Result<LinkGraph, LinkError> {
    format::read(&Input::from_bytes("a.obj", bytes.to_vec()), &Names::default())
}

/// The bytes of an object's lanes, which lie at these addresses, with what is undefined at others.
pub fn link(
    bytes: &[u8],
    lanes: [u64; 3],
    image: u64,
    known: &[(&str, u64)],
) -> Result<(Member, [Vec<u8>; 3]), LinkError> {
    link_without(read(bytes)?, lanes, image, known, &[])
}

/// The same of a graph, of which these symbols are another object's.
pub fn link_without(
    mut graph: LinkGraph,
    lanes: [u64; 3],
    image: u64,
    known: &[(&str, u64)],
    others: &[&str],
) -> Result<(Member, [Vec<u8>; 3]), LinkError> {
    let mut targets = Targets::new(&graph);
    for (id, _) in graph.globals() {
        let name = graph.symbol_name(id);
        if let Some((_, address)) = known.iter().find(|(known, _)| known.as_bytes() == name) {
            targets.set(id, Target::Known(*address));
        } else if others.iter().any(|other| other.as_bytes() == name) {
            targets.set(id, Target::Known(lanes[0]));
        }
    }
    prune::drop_groups(&mut graph, &targets, |_| true);
    prune::drop_unwind_records(&mut graph)?;
    let span = lanes[0]..lanes[0] + 0x1000_0000;
    let tables = Tables::plan(&graph, &targets, &span);
    let mut members = vec![Member { graph, tables, share: Share::default() }];
    let mut layout = Layout::new(&mut members, &[], Placement::Near)?;
    layout.place(&mut members, lanes);
    let member = members.remove(0);
    let addresses = fixup::addresses(&member, &targets);
    let mut bytes = layout.demand.lanes.map(|lane| vec![0; (lane.size - lane.zero_fill) as usize]);
    let mut windows = lanes.iter().zip(&mut bytes).map(|(address, bytes)| Window { address: *address, bytes });
    let mut windows = [(); 3].map(|()| windows.next().unwrap());
    let threads = Threads { questions: &Questions::default(), answers: &[] };
    Fixup { member: &member, targets: &targets, addresses: &addresses, threads, image }.write(&mut windows)?;
    Ok((member, bytes))
}

/// A lane's bytes.
pub fn lane(bytes: &[Vec<u8>; 3], lane: Lane) -> &[u8] {
    &bytes[lane as usize]
}
