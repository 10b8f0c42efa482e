//! A linker of whole static programs, made of the library's phases: what a session does, without one.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use uruk_jitlink::archive::{Archive, MemberData, MemberId};
use uruk_jitlink::fixup::{self, Fixup, Threads, Window};
use uruk_jitlink::format;
use uruk_jitlink::graph::*;
use uruk_jitlink::input::Input;
use uruk_jitlink::interface::{Interface, Strength};
use uruk_jitlink::layout::{Layout, Member, Share};
use uruk_jitlink::memory::{Lane, Placement};
use uruk_jitlink::names::Names;
use uruk_jitlink::prune;
use uruk_jitlink::resolve::{Target, Targets};
use uruk_jitlink::tables::Tables;
use uruk_jitlink::tls::{Questions, Variable, static_answer};

/// A program's memory.
pub struct Whole {
    /// The address of each lane, its bytes, and how many zeros follow them.
    pub lanes: [(u64, Vec<u8>, u64); 3],
    /// The thread-local image's initial bytes, its size and alignment.
    pub threads: (Vec<u8>, u64, u64),
    /// Where it begins to run.
    pub entry: u64,
    /// Bytes of code in the objects, before anything was relaxed.
    pub code_before: u64,
}

/// Where lanes begin: each at the next multiple of this.
const PAGE: u64 = 0x1000;

/// An object and the position of each definition.
struct Object {
    interface: Interface,
    graph: LinkGraph,
}

/// The objects of a program, found as they are needed.
#[derive(Default)]
struct Loading {
    names: Names,
    objects: Vec<Object>,
    /// Who defines a name: the object, the symbol, and its strength.
    defined: HashMap<Vec<u8>, (usize, SymbolId, Strength)>,
    wanted: Vec<Vec<u8>>,
}

impl Loading {
    fn add(&mut self, input: Input) {
        let interface = format::interface(&input, &self.names).unwrap();
        let graph = format::read(&input, &self.names).unwrap();
        let object = self.objects.len();
        for (global, number) in interface.globals.iter().zip(graph.first_global.0..) {
            let name = self.names.bytes(global.name);
            match self.defined.get(&name) {
                _ if global.strength == Strength::Undefined => self.wanted.push(name),
                _ if !global.strength.defines() => {}
                Some((.., Strength::Strong | Strength::Common)) if global.strength != Strength::Strong => {}
                Some((.., Strength::Weak)) if global.strength == Strength::Weak => {}
                _ => drop(self.defined.insert(name, (object, SymbolId(number), global.strength))),
            }
        }
        self.objects.push(Object { interface, graph });
    }

