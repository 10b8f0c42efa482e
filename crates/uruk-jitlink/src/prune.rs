//! Dropping what is not needed: COMDAT groups that another object has brought, blocks that nothing reaches, and the
//! unwind records of both.

use crate::ehframe;
use crate::error::LinkError;
use crate::graph::*;
use crate::pdata;
use crate::resolve::{Target, Targets};

/// Drops the groups that are not this object's to keep. A group whose globals are all defined elsewhere goes; one
/// without any is kept if `claim` says that this object is the first to bring its signature.
pub fn drop_groups(graph: &mut LinkGraph, targets: &Targets, mut claim: impl FnMut(&Group) -> bool) {
    if graph.groups.is_empty() {
        return;
    }
    let mut groups = vec![0u32; graph.blocks.len()];
    for (number, group) in (1..).zip(&graph.groups).filter(|(_, group)| group.comdat) {
        for block in &group.blocks {
            groups[block.0 as usize] = number;
        }
    }
    let mut owned = vec![None; graph.groups.len()];
    for (id, symbol) in graph.globals() {
        // Local ones that passes have added stand among the global ones, and say nothing of who defines what.
        if let (Definition::Block(block), true) = (symbol.definition, symbol.binding != Binding::Local)
            && let Some(group) = groups[block.0 as usize].checked_sub(1)
        {
            let own = targets.get(id) == Target::Own;
            let known: &mut Option<bool> = &mut owned[group as usize];
            *known = Some(own || known.unwrap_or(false));
        }
    }
    let mut dropped = Vec::new();
    for (group, owned) in graph.groups.iter().zip(owned) {
        if group.comdat && !owned.unwrap_or_else(|| claim(group)) {
            dropped.extend_from_slice(&group.blocks);
        }
    }
    for block in dropped {
        graph.blocks[block.0 as usize].live = false;
    }
}

/// Drops the unwind records of dropped functions; to be called once, when blocks have been dropped for good.
pub fn drop_unwind_records(graph: &mut LinkGraph) -> Result<(), LinkError> {
    if graph.blocks.iter().all(|block| block.live) {
        return Ok(());
    }
    for index in 0..graph.blocks.len() as u32 {
        let block = graph.block(BlockId(index));
        match graph.section(block.section).kind {
            SectionKind::EhFrame if block.live => ehframe::drop_dead_records(graph, BlockId(index))?,
            SectionKind::Pdata if block.live => pdata::drop_dead_records(graph, BlockId(index))?,
            _ => {}
        }
    }
    Ok(())
}
