//! Plugins: callbacks that see, and may change, every object on its way through a link.

use crate::call::{Reach, answer, enter, linking};
use crate::context::{Context, uruk_destroy};
use crate::error::{Failure, c_text, uruk_status};
use crate::graph::{View, lend, uruk_graph};
use crate::handle::Handle;
use crate::jit::uruk_jit;
use crate::raw::{List, Out, Text};
use crate::sized::{self, Grows};
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use uruk_jitlink::edit::Editor;
use uruk_jitlink::placed::{Placed, Working};
use uruk_orc::error::Error;
use uruk_orc::plugin::{self, PassResult, Plugin};

/// The object that a plugin is called for. It is the library's, and valid during the call.
#[repr(C)]
pub struct uruk_plugin_object {
    /// Of this structure; fields are only ever appended.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// A number for the object, which another may have once this one has failed or has been removed.
    pub unit: u64,
    /// What messages call it: a path, or `archive(member)`.
    pub object: *const c_char,
    /// What the dylib is called that it belongs to.
    pub dylib: *const c_char,
}

/// A phase of a link: 0 for success; otherwise `*message` may be set to a text made by `uruk_message`, and the object fails.
pub type uruk_plugin_phase = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        object: *const uruk_plugin_object,
        graph: Handle<uruk_graph>,
        message: *mut *mut c_char,
    ) -> i32,
>;

/// The callbacks of a plugin, each of which may be null. Several threads may call them at once for several objects. In them, only functions
/// may be called of which the header says so, all of `uruk_graph` among them; others return `URUK_BUSY`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_plugin_callbacks {
    /// Filled in by `uruk_plugin_callbacks_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_plugin_callbacks_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_plugin_callbacks_init`.
    pub magic: u64,
    /// Given to each callback.
    pub context: *mut c_void,
    /// What messages call it; null: "a plugin". It is copied.
    pub name: Text,
    /// The graph is as the object's file has it, and can be changed. Symbols that other objects see are added and dropped now.
    pub pre_prune: uruk_plugin_phase,
    /// What other objects have brought, and what nothing needs, is gone. The graph can be changed.
    pub post_prune: uruk_plugin_phase,
    /// All of the object has its address.
    pub post_allocation: uruk_plugin_phase,
    /// All addresses are known, those of what it refers to among them.
    pub pre_fixup: uruk_plugin_phase,
    /// All bytes are written, and can be changed for the last time.
    pub post_fixup: uruk_plugin_phase,
    /// The bytes are at their addresses, protected; nobody has been given a symbol of the object yet.
    pub linked: Option<
        unsafe extern "C" fn(context: *mut c_void, object: *const uruk_plugin_object, graph: Handle<uruk_graph>),
    >,
    /// The object could not be linked. Every object that `pre_prune` has seen is either linked or fails.
    pub failed: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            object: *const uruk_plugin_object,
            status: uruk_status,
            message: *const c_char,
        ),
    >,
    /// A linked object is going: nobody finds its symbols, its memory is still there.
    pub removing: Option<unsafe extern "C" fn(context: *mut c_void, object: *const uruk_plugin_object)>,
    /// The last call of all, once the JIT is gone. Null: nobody is told.
    pub destroy: uruk_destroy,
}

// SAFETY: `repr(C)`, it begins as it must, and function pointers that may be null and addresses are all that follows.
unsafe impl Grows for uruk_plugin_callbacks {
    const NAME: &'static str = "uruk_plugin_callbacks";
    const NUMBER: u32 = 6;
}

/// Fills in a table of callbacks: none. `size` is `sizeof` the structure. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_plugin_callbacks_init(callbacks: Out<uruk_plugin_callbacks>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(callbacks, size))
}

