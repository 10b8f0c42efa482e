//! What others see of linked code: debuggers each object, from the start; backtraces a batch, once they need it.
//!
//! Invariants: where neither is wanted nothing is kept and nothing is done; where only backtraces are, an object costs
//! a record of where its sections lie, and its image is made when a backtrace with names meets its batch.
//! An image that cannot be made fails nothing: what runs does not depend on it.

use super::Object;
use crate::executor::{Executor, NamedCode, Resource};
use std::ops::Range;
use std::sync::Arc;
use uruk_jitlink::debug::{self, Origin, Places};

/// What a unit has registered.
#[derive(Default)]
pub(crate) struct Shown {
    /// With debuggers, for itself.
    _debug: Option<Resource>,
    /// With backtraces, for its whole batch.
    _names: Option<Arc<Resource>>,
}

/// Shows the objects of a batch, whose bytes are final, to those who want to see them. `threads` is the offset of the
/// batch's thread-local image from the thread pointer, if every thread has it there.
pub(crate) fn show(
    executor: &dyn Executor,
    objects: &[Arc<Object>],
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
    let mut all = Vec::with_capacity(objects.len());
    let mut shown = Vec::with_capacity(objects.len());
    for (index, object) in objects.iter().enumerate() {
        if failed(index) {
            shown.push(Shown::default());
            continue;
        }
        let places = places(index);
        let image = || debug::image(&[(&object.interface.input, &places)], origin).ok();
        let debug = debug.then(image).flatten().and_then(|image| executor.register_debug(image));
        shown.push(Shown { _debug: debug, _names: None });
        all.push((object.clone(), places));
    }
    if backtraces && let Some(names) = register_names(executor, all).map(Arc::new) {
        for shown in &mut shown {
            shown._names = Some(names.clone());
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
    let image = move || {
        let objects: Vec<_> = objects.iter().map(|(object, places)| (&object.interface.input, places)).collect();
        debug::image(&objects, Origin { base, threads: None }).ok()
    };
    executor.register_names(NamedCode { base, code, image: Box::new(image) })
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
