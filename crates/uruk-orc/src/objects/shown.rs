//! What others see of linked code: debuggers the objects, from the start; backtraces a batch, once they need it.
//!
//! Invariants: where neither is wanted nothing is kept and nothing is done; where only backtraces are, an object costs
//! a record of where its sections lie, and its image is made when a backtrace with names meets its batch.
//! An image that cannot be made fails nothing: what runs does not depend on it.

use super::Object;
use crate::executor::{Executor, NamedCode, Resource};
use crate::state::LotId;
use std::ops::Range;
use std::sync::Arc;
use uruk_jitlink::debug::{self, Origin, Places};
use uruk_jitlink::format::Container;

/// What is removed together makes no more than this many images of a batch for debuggers: each costs gdb time in proportion to those it has, and
/// ten thousand of them take it minutes. Images of several objects go when the last of these goes.
const MAX_DEBUG_IMAGES: usize = 64;

/// What a unit has registered.
#[derive(Default)]
pub(crate) struct Shown {
    /// With debuggers, for itself or together with others.
    _debug: Option<Arc<Resource>>,
    /// With backtraces, together with what of its batch is removed with it.
    _names: Option<Arc<Resource>>,
}

/// Shows the objects of a batch, whose bytes are final, to those who want to see them. `threads` is the offset of the
/// batch's thread-local image from the thread pointer, if every thread has it there.
pub(crate) fn show(
    executor: &dyn Executor,
    objects: &[Arc<Object>],
    lots: &[LotId],
    places: impl Fn(usize) -> Places,
    failed: impl Fn(usize) -> bool,
    threads: Option<u64>,
) -> Vec<Shown> {
    let (debug, backtraces) = (executor.debug_wanted(), executor.backtraces_wanted());
    if !debug && !backtraces {
        return Vec::new();
    }
    let known = debug.then(|| executor.debug_thread_base()).flatten();
    let origin = Origin { base: 0, threads: threads.zip(known).map(|(image, known)| image.wrapping_sub(known)) };
    let mut shown: Vec<Shown> = objects.iter().map(|_| Shown::default()).collect();
    let mut whole: Vec<usize> = (0..objects.len()).filter(|index| !failed(*index)).collect();
    // Objects that are removed together are shown together; most batches have one lot.
    whole.sort_by_key(|index| lots[*index]);
    for units in whole.chunk_by(|one, other| lots[*one] == lots[*other]) {
        let all: Vec<_> = units.iter().map(|index| (objects[*index].clone(), places(*index))).collect();
        if debug {
            // Debug information of Mach-O cannot be joined.
            let is_darwin = |index: &usize| objects[*index].interface.format.container == Container::MachO;
            let (alone, together): (Vec<_>, Vec<_>) = units.iter().zip(&all).partition(|(unit, _)| is_darwin(unit));
            let group = together.len().div_ceil(MAX_DEBUG_IMAGES).max(1);
            for part in together.chunks(group).chain(alone.chunks(1)) {
                let parts = part.iter().map(|(_, part)| *part);
                let image = image(parts, origin).and_then(|image| executor.register_debug(image)).map(Arc::new);
                for (unit, _) in part {
                    shown[**unit]._debug = image.clone();
                }
            }
        }
        if backtraces && let Some(names) = register_names(executor, all).map(Arc::new) {
            for unit in units {
                shown[*unit]._names = Some(names.clone());
            }
        }
    }
    shown
}

fn register_names(executor: &dyn Executor, objects: Vec<(Arc<Object>, Places)>) -> Option<Resource> {
    let code = join(objects.iter().map(|(_, places)| places.code()).filter(|code| !code.is_empty()));
    if code.is_empty() {
        return None;
    }
    // Below everything, so that addresses in the image are positive, and not by nothing, so that none is 0.
    const BELOW: u64 = 0x1000;
    let lowest = objects.iter().map(|(_, places)| places.lowest()).min()?;
    let base = (lowest & !(BELOW - 1)).saturating_sub(BELOW);
    let image = move || image(&objects, Origin { base, threads: None });
    executor.register_names(NamedCode { base, code, image: Box::new(image) })
}

/// The image of these objects, without those whose debug sections are damaged.
pub(super) fn image<'a>(
    objects: impl IntoIterator<Item = &'a (Arc<Object>, Places)>,
    origin: Origin,
) -> Option<Vec<u8>> {
    let objects = objects.into_iter().map(|(object, places)| (&object.interface.input, places));
    let mut objects: Vec<_> = objects.collect();
    debug::image(&objects, origin).ok().or_else(|| {
        objects.retain(|object| debug::image(&[*object], origin).is_ok());
        debug::image(&objects, origin).ok()
    })
}

/// Ranges in ascending order, with neighbours joined over the few bytes that alignment leaves between them.
fn join(ranges: impl Iterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    const GAP: u64 = 64;
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.end <= range.start && range.start - last.end < GAP => last.end = range.end,
            _ => joined.push(range),
        }
    }
    joined
}
