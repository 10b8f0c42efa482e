//! What the fuzz targets do with their input; the linker's corpus test calls the same functions with the saved inputs.
//!
//! Each function takes any bytes and returns; a panic is a finding. Errors are as good as values, but they must name
//! the file, and what is read must keep the promises that the link graph makes.

use super::edits;
use super::parts::{Choices, split};
use std::collections::HashSet;
use std::path::Path;
use uruk_jitlink::archive::{Archive, MemberData, Nesting};
use uruk_jitlink::debug::{self, Origin, Places};
use uruk_jitlink::dump;
use uruk_jitlink::edit::Stage;
use uruk_jitlink::error::LinkError;
use uruk_jitlink::fixup::{self, Fixup, Threads, Window};
use uruk_jitlink::format;
use uruk_jitlink::graph::*;
use uruk_jitlink::input::Input;
use uruk_jitlink::interface::{Interface, Strength};
use uruk_jitlink::layout::{Layout, Member, Share, gathered_name, lane};
use uruk_jitlink::memory::{Lane, Placement};
use uruk_jitlink::names::Names;
use uruk_jitlink::prune;
use uruk_jitlink::resolve::{Target, Targets};
use uruk_jitlink::tables::Tables;
use uruk_jitlink::tls::{Questions, Variable};

/// Bytes that a made-up memory manager has in all; more is refused, as a real one refuses what the system has not.
const MEMORY: u64 = 16 << 20;
/// What a byte of compressed debug information may become.
const MAX_INFLATION: u64 = 1100;
/// Zero-fill needs addresses only.
const ADDRESSES: u64 = 1 << 40;

/// Reads the bytes as one ELF object.
pub fn elf_reader(data: &[u8]) {
    let input = Input::from_bytes("fuzz.o", data.to_vec());
    read_object(&input);
}

/// Reads the bytes as one Mach-O object, or as several of them in a universal file, with their unwind records.
pub fn macho_reader(data: &[u8]) {
    let input = Input::from_bytes("fuzz.o", data.to_vec());
    match format::slices(&input) {
        Ok(slices) => slices.iter().for_each(read_object),
        Err(error) => assert!(error.to_string().contains("fuzz.o"), "an error that does not name the file: {error}"),
    }
}

/// Reads the bytes as an archive, and each member as an object.
pub fn archive_reader(data: &[u8]) {
    let input = Input::from_bytes("fuzz.a", data.to_vec());
    let Ok(archive) = Archive::parse(&input).inspect_err(|error| drop(error.to_string())) else { return };
    let mut indexed = 0;
    for symbol in archive.symbols() {
        match symbol {
            Ok((name, id)) => {
                indexed += name.len();
                drop(archive.member(id).map_err(|error| error.to_string()));
            }
            Err(error) => drop(error.to_string()),
        }
    }
    assert!(indexed <= 16 * data.len() + 4096, "{indexed} bytes of names in an archive of {}", data.len());
    assert!(archive.symbols().count() <= archive.symbol_count());
    let nesting = Nesting::new(Path::new("folder/fuzz.a"));
    let members = match archive.members() {
        Ok(members) => members,
        Err(error) => return drop(error.to_string()),
    };
    let mut end = 0;
    for member in members {
        let member = match member {
            Ok(member) => member,
            Err(error) => {
                drop(error.to_string());
                continue;
            }
        };
        assert_eq!(archive.member(member.id), Ok(member));
        match member.data {
            MemberData::Inline { offset, bytes } => {
                assert!(end <= offset, "members overlap");
                end = offset + bytes.len() as u64;
                let name = format!("fuzz.a({})", String::from_utf8_lossy(member.name));
                let part = input.part(name, offset as usize..end as usize).expect("members lie in the archive");
                assert_eq!(&*part, bytes);
                read_object(&part);
            }
            MemberData::External { path, origin, .. } => {
                let path = nesting.resolve(path);
                drop(nesting.enter(&path).map_err(|error| error.to_string()));
                assert!(archive.is_thin() || origin.is_none());
            }
        }
    }
}

/// Links the bytes without running them: one object or several, one after the other.
pub fn link_noexec(data: &[u8]) {
    link_with(data, |_, _, _| {});
}

/// The same with edits to every graph, before and after pruning.
pub fn link_edited(data: &[u8]) {
    link_with(data, edits::edit);
}

