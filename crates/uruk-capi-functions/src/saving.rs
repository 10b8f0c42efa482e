//! Programs that say themselves when they are frozen: what `uruk run --save-image` offers them.
//!
//! Data flow: a JIT that retains graphs, and its dylibs → functions of this interface, and `uruk_save_image`, under their names in its
//! main dylib → the program describes its memory and calls that → its own code, with the values that variables have now, and the world
//! that it gives → a file.
//! In that file the offered functions are absent: references to them are weak, and what it calls there it must not call again.

use crate::call::{Reach, enter};
use crate::error::{Failure, uruk_error_dispose, uruk_error_last, uruk_error_message, uruk_last_message, uruk_status};
use crate::image::{
    save_program, uruk_image_bytes, uruk_image_dispose, uruk_image_make, uruk_image_options, uruk_image_options_init,
    uruk_image_save,
};
use crate::raw::List;
use crate::world::closure::*;
use crate::world::pointers::*;
use crate::world::types::*;
use crate::world::*;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use uruk::{Dylib, Jit};
use uruk_jitlink::graph::{Binding, Definition, LinkGraph};
use uruk_orc::DylibId;
use uruk_orc::session::{Session, WeakSession};

/// The program of this process.
struct Program {
    session: WeakSession,
    dylibs: Vec<DylibId>,
    path: PathBuf,
    /// Paths of findings that whoever runs it takes for right.
    allowed: Vec<String>,
    /// It has asked for its image.
    is_saved: AtomicBool,
}

static PROGRAM: OnceLock<Program> = OnceLock::new();

/// Functions by their names.
macro_rules! offered {
    ($($name:ident)*) => { [$((stringify!($name), $name as *const () as u64)),*] };
}

fn offered() -> impl Iterator<Item = (&'static str, u64)> {
    offered! {
        uruk_save_image
        uruk_image_options_init uruk_image_make uruk_image_bytes uruk_image_save uruk_image_dispose
        uruk_world_create uruk_world_dispose uruk_object_type_init uruk_world_add_type uruk_world_add_objects uruk_world_add_cell
        uruk_world_remove_object uruk_world_objects_moved uruk_world_export uruk_entry_options_init uruk_world_add_pointer
        uruk_world_add_pointers uruk_world_add_own_pointer uruk_world_add_named uruk_world_remove_pointer uruk_world_pointers
        uruk_heap_callbacks_init uruk_world_trace uruk_closure_dispose uruk_closure_size uruk_closure_shares
        uruk_closure_findings uruk_closure_path uruk_closure_unused_entries
        uruk_last_message uruk_error_last uruk_error_message uruk_error_dispose
    }
    .into_iter()
}

/// Offers the program of these dylibs, the main one of which is the JIT's, the functions by which it is saved to a file. Only the first
/// call in a process has an effect. Findings with the allowed paths are no errors.
pub fn offer(jit: &Jit, dylibs: &[Dylib<'_>], path: PathBuf, allowed: Vec<String>) {
    let (session, dylibs) = (jit.session().downgrade(), dylibs.iter().map(Dylib::id).collect());
    let program = Program { session, dylibs, path, allowed, is_saved: AtomicBool::new(false) };
    if PROGRAM.set(program).is_ok() {
        offered().for_each(|(name, address)| jit.main().define(name, address));
    }
}

/// Whether the program has asked for its image and got it.
pub fn is_saved() -> bool {
    PROGRAM.get().is_some_and(|program| program.is_saved.load(Ordering::Acquire))
}

/// The code of a program, and what is allowed of its findings.
pub(crate) struct Own {
    pub session: Session,
    pub dylibs: &'static [DylibId],
    pub allowed: &'static [String],
}

/// Those of the program that runs here, if it may be saved.
pub(crate) fn own() -> Option<Own> {
    let Program { session, dylibs, allowed, .. } = PROGRAM.get()?;
    Some(Own { session: session.upgrade()?, dylibs, allowed })
}

/// Nobody has these functions once the program starts by itself.
pub(crate) fn forget_offered(graphs: &mut [LinkGraph]) {
    for graph in graphs {
        let undefined = graph.globals().filter(|(_, symbol)| symbol.definition == Definition::Undefined);
        let offered = undefined.filter(|(id, _)| {
            let name = graph.symbol_name(*id);
            offered().any(|(known, _)| known.as_bytes() == name)
        });
        let ids: Vec<_> = offered.map(|(id, _)| id).collect();
        ids.into_iter().for_each(|id| graph.symbols[id.0 as usize].binding = Binding::Weak);
    }
}

/// Saves the program that calls it, in the file that was named when it was started. Its code is its own; null for a program without a
/// world that begins with `main`.
extern "C" fn uruk_save_image(options: List<uruk_image_options>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let program = PROGRAM.get().ok_or_else(|| Failure::invalid("this program is not one that may be saved"))?;
        save_program(options, &program.path)?;
        program.is_saved.store(true, Ordering::Release);
        Ok(())
    })
}
