//! What clients want of links beside code: plugins that take part in them, and graphs that stay.

use super::Session;
use crate::listener::Listener;
use crate::objects::Retained;
use crate::plugin::Plugin;
use crate::state::{DylibId, UnitId};
use std::sync::Arc;

impl Session {
    /// Lets a plugin take part in all links from now on, after those that were added before.
    pub fn add_plugin(&self, plugin: Arc<dyn Plugin>) {
        self.wishes().add_plugin(plugin);
    }

    /// Tells a listener of all that is linked from now on.
    pub fn add_listener(&self, listener: Arc<dyn Listener>) {
        self.wishes().add_listener(listener);
    }

    /// What the dylib of a unit is called.
    pub(crate) fn dylib_of(&self, unit: UnitId) -> Arc<str> {
        let state = self.lock();
        state.dylib(state.unit(unit).dylib).name.clone()
    }

    /// Keeps the graphs of what is linked from now on in these dylibs, for as long as it stays.
    pub fn retain_graphs(&self, dylibs: &[DylibId]) {
        self.wishes().retain(dylibs);
    }

    /// Makes GOT slots and stubs from now on even where code is rewritten to do without, so that those who examine links
    /// find them: [`Retained::entries`].
    pub fn show_entries(&self) {
        self.wishes().show_entries();
    }

    /// The retained graphs of a dylib's linked objects, in the order of their ids, with those of its lazy functions' bodies.
    pub fn retained_graphs(&self, dylib: DylibId) -> Vec<Arc<Retained>> {
        let state = self.lock();
        let bodies = state.dylib(dylib).bodies;
        let is_its =
            |of: DylibId| of == dylib || bodies.is_some_and(|bodies| [bodies.code, bodies.improved].contains(&of));
        let linked = state.units.iter().filter(|unit| is_its(unit.dylib)).filter_map(|unit| unit.linked.as_ref());
        linked.filter_map(|linked| linked.retained.clone()).collect()
    }

    /// The retained graph of a linked object.
    pub fn retained_graph(&self, unit: UnitId) -> Option<Arc<Retained>> {
        self.lock().units.get(unit.index())?.linked.as_ref()?.retained.clone()
    }
}