fn link_with(data: &[u8], edit: impl Fn(&mut LinkGraph, Stage, &mut Choices)) {
    let mut choices = Choices::new(data);
    let names = Names::default();
    let mut objects = Vec::new();
    for (number, bytes) in split(data).into_iter().enumerate() {
        let input = Input::from_bytes(format!("fuzz{number}.o"), bytes.to_vec());
        let Ok(interface) = format::interface(&input, &names) else { continue };
        let Ok(graph) = format::read(&input, &names) else { continue };
        objects.push((interface, graph));
    }
    // Twice with other decisions about where everything lies.
    for _ in 0..2 {
        let mut again = Vec::new();
        for (interface, graph) in &objects {
            let Ok(mut graph) = format::read(&graph.input, &names) else { continue };
            edit(&mut graph, Stage::BeforePruning, &mut choices);
            check_edges(&graph);
            again.push((interface.edited(&graph, &names), graph));
        }
        if let Err(error) = link(again, &names, &mut choices, &edit) {
            assert!(error.to_string().contains("fuzz"), "an error that does not name the file: {error}");
        }
    }
}

pub(crate) fn read_object(input: &Input) {
    let names = Names::default();
    let interface = format::interface(input, &names);
    let graph = format::read(input, &names);
    for error in [interface.as_ref().err(), graph.as_ref().err()].into_iter().flatten() {
        assert!(error.to_string().contains(&**input.name()), "an error that does not name the file: {error}");
    }
    if let Ok(graph) = &graph {
        check(graph);
        drop(dump::dump(graph, &names).to_string());
        if let Ok(interface) = &interface {
            assert_eq!(interface.globals.len(), graph.globals().count());
        }
    }
}

/// What the link graph promises to whoever uses it.
fn check(graph: &LinkGraph) {
    let len = graph.input.len();
    check_edges(graph);
    let content: usize = graph.blocks.iter().map(|block| graph.content(block).len()).sum();
    let members: usize = graph.groups.iter().map(|group| group.blocks.len()).sum();
    assert!(members <= graph.blocks.len(), "a section in two groups");
    // What is kept is never much more than the file, and what is made of it. Unwind records that are made of compact ones
    // are up to twice as long.
    assert!(graph.made.len() <= 2 * len, "{} bytes are made of a file of {len}", graph.made.len());
    assert!(content <= len + graph.made.len(), "{content} bytes of sections in a file of {len}");
    assert!(graph.edges.len() <= len && graph.wants.len() <= len);
}

/// What it promises whoever has changed it.
pub(crate) fn check_edges(graph: &LinkGraph) {
    for block in &graph.blocks {
        let _ = gathered_name(graph, block.section);
        let mut last = 0;
        for edge in graph.edges(block) {
            let size = graph.arch().info(edge.kind).field.size();
            assert!(last <= edge.offset, "edges out of order");
            assert!(u64::from(edge.offset) + size <= block.size, "an edge outside its block");
            assert!(block.content != Content::Zero, "an edge in zero-fill");
            let _ = (graph.symbol(edge.target), graph.addend(edge));
            last = edge.offset;
        }
    }
    for id in (0..).map(SymbolId).take(graph.symbols.len()) {
        if let Definition::Block(block) = graph.symbol(id).definition {
            let _ = graph.block(block);
        }
    }
}

