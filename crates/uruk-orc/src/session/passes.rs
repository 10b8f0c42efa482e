//! What clients want of links beside code: plugins that take part in them, and graphs that stay.

use super::Session;
use crate::objects::Retained;
use crate::plugin::Plugin;
use crate::state::{DylibId, UnitId};
use std::sync::Arc;

impl Session {
    /// Lets a plugin take part in all links from now on, after those that were added before.
    pub fn add_plugin(&self, plugin: Arc<dyn Plugin>) {
        self.wishes.add_plugin(plugin);
    }

    /// Keeps the graphs of what is linked from now on in these dylibs, for as long as it stays.
    pub fn retain_graphs(&self, dylibs: &[DylibId]) {
        self.wishes.retain(dylibs);
    }

    /// The retained graphs of a dylib's linked objects, in the order of their ids.
    pub fn retained_graphs(&self, dylib: DylibId) -> Vec<Arc<Retained>> {
        let linked = self.linked.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let retained = linked.values().filter_map(|linked| linked.retained.clone());
        let mut retained: Vec<_> = retained.filter(|retained| retained.dylib == dylib).collect();
        retained.sort_by_key(|retained| retained.unit);
        retained
    }

    /// The retained graph of a linked object.
    pub fn retained_graph(&self, unit: UnitId) -> Option<Arc<Retained>> {
        let linked = self.linked.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        linked.get(&unit)?.retained.clone()
    }
}
