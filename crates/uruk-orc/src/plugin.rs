//! Plugins: what clients do to objects on their way through a link.
//!
//! A link calls every plugin at each named phase, in the order in which the plugins were added: before pruning, after
//! pruning, after allocation, before fix-up, after fix-up; then it tells them that an object is linked, or has failed,
//! and one day that it is being removed. Before allocation the graph may be changed, through an
//! [`Editor`]; then addresses are known, and last the bytes. Invariants: no lock of the session is held while a plugin
//! runs; several objects may be at the same phase on several threads, one object never is; an error fails the object
//! and what needs it, and nothing else. A session without plugins does nothing of all this.

use crate::error::Error;
use crate::listener::{Listener, Listeners};
use crate::state::{DylibId, UnitId};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use uruk_jitlink::edit::Editor;
use uruk_jitlink::names::Names;
use uruk_jitlink::placed::{Placed, Working};

/// What a phase of a plugin ends with; any error is kept as the cause of the object's failure.
pub type PassResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// The object that a plugin is called for.
#[derive(Clone)]
pub struct Context {
    /// Its id, which another object may have once this one has failed or has been removed.
    pub unit: UnitId,
    /// The dylib that it belongs to.
    pub dylib: DylibId,
    /// What the dylib is called.
    pub dylib_name: Arc<str>,
    /// What messages call the object: a path, or `archive(member)`.
    pub object: Arc<str>,
    /// The names of the session, which section groups refer to.
    pub names: Arc<Names>,
}

/// Takes part in links. Every phase does nothing unless a plugin says otherwise.
///
/// It must not wait for symbols of its session: what they need may be the object at hand.
pub trait Plugin: Send + Sync {
    /// What messages call it.
    fn name(&self) -> &str {
        std::any::type_name::<Self>()
    }

    /// The graph as the object's file has it. This is the time to add symbols that other objects see, or that they or
    /// the process define: they decide what is linked with the object. A definition that is added is entered in the
    /// dylib, where whatever is linked with the object or later finds it.
    fn pre_prune(&self, context: &Context, graph: &mut Editor<'_>) -> PassResult {
        let _ = (context, graph);
        Ok(())
    }

    /// The graph without what other objects have brought and what nothing needs. Room for common symbols is made after
    /// this. Symbols that are added or dropped now are the object's own.
    fn post_prune(&self, context: &Context, graph: &mut Editor<'_>) -> PassResult {
        let _ = (context, graph);
        Ok(())
    }

    /// All of the object has its address, but where what it needs of other objects lies is not known yet, and nothing is
    /// written.
    /// Blocks that the linker has made follow the object's and the plugins' own.
    fn post_allocation(&self, context: &Context, graph: &Placed<'_>) -> PassResult {
        let _ = (context, graph);
        Ok(())
    }

    /// All addresses are known.
    fn pre_fixup(&self, context: &Context, graph: &Placed<'_>) -> PassResult {
        let _ = (context, graph);
        Ok(())
    }

    /// All bytes are written, and may be changed for the last time.
    fn post_fixup(&self, context: &Context, graph: &Placed<'_>, bytes: &mut Working<'_, '_>) -> PassResult {
        let _ = (context, graph, bytes);
        Ok(())
    }

    /// The bytes are at their addresses, protected, and unwinders and debuggers know them; nobody has been given a
    /// symbol of the object yet.
    fn linked(&self, context: &Context, graph: &Placed<'_>) {
        let _ = (context, graph);
    }

    /// The object could not be linked: for what a plugin or the linker said of it, or because something that it needs
    /// could not. Every object that has met the plugin [before pruning](Plugin::pre_prune) is either
    /// [linked](Plugin::linked) or fails.
    fn failed(&self, context: &Context, error: &Error) {
        let _ = (context, error);
    }

    /// A linked object is going, since it is removed or since something that it needs has failed in the end: its symbols
    /// are not found any more, its memory is still there. By the time the session is gone, every linked object has gone.
    fn removing(&self, context: &Context) {
        let _ = context;
    }
}

impl fmt::Debug for dyn Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The plugins of a session.
pub(crate) type Plugins = Arc<[Arc<dyn Plugin>]>;

/// What a session's clients want of its links, beside code.
#[derive(Default)]
pub(crate) struct Wishes {
    plugins: RwLock<Option<Plugins>>,
    listeners: RwLock<Option<Listeners>>,
    retained: RwLock<Vec<DylibId>>,
    entries: AtomicBool,
}

impl Wishes {
    /// Nothing changes while this is held.
    pub fn hold(&self) -> impl Sized + '_ {
        let plugins = self.plugins.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let listeners = self.listeners.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        (plugins, listeners, self.retained.write().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    pub fn add_plugin(&self, plugin: Arc<dyn Plugin>) {
        let mut plugins = self.plugins.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        *plugins = Some(plugins.iter().flat_map(|plugins| plugins.iter().cloned()).chain([plugin]).collect());
    }

    /// The plugins as of now, if there are any.
    pub fn plugins(&self) -> Option<Plugins> {
        self.plugins.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub fn add_listener(&self, listener: Arc<dyn Listener>) {
        let mut listeners = self.listeners.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        *listeners = Some(listeners.iter().flat_map(|listeners| listeners.iter().cloned()).chain([listener]).collect());
    }

    /// The listeners as of now, if there are any.
    pub fn listeners(&self) -> Option<Listeners> {
        self.listeners.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    pub fn retain(&self, dylibs: &[DylibId]) {
        self.retained.write().unwrap_or_else(|poisoned| poisoned.into_inner()).extend(dylibs);
    }

    pub fn show_entries(&self) {
        self.entries.store(true, Ordering::Relaxed);
    }

    /// Whether table entries are made that nothing goes through.
    pub fn shows_entries(&self) -> bool {
        self.entries.load(Ordering::Relaxed)
    }

    /// The dylibs whose graphs are retained.
    pub fn retained(&self) -> Vec<DylibId> {
        self.retained.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}