/// One way through the linker, from graphs to bytes; `Ok` also where memory is refused.
fn link(
    objects: Vec<(Interface, LinkGraph)>,
    names: &Names,
    choices: &mut Choices,
    edit: impl Fn(&mut LinkGraph, Stage, &mut Choices),
) -> Result<(), LinkError> {
    let (placement, base) = match choices.below(4) {
        0 => (Placement::Low, 0x1_0000),
        1 => (Placement::Near, u64::MAX - (ADDRESSES << 3)),
        _ => (Placement::Near, 0x7f12_3456_0000),
    };
    let span = base..base + (1 << 31);
    let sections: HashSet<Vec<u8>> = objects
        .iter()
        .flat_map(|(_, graph)| graph.blocks.iter().map(|block| gathered_name(graph, block.section).to_vec()))
        .collect();
    let mut gather: Vec<Vec<u8>> = Vec::new();
    let mut signatures = HashSet::new();
    let (mut members, mut targets) = (Vec::new(), Vec::new());
    for (interface, mut graph) in objects {
        let mut target = Targets::new(&graph);
        for (number, global) in (graph.first_global.0..).zip(&interface.globals) {
            let id = SymbolId(number);
            let name = names.bytes(global.name);
            let bound = name.strip_prefix(b"__start_").or(name.strip_prefix(b"__stop_"));
            let found = match (bound, global.strength) {
                (Some(section), Strength::Undefined | Strength::UndefinedWeak) if sections.contains(section) => {
                    if !gather.iter().any(|known| known == section) {
                        gather.push(section.to_vec());
                    }
                    Target::Bound
                }
                (_, Strength::Undefined | Strength::UndefinedWeak) => elsewhere(global.kind, choices, base),
                (_, Strength::Weak | Strength::Common) if choices.below(4) == 0 => {
                    elsewhere(global.kind, choices, base)
                }
                _ => Target::Own,
            };
            target.set(id, found);
            if (found, global.strength) == (Target::Own, Strength::Common) {
                let (size, align) = interface.common((number - graph.first_global.0) as usize);
                graph.allocate_common(id, size, align);
            }
        }
        prune::drop_groups(&mut graph, &target, |group| signatures.insert(group.signature));
        prune::drop_unwind_records(&mut graph)?;
        edit(&mut graph, Stage::AfterPruning, choices);
        check_edges(&graph);
        prune::drop_unwind_records(&mut graph)?;
        if let Some(rewrite) = graph.arch().rewrite {
            rewrite(&mut graph, &target, &span)?;
        }
        let tables = Tables::plan(&graph, &target, &span);
        members.push(Member { graph, tables, share: Share::default() });
        targets.push(target);
    }
    let mut layout = Layout::new(&mut members, &gather, placement)?;
    let Some(lanes) = allocate(&layout, base, placement) else { return Ok(()) };
    layout.place(&mut members, lanes);
    write(&layout, &members, &targets, lanes, choices)
}

/// Mostly what lets the link go on, so that what comes later is reached.
fn elsewhere(kind: SymbolKind, choices: &mut Choices, base: u64) -> Target {
    match choices.below(24) {
        0 => Target::Known(0),
        1 => Target::Known(choices.next()),
        2 => Target::Known(u64::MAX - choices.below(16)),
        3 => Target::Far,
        4 => Target::ThreadImage,
        5 => Target::ThreadLocal(choices.below(4) as u32),
        6 => Target::Near,
        _ if kind == SymbolKind::ThreadLocal => Target::ThreadLocal(choices.below(4) as u32),
        7..12 => Target::Known(base.wrapping_add(choices.below(1 << 20))),
        _ => Target::Near,
    }
}

/// Addresses for the lanes, one after the other, if there is room for them.
fn allocate(layout: &Layout, base: u64, placement: Placement) -> Option<[u64; 3]> {
    if MEMORY < layout.tls_data || ADDRESSES < layout.tls_size {
        return None;
    }
    let mut at = base;
    let mut lanes = [0; 3];
    let mut written = 0;
    for (address, demand) in lanes.iter_mut().zip(&layout.demand.lanes) {
        assert!(demand.align.is_power_of_two() && demand.zero_fill <= demand.size);
        written += demand.size - demand.zero_fill;
        if MEMORY < written || ADDRESSES < demand.size {
            return None;
        }
        *address = at.checked_next_multiple_of(demand.align)?;
        at = address.checked_add(demand.size)?;
    }
    (placement == Placement::Near || at < 1 << 31).then_some(lanes)
}

