//! Trackers: what is removed together.

use crate::call::{Reach, enter};
use crate::dylib::uruk_dylib;
use crate::error::uruk_status;
use crate::handle::{Handle, Kind};
use crate::jit::Program;
use crate::raw::Out;
use std::sync::Arc;
use uruk_orc::{DylibId, TrackerId};

/// Things of a dylib that are removed together. It is its JIT's.
pub struct uruk_tracker;

impl Kind for uruk_tracker {
    const NAME: &'static str = "uruk_tracker";
    type Object = Tracker;
}

/// A tracker of a program.
pub struct Tracker {
    pub(crate) program: Arc<Program>,
    pub(crate) dylib: DylibId,
    pub(crate) id: TrackerId,
}

/// Makes a tracker, to be given to whatever adds something to its dylib.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_tracker_create(dylib: Handle<uruk_dylib>, tracker: Out<Handle<uruk_tracker>>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        tracker.check("tracker")?;
        let dylib = dylib.get()?;
        let (program, id) = (dylib.program.clone(), dylib.program.jit.session().create_tracker(dylib.id));
        let made = Arc::new(Tracker { program: program.clone(), dylib: dylib.id, id });
        tracker.put(program.own::<uruk_tracker>(made))
    })
}

/// Removes what was added with a tracker: nobody finds its symbols any more, and what is still being made fails. Its memory goes when
/// nothing holds it; `uruk_jit_quiesce` waits for that. The tracker can be used again.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_tracker_remove(tracker: Handle<uruk_tracker>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let tracker = tracker.get()?;
        let _ = tracker.program.jit.session().remove(tracker.id);
        Ok(())
    })
}

/// Moves all that a tracker has to another one of the same dylib.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_tracker_transfer(from: Handle<uruk_tracker>, to: Handle<uruk_tracker>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (from, to) = (from.get()?, to.get()?);
        from.program.require_same(&to.program)?;
        Ok(from.program.jit.session().transfer(from.id, to.id)?)
    })
}

/// Disposes of a tracker. What it has stays, until its dylib is cleared. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_tracker_dispose(tracker: Handle<uruk_tracker>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        if let Some(taken) = tracker.take()? {
            taken.program.disown(tracker);
            // It is gone with its dylib, or it is there.
            let _ = taken.program.jit.session().drop_tracker(taken.id);
        }
        Ok(())
    })
}