    fn load(files: &[PathBuf]) -> Loading {
        let mut loading = Loading::default();
        let read = |path: &PathBuf| (path.display().to_string(), std::fs::read(path).unwrap());
        let (archives, objects): (Vec<_>, Vec<_>) =
            files.iter().map(read).partition(|(_, bytes)| Archive::is_archive(bytes));
        objects.into_iter().for_each(|(name, bytes)| loading.add(Input::from_bytes(name, bytes)));
        let archives: Vec<(&str, Archive<'_>)> =
            archives.iter().map(|(name, bytes)| (name.as_str(), Archive::parse(bytes).unwrap())).collect();
        let mut index: HashMap<&[u8], (usize, MemberId)> = HashMap::new();
        for (number, (_, archive)) in archives.iter().enumerate() {
            for (name, member) in archive.symbols().map(Result::unwrap) {
                index.entry(name).or_insert((number, member));
            }
        }
        while let Some(name) = loading.wanted.pop() {
            let Some((number, member)) = index.get(name.as_slice()).filter(|_| !loading.defined.contains_key(&name))
            else {
                continue;
            };
            let (file, archive) = &archives[*number];
            let member = archive.member(*member).unwrap();
            let MemberData::Inline { bytes, .. } = member.data else { panic!("{file} is thin") };
            let name = format!("{file}({})", String::from_utf8_lossy(member.name));
            loading.add(Input::from_bytes(name, bytes.to_vec()));
        }
        loading
    }
}

/// The section whose bound a name is.
fn bounded(name: &[u8]) -> Option<Vec<u8>> {
    let table = name.strip_prefix(b"__").and_then(|name| {
        let name = name.strip_suffix(b"_start").or(name.strip_suffix(b"_end"))?;
        name.ends_with(b"_array").then(|| [b".", name].concat())
    });
    table.or_else(|| name.strip_prefix(b"__start_").or(name.strip_prefix(b"__stop_")).map(<[u8]>::to_vec))
}

/// Links a program from objects and archives; lanes follow each other from the page behind its file header on.
pub fn link(files: &[PathBuf], header: u64) -> Whole {
    let base = header + PAGE;
    let Loading { names, objects, defined, .. } = Loading::load(files);
    let (mut members, mut targets, mut gather) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut others: Vec<Option<(usize, SymbolId)>> = Vec::new();
    let mut signatures = BTreeSet::new();
    let (span, mut code_before) = (base..base + (1 << 30), 0);
    for (index, Object { interface, mut graph }) in objects.into_iter().enumerate() {
        let mut target = Targets::new(&graph);
        for (position, global) in interface.globals.iter().enumerate() {
            let id = SymbolId(graph.first_global.0 + position as u32);
            let name = names.bytes(global.name);
            let found = match defined.get(&name) {
                Some((object, symbol, _)) if (*object, *symbol) == (index, id) => {
                    if global.strength == Strength::Common {
                        let (size, align) = interface.common(position);
                        graph.allocate_common(id, size, align);
                    }
                    Target::Own
                }
                // One that nobody defines is weak, and asked for by who has made sure that it is not used.
                found if global.kind == SymbolKind::ThreadLocal => {
                    others.push(found.map(|(object, symbol, _)| (*object, *symbol)));
                    Target::ThreadLocal(others.len() as u32 - 1)
                }
                Some(_) => Target::Near,
                None => match bounded(&name) {
                    Some(section) => {
                        gather.insert(section);
                        Target::Bound
                    }
                    None if global.strength == Strength::UndefinedWeak && name != b"__ehdr_start" => Target::Known(0),
                    None => Target::Near,
                },
            };
            target.set(id, found);
        }
        prune::drop_groups(&mut graph, &target, |group| signatures.insert(group.signature));
        prune::drop_unwind_records(&mut graph).unwrap();
        let code = |block: &&Block| block.live && graph.section(block.section).kind == SectionKind::Code;
        code_before += graph.blocks.iter().filter(code).map(|block| block.size).sum::<u64>();
        if let Some(rewrite) = graph.arch().rewrite {
            rewrite(&mut graph, &target, &span).unwrap();
        }
        let tables = Tables::plan(&graph, &target, &span);
        members.push(Member { graph, tables, share: Share::default() });
        targets.push(target);
    }
    let gather: Vec<Vec<u8>> = gather.into_iter().collect();
    let mut layout = Layout::new(&mut members, &gather, Placement::Near).unwrap();
    let mut at = base;
    let bases = layout.demand.lanes.map(|lane| {
        let start = at.next_multiple_of(lane.align.max(PAGE));
        at = start + lane.size;
        start
    });
    layout.place(&mut members, bases);
    let mut addresses: Vec<Vec<u64>> =
        members.iter().zip(&targets).map(|(member, targets)| fixup::addresses(member, targets)).collect();
    let fill = |object: usize, id: SymbolId| {
        let name = members[object].graph.symbol_name(id);
        match (targets[object].get(id), defined.get(name)) {
            (Target::Near, Some((other, symbol, _))) => Some(addresses[*other][symbol.0 as usize]),
            (Target::Near, None) if name == b"__ehdr_start" => Some(header),
            // The few others that only linkers define are ends of memory.
            (Target::Near, None) => Some(at),
            (Target::Bound, _) => Some(bounded(name).and_then(|section| layout.bounds(&section)).map_or(0, |range| {
                if name.starts_with(b"__start_") || name.ends_with(b"_start") { range.start } else { range.end }
            })),
            _ => None,
        }
    };
    let mut filled = Vec::new();
    for (object, member) in members.iter().enumerate() {
        let globals = member.graph.globals().map(|(id, _)| id);
        filled.extend(globals.filter_map(|id| Some((object, id, fill(object, id)?))));
    }
    filled.into_iter().for_each(|(object, id, address)| addresses[object][id.0 as usize] = address);
    let entry = defined[b"_start".as_slice()];
    let entry = addresses[entry.0][entry.1.0 as usize];
    write(members, targets, &layout, bases, &addresses, &others).finish(entry, code_before)
}

/// What has been written so far.
struct Written {
    lanes: [(u64, Vec<u8>, u64); 3],
    threads: (Vec<u8>, u64, u64),
}

impl Written {
    fn finish(self, entry: u64, code_before: u64) -> Whole {
        Whole { lanes: self.lanes, threads: self.threads, entry, code_before }
    }
}

fn write(
    members: Vec<Member>,
    targets: Vec<Targets>,
    layout: &Layout,
    bases: [u64; 3],
    addresses: &[Vec<u64>],
    others: &[Option<(usize, SymbolId)>],
) -> Written {
    let questions = Questions::gather(&members, &targets);
    let answer = |(variable, question): &(Variable, _)| {
        let offset = match variable {
            Variable::Own(offset) => *offset,
            Variable::Other(number) => {
                others[*number as usize].map_or(0, |(object, id)| addresses[object][id.0 as usize])
            }
        };
        let threads = &members[0].graph.arch().threads;
        static_answer(threads, *question, offset, layout.tls_size, layout.tls_align_log2)
    };
    let answers: Vec<[u64; 2]> = questions.asked.iter().map(answer).collect();
    let threads = Threads { questions: &questions, answers: &answers };
    let mut bytes = layout.demand.lanes.map(|lane| vec![0; (lane.size - lane.zero_fill) as usize]);
    let mut image = vec![0; layout.tls_data as usize];
    for ((member, targets), addresses) in members.iter().zip(&targets).zip(addresses) {
        let fixup = Fixup { member, targets, addresses, threads, image: 0 };
        let mut windows = bases.iter().zip(&mut bytes).map(|(address, bytes)| Window { address: *address, bytes });
        let mut windows = [(); 3].map(|()| windows.next().unwrap());
        fixup.write(&mut windows).unwrap();
        fixup.write_thread_image(&mut image).unwrap();
    }
    let mut bytes = bytes.into_iter();
    let lanes = Lane::ALL.map(|lane| {
        let zeros = layout.demand.lanes[lane as usize].zero_fill;
        (bases[lane as usize], bytes.next().unwrap(), zeros)
    });
    Written { lanes, threads: (image, layout.tls_size, 1 << layout.tls_align_log2) }
}