/// Fixes up all members, twice: the bytes must be the same.
fn write(
    layout: &Layout,
    members: &[Member],
    targets: &[Targets],
    lanes: [u64; 3],
    choices: &mut Choices,
) -> Result<(), LinkError> {
    let questions = Questions::gather(members, targets);
    let answers: Vec<[u64; 2]> = questions.asked.iter().map(|(variable, _)| answer(*variable, choices)).collect();
    let threads = Threads { questions: &questions, answers: &answers };
    let mut all = Vec::new();
    for (member, targets) in members.iter().zip(targets) {
        let mut addresses = fixup::addresses(member, targets);
        for (id, _) in member.graph.globals() {
            addresses[id.0 as usize] = match targets.get(id) {
                Target::Near => lanes[1].wrapping_add(choices.below(1 << 20)),
                Target::Far => choices.next(),
                Target::Bound => bound(layout, &member.graph, id),
                _ => continue,
            };
        }
        all.push(addresses);
    }
    let image = fixup::image_base(&(lanes[0]..lanes[0]));
    let mut images = Vec::new();
    let mut result = Ok(());
    for _ in 0..2 {
        let mut initial = vec![0; layout.tls_data as usize];
        let mut working = layout.demand.lanes.map(|demand| vec![0; (demand.size - demand.zero_fill) as usize]);
        for ((member, targets), addresses) in members.iter().zip(targets).zip(&all) {
            let fixup = Fixup { member, targets, addresses, threads, image };
            let none = Questions::default();
            let before = Fixup { threads: Threads { questions: &none, answers: &[] }, ..fixup };
            result = result.and(before.write_thread_image(&mut initial)).and(fixup.write_thread_image(&mut initial));
            let mut own = Lane::ALL.map(|lane| {
                let range = &member.share.lanes[lane as usize];
                let start = (range.start - lanes[lane as usize]) as usize;
                let end = (range.end - lanes[lane as usize]) as usize;
                (range.start, working[lane as usize][start..end].to_vec())
            });
            result = result.and(fixup.write(&mut windows(&mut own)));
            for ((lane, base), (address, bytes)) in working.iter_mut().zip(lanes).zip(own) {
                let start = (address - base) as usize;
                lane[start..start + bytes.len()].copy_from_slice(&bytes);
            }
        }
        for ((member, targets), addresses) in members.iter().zip(targets).zip(&all) {
            let fixup = Fixup { member, targets, addresses, threads, image };
            let mut whole = std::mem::take(&mut working).map(Some);
            let mut whole =
                Lane::ALL.map(|lane| (lanes[lane as usize], whole[lane as usize].take().unwrap_or_default()));
            result = result.and(fixup.write_gathered(&mut windows(&mut whole)));
            working = whole.map(|(_, bytes)| bytes);
        }
        images.push((initial, working));
    }
    if result.is_ok() {
        let places: Vec<Places> = (members.iter().zip(targets).zip(&all))
            .map(|((member, targets), own)| Places::new(member, targets, own))
            .collect();
        let objects: Vec<_> = members.iter().map(|member| &member.graph.input).zip(&places).collect();
        let lowest = places.iter().map(Places::lowest).min().unwrap_or(u64::MAX);
        let origin = Origin { base: lowest.saturating_sub(4096), threads: (choices.below(2) == 0).then_some(4096) };
        let whole = debug::image(&objects, origin).map(|image| image.len() as u64);
        let inputs: usize = members.iter().map(|member| member.graph.input.len()).sum();
        assert!(
            whole.unwrap_or(0) <= MAX_INFLATION * (inputs as u64 + 64),
            "a debug image much larger than its objects"
        );
        assert!(images[0] == images[1], "fixing up twice gives other bytes");
        check_places(members, &images[0].1, lanes);
    }
    result
}

fn windows(lanes: &mut [(u64, Vec<u8>); 3]) -> [Window<'_>; 3] {
    lanes.each_mut().map(|(address, bytes)| Window { address: *address, bytes })
}

/// Live blocks lie within their lanes, and what is written does not overlap.
fn check_places(members: &[Member], working: &[Vec<u8>; 3], lanes: [u64; 3]) {
    let mut places: [Vec<(u64, u64)>; 3] = Default::default();
    for member in members {
        let graph = &member.graph;
        for block in graph.blocks.iter().filter(|block| block.live && block.content != Content::Zero) {
            let Some(lane) = lane(graph.section(block.section).kind) else { continue };
            let start = block.address - lanes[lane as usize];
            assert!(start + block.size <= working[lane as usize].len() as u64, "a block outside its lane");
            assert_eq!(block.address & ((1 << block.align_log2) - 1), 0, "a block at a wrong alignment");
            places[lane as usize].push((start, block.size));
        }
    }
    for lane in &mut places {
        lane.retain(|(_, size)| *size != 0);
        lane.sort_unstable();
        assert!(lane.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "blocks overlap");
    }
}

fn answer(variable: Variable, choices: &mut Choices) -> [u64; 2] {
    match variable {
        Variable::Own(offset) => [choices.below(4), offset.wrapping_sub(choices.below(1 << 20))],
        Variable::Other(_) if choices.below(8) == 0 => [choices.next(), choices.next()],
        Variable::Other(_) => [choices.below(1 << 20), choices.below(1 << 20)],
    }
}

/// A bound of a gathered section.
fn bound(layout: &Layout, graph: &LinkGraph, id: SymbolId) -> u64 {
    let name = graph.symbol_name(id);
    let section = name.strip_prefix(b"__start_").or(name.strip_prefix(b"__stop_")).unwrap_or_default();
    let range = layout.bounds(section);
    range.map_or(0, |range| if name.starts_with(b"__start_") { range.start } else { range.end })
}
