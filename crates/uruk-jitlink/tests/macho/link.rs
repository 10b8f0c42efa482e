//! Assembling and linking of one object at addresses of a test's choice.

use uruk_jitlink::fixup::{self, Fixup, Threads, Window};
use uruk_jitlink::format;
use uruk_jitlink::graph::*;
use uruk_jitlink::input::Input;
use uruk_jitlink::layout::{Member, Share};
use uruk_jitlink::names::Names;
use uruk_jitlink::resolve::{Target, Targets};
use uruk_jitlink::tables::Tables;
use uruk_jitlink::tls::Questions;

/// Where the first section's blocks lie, one after the other.
pub const BASE: u64 = 0x10_0000_0000;

/// Where the rest is.
#[derive(Clone, Copy)]
pub struct Place {
    /// All undefined symbols, and what the other sections hold.
    pub target: u64,
    /// The first slot of the GOT, if there is one.
    pub slot: Option<u64>,
}

/// Reads an object.
pub fn read(object: Vec<u8>) -> LinkGraph {
    format::read(&Input::from_bytes("a.o", object), &Names::default()).unwrap()
}

/// The bytes of the first section, or the error.
pub fn link(object: Vec<u8>, place: Place) -> Result<Vec<u8>, String> {
    let graph =
        format::read(&Input::from_bytes("a.o", object), &Names::default()).map_err(|error| error.to_string())?;
    let mut targets = Targets::new(&graph);
    for (id, symbol) in graph.globals() {
        if symbol.definition == Definition::Undefined {
            targets.set(id, Target::Known(place.target));
        }
    }
    let span = BASE..BASE + 0x1_0000;
    let tables = if place.slot.is_some() { Tables::plan(&graph, &targets, &span) } else { Tables::default() };
    let share = Share { got: place.slot.unwrap_or(0), ..Share::default() };
    let mut member = Member { graph, tables, share };
    for block in &mut member.graph.blocks {
        block.address = place.target;
    }
    let mut at = BASE;
    for block in member.graph.blocks.iter_mut().filter(|block| block.section == SectionId(0)) {
        block.address = align_up(at, block.align_log2);
        at = block.address + block.size;
    }
    let mut bytes = vec![0; (at - BASE) as usize];
    write(&member, &targets, BASE, &mut bytes)?;
    Ok(bytes)
}

/// Fixes an object's blocks up, those that lie in a run of bytes at an address.
pub fn write(member: &Member, targets: &Targets, address: u64, bytes: &mut [u8]) -> Result<(), String> {
    let addresses = fixup::addresses(member, targets);
    let threads = Threads { questions: &Questions::default(), answers: &[] };
    let fixup = Fixup { member, targets, addresses: &addresses, threads, image: 0 };
    // Which lane a section belongs to does not matter here.
    let mut lanes = [bytes.to_vec(), bytes.to_vec(), bytes.to_vec()];
    let [code, read_only, data] = &mut lanes;
    let mut windows = [code, read_only, data].map(|bytes| Window { address, bytes: &mut bytes[..] });
    fixup.write(&mut windows).map_err(|error| error.to_string())?;
    for block in &member.graph.blocks {
        let Some(lane) = uruk_jitlink::layout::lane(member.graph.section(block.section).kind) else { continue };
        let Some(start) = block.address.checked_sub(address).map(|start| start as usize) else { continue };
        let range = start..start + block.size as usize;
        if let Some(written) = lanes[lane as usize].get(range.clone()) {
            bytes[range].copy_from_slice(written);
        }
    }
    Ok(())
}
