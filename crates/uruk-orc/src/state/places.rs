//! Which unit an address belongs to.
//!
//! Invariant: the index is made when somebody asks first, since most programs never do, and then always says what units'
//! memory is. Ranges of one session overlap only where a client has said so; then any of them may be found.

use super::{State, UnitId};
use crate::objects::Linked;
use std::collections::BTreeMap;
use std::ops::Range;

/// Ends and units of ranges by where they start.
#[derive(Default)]
pub(super) struct Places(Option<BTreeMap<u64, (u64, UnitId)>>);

impl Places {
    /// Enters a range of a unit's, if the index has been made.
    pub fn enter(&mut self, unit: UnitId, range: &Range<u64>) {
        if let Some(index) = &mut self.0 {
            index.insert(range.start, (range.end, unit));
        }
    }

    /// Forgets the ranges of what goes.
    pub fn forget(&mut self, linked: &Linked) {
        if let Some(index) = &mut self.0 {
            linked.memory().for_each(|range| _ = index.remove(&range.start));
        }
    }
}

impl State {
    /// The unit whose memory an address lies in.
    pub fn unit_containing(&mut self, address: u64) -> Option<UnitId> {
        let units = &self.units;
        let index = self.places.0.get_or_insert_with(|| {
            let linked = units.iter().enumerate().filter_map(|(id, unit)| Some((id, unit.linked.as_ref()?)));
            let places = linked.flat_map(|(id, linked)| linked.memory().map(move |range| (id, range)));
            places.map(|(id, range)| (range.start, (range.end, UnitId(id as u32)))).collect()
        });
        let (_, (end, unit)) = index.range(..=address).next_back()?;
        (address < *end).then_some(*unit)
    }
}