/// Lets a plugin take part in all links of a JIT from now on, after those that were added before. The table is copied. If this fails, the
/// context stays the caller's.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_add_plugin(jit: Handle<uruk_jit>, callbacks: List<uruk_plugin_callbacks>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let program = jit.get()?;
        let callbacks = sized::copy(callbacks)?;
        let name = callbacks.name.or("`name` of uruk_plugin_callbacks", "a plugin")?.to_owned();
        let context = Context::new(callbacks.context, callbacks.destroy);
        context.own();
        program.jit.session().add_plugin(Arc::new(Custom { callbacks, name, context }));
        Ok(())
    })
}

struct Custom {
    callbacks: uruk_plugin_callbacks,
    name: String,
    context: Context,
}

// SAFETY: the context is the client's, whose callbacks may be called by several threads, as is said there; the rest is not looked behind.
unsafe impl Send for Custom {}
// SAFETY: as above.
unsafe impl Sync for Custom {}

impl Custom {
    /// Calls a phase, if it is there.
    fn phase(&self, what: &str, phase: uruk_plugin_phase, context: &plugin::Context, view: View) -> PassResult {
        let Some(phase) = phase else { return Ok(()) };
        with_object(context, |object| {
            lend(view, |graph| {
                // SAFETY: the client's function with its context, and what lives during the call.
                let call = |message| unsafe { phase(self.context.pointer(), object, graph, message) };
                linking(|| answer(&format!("`{what}`"), call)).map_err(Failure::into)
            })
        })
    }
}

/// Describes an object for the time of a call.
fn with_object<T>(context: &plugin::Context, call: impl FnOnce(*const uruk_plugin_object) -> T) -> T {
    let (object, dylib) = (c_text(&context.object), c_text(&context.dylib_name));
    call(&uruk_plugin_object {
        struct_size: size_of::<uruk_plugin_object>() as u32,
        reserved: 0,
        unit: context.unit.number().into(),
        object: object.as_ptr(),
        dylib: dylib.as_ptr(),
    })
}

impl Plugin for Custom {
    fn name(&self) -> &str {
        &self.name
    }

    fn pre_prune(&self, context: &plugin::Context, graph: &mut Editor<'_>) -> PassResult {
        self.phase("pre_prune", self.callbacks.pre_prune, context, View::editor(graph))
    }

    fn post_prune(&self, context: &plugin::Context, graph: &mut Editor<'_>) -> PassResult {
        self.phase("post_prune", self.callbacks.post_prune, context, View::editor(graph))
    }

    fn post_allocation(&self, context: &plugin::Context, graph: &Placed<'_>) -> PassResult {
        self.phase("post_allocation", self.callbacks.post_allocation, context, View::placed(graph))
    }

    fn pre_fixup(&self, context: &plugin::Context, graph: &Placed<'_>) -> PassResult {
        self.phase("pre_fixup", self.callbacks.pre_fixup, context, View::placed(graph))
    }

    fn post_fixup(&self, context: &plugin::Context, graph: &Placed<'_>, bytes: &mut Working<'_, '_>) -> PassResult {
        self.phase("post_fixup", self.callbacks.post_fixup, context, View::written(graph, bytes))
    }

    fn linked(&self, context: &plugin::Context, graph: &Placed<'_>) {
        let Some(linked) = self.callbacks.linked else { return };
        with_object(context, |object| {
            lend(View::placed(graph), |graph| {
                // SAFETY: the client's function with its context, and what lives during the call.
                linking(|| unsafe { linked(self.context.pointer(), object, graph) });
            });
        });
    }

    fn failed(&self, context: &plugin::Context, error: &Error) {
        let Some(failed) = self.callbacks.failed else { return };
        let failure = Failure::from(error.clone());
        let text = c_text(&failure.text);
        with_object(context, |object| {
            // SAFETY: the client's function with its context, and what lives during the call.
            linking(|| unsafe { failed(self.context.pointer(), object, failure.status, text.as_ptr()) });
        });
    }

    fn removing(&self, context: &plugin::Context) {
        let Some(removing) = self.callbacks.removing else { return };
        with_object(context, |object| {
            // SAFETY: the client's function with its context, and what lives during the call.
            linking(|| unsafe { removing(self.context.pointer(), object) });
        });
    }
}
