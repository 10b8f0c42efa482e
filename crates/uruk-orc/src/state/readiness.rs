//! How units become ready, or fail, together with what depends on them.
//!
//! A unit is ready once everything that it reaches is emitted. Asking that again at each emission would cost the square
//! of a chain's length, so every emitted unit that waits belongs to the *tree* of one unit that it reaches and that is
//! not emitted yet, the tree's anchor. When the anchor is emitted, its tree joins that of something it needs; only if it
//! needs nothing outside of its tree are the members looked at one by one. Trees are disjoint sets (union by size,
//! path halving), their members circular lists.
//!
//! Invariants: a unit that is neither ready nor failed is in exactly one tree; an anchor is waiting, materializing or
//! resolved, all other members are emitted and reach it. Nothing here recurses.

use super::{NO_UNIT, Phase, REMOVED, State, SymbolId, UnitId};
use crate::error::Error;
use std::collections::HashSet;

/// A unit's place among the trees.
#[derive(Clone, Copy)]
pub(super) struct Node {
    parent: UnitId,
    next: UnitId,
    size: u32,
    /// Of the tree that this node represents.
    anchor: UnitId,
    mark: u32,
}

impl Node {
    /// A tree by itself.
    pub fn alone(unit: UnitId) -> Node {
        Node { parent: unit, next: unit, size: 1, anchor: unit, mark: 0 }
    }
}

impl State {
    /// Whether a symbol of this unit can be used: it is ready, or needs no unit.
    pub fn is_ready(&self, id: UnitId) -> bool {
        match self.units.get(id.index()) {
            Some(unit) => matches!(unit.phase, Phase::Ready),
            None => id == NO_UNIT,
        }
    }

    /// A unit's addresses have been entered.
    pub fn resolved(&mut self, id: UnitId) {
        let unit = self.unit_mut(id);
        if matches!(unit.phase, Phase::Materializing) {
            unit.phase = Phase::Resolved;
            self.tell(id);
            self.effects.progress = true;
        }
    }

    /// Units whose bytes are final, each with symbols of the units outside of them that it reaches and that were not
    /// ready. Whatever becomes ready by that does so here. Units that have failed meanwhile stay so.
    pub fn emit(&mut self, emitted: Vec<(UnitId, Vec<SymbolId>)>) {
        self.effects.progress = true;
        for (id, _) in &emitted {
            let unit = self.unit_mut(*id);
            if matches!(unit.phase, Phase::Materializing | Phase::Resolved) {
                unit.phase = Phase::Emitted;
            }
        }
        let mut failed = Vec::new();
        for (id, needs) in &emitted {
            if matches!(self.unit(*id).phase, Phase::Emitted)
                && let Err(error) = self.enter_needs(*id, needs)
            {
                failed.push((*id, error));
            }
        }
        self.fail(failed);
        for (id, _) in emitted {
            if matches!(self.unit(id).phase, Phase::Emitted) {
                self.tell(id);
                self.settle(id);
            }
        }
    }

    /// Enters what an emitted unit needs. Errors with the cause if some of that has failed.
    fn enter_needs(&mut self, id: UnitId, needs: &[SymbolId]) -> Result<(), Error> {
        for symbol in needs {
            let need = self.symbol(*symbol).unit;
            if need == NO_UNIT || need == id {
                continue;
            }
            let failure = match self.units.get(need.index()).map(|unit| &unit.phase) {
                Some(Phase::Ready) => continue,
                Some(Phase::Failed(cause)) => Some(cause.clone()),
                None => Some(Error::Removed { unit: self.symbol_text(*symbol) }),
                Some(_) => None,
            };
            if let Some(cause) = failure {
                return Err(self.dependency(id, *symbol, need, cause));
            }
            let generation = self.unit(need).generation;
            self.unit_mut(id).needs.push((need, generation));
            self.news.needs += 1;
            self.unit_mut(need).dependants.push((id, *symbol));
        }
        Ok(())
    }

    /// Finds an emitted unit, the anchor of its tree, another tree to wait in, or makes ready what need not wait.
    fn settle(&mut self, id: UnitId) {
        let unit = self.unit(id);
        if unit.needs.is_empty() && unit.tree.size == 1 && unit.tree.parent == id {
            return self.ready(id);
        }
        match self.witness(id, |state, need| state.anchor(need) != id) {
            Some(need) => self.join(id, need),
            None => {
                let members = self.members(id);
                self.regroup(members);
            }
        }
    }

    /// A unit that an emitted one needs, that is not ready and that passes the test.
    fn witness(&mut self, id: UnitId, test: impl Fn(&mut State, UnitId) -> bool) -> Option<UnitId> {
        let mut needs = std::mem::take(&mut self.unit_mut(id).needs);
        let mut found = None;
        needs.retain(|need| {
            if found.is_some() {
                return true;
            }
            let open = self.is_open(*need);
            if open && test(self, need.0) {
                found = Some(need.0);
            }
            open
        });
        self.unit_mut(id).needs = needs;
        found
    }

    /// Sorts the members of a tree anew: each joins the tree of something else that it reaches, and those that reach
    /// nothing that is not emitted are ready.
    pub(super) fn regroup(&mut self, members: Vec<UnitId>) {
        self.stamp += 1;
        let stamp = self.stamp;
        for id in &members {
            self.unit_mut(*id).tree = Node::alone(*id);
        }
        let emitted = |state: &State, id: UnitId| matches!(state.unit(id).phase, Phase::Emitted);
        for id in &members {
            if emitted(self, *id) {
                self.unit_mut(*id).tree.mark = stamp;
            }
        }
        let mut blocked = Vec::new();
        for id in &members {
            if self.unit(*id).tree.mark == stamp
                && let Some(need) = self.witness(*id, |state, need| state.unit(need).tree.mark != stamp)
            {
                blocked.push((*id, need));
            }
        }
        // Marks go only now: what a member waits in is found by a way out of them.
        let mut at = 0;
        for (id, _) in &blocked {
            self.unit_mut(*id).tree.mark = 0;
        }
        while let Some((id, need)) = blocked.get(at).copied() {
            at += 1;
            self.join(id, need);
            let dependants = std::mem::take(&mut self.unit_mut(id).dependants);
            for (dependant, _) in &dependants {
                let tree = &mut self.unit_mut(*dependant).tree;
                if tree.mark == stamp {
                    tree.mark = 0;
                    blocked.push((*dependant, id));
                }
            }
            self.unit_mut(id).dependants = dependants;
        }
        for id in members {
            if self.unit(id).tree.mark == stamp && emitted(self, id) {
                self.ready(id);
            }
        }
    }

    /// The units that an emitted one needs.
    pub(super) fn needed(&self, id: UnitId) -> impl Iterator<Item = UnitId> + '_ {
        self.unit(id).needs.iter().filter(|need| self.is_open(**need)).map(|(need, _)| *need)
    }

    /// Whether a needed unit is not ready yet. One that was ready may be gone, and its id another's.
    fn is_open(&self, (need, generation): (UnitId, u32)) -> bool {
        let unit = self.unit(need);
        unit.generation == generation && !matches!(unit.phase, Phase::Ready)
    }

    fn ready(&mut self, id: UnitId) {
        let unit = self.unit_mut(id);
        unit.phase = Phase::Ready;
        unit.needs = Vec::new();
        unit.dependants = Vec::new();
        unit.tree = Node::alone(id);
        self.tell(id);
    }

    pub fn dependency(&self, who: UnitId, symbol: SymbolId, whose: UnitId, cause: Error) -> Error {
        let name = |unit: UnitId| match self.units.get(unit.index()) {
            Some(unit) => unit.name.to_string(),
            None => "a unit that was removed".to_string(),
        };
        Error::dependency(name(who), self.symbol_text(symbol), name(whose), cause)
    }

    /// Fails units, and everything emitted that needs them.
    pub fn fail(&mut self, failures: Vec<(UnitId, Error)>) {
        if failures.is_empty() {
            return;
        }
        self.effects.progress = true;
        let mut failed = Vec::new();
        let mut torn = HashSet::new();
        let mut needed = HashSet::new();
        let mut open = failures;
        open.reverse();
        while let Some((id, error)) = open.pop() {
            if matches!(self.unit(id).phase, Phase::Failed(_) | Phase::Ready) {
                continue;
            }
            torn.insert(self.representative(id));
            let unit = self.unit_mut(id);
            unit.phase = Phase::Failed(error.clone());
            let (client, linked) = (unit.client.take(), unit.linked.take());
            let (needs, dependants) = (std::mem::take(&mut unit.needs), std::mem::take(&mut unit.dependants));
            client.into_iter().for_each(|client| self.drop_later(client));
            self.free(linked);
            needed.extend(needs.into_iter().filter(|need| self.is_open(*need)));
            for (dependant, symbol) in dependants {
                if matches!(self.unit(dependant).phase, Phase::Emitted) {
                    let error = self.dependency(dependant, symbol, id, error.clone());
                    open.push((dependant, error));
                }
            }
            failed.push(id);
        }
        // The ids of failed units may be given to others, which do not depend on the same.
        for (need, _) in needed {
            let mut dependants = std::mem::take(&mut self.unit_mut(need).dependants);
            dependants.retain(|(dependant, _)| !matches!(self.unit(*dependant).phase, Phase::Failed(_)));
            self.unit_mut(need).dependants = dependants;
        }
        for tree in torn {
            let members = self.members(tree);
            self.regroup(members);
        }
        self.tell_failures(&failed);
    }

    /// Joins a unit's tree to that of something which it needs, whose anchor is then that of both.
    fn join(&mut self, id: UnitId, need: UnitId) {
        let anchor = self.anchor(need);
        let (one, other) = (self.representative(id), self.representative(need));
        if one == other {
            return;
        }
        let (small, large) =
            if self.unit(one).tree.size < self.unit(other).tree.size { (one, other) } else { (other, one) };
        let (size, next) = (self.unit(small).tree.size, self.unit(small).tree.next);
        let tree = &mut self.unit_mut(large).tree;
        tree.size += size;
        tree.anchor = anchor;
        let after = std::mem::replace(&mut tree.next, next);
        let tree = &mut self.unit_mut(small).tree;
        (tree.parent, tree.next) = (large, after);
    }

    fn anchor(&mut self, id: UnitId) -> UnitId {
        let representative = self.representative(id);
        self.unit(representative).tree.anchor
    }

    fn representative(&mut self, mut id: UnitId) -> UnitId {
        loop {
            let parent = self.unit(id).tree.parent;
            if parent == id {
                return id;
            }
            let above = self.unit(parent).tree.parent;
            self.unit_mut(id).tree.parent = above;
            id = above;
        }
    }

    pub(super) fn members(&self, id: UnitId) -> Vec<UnitId> {
        let mut members = vec![id];
        let mut at = self.unit(id).tree.next;
        while at != id {
            members.push(at);
            at = self.unit(at).tree.next;
        }
        members
    }

    /// Gives the dependants of symbols that moved from one unit to another, which is not emitted, to that other one.
    pub(super) fn move_dependants(&mut self, from: UnitId, to: UnitId) {
        let dependants = std::mem::take(&mut self.unit_mut(from).dependants);
        if dependants.is_empty() {
            return;
        }
        for (dependant, symbol) in dependants {
            let unit = if self.symbol(symbol).unit == to { to } else { from };
            self.unit_mut(unit).dependants.push((dependant, symbol));
            if unit == to {
                let generation = self.unit(to).generation;
                let need = self.unit_mut(dependant).needs.iter_mut().find(|(need, _)| *need == from);
                need.into_iter().for_each(|need| *need = (to, generation));
            }
        }
        let members = self.members(from);
        self.regroup(members);
    }

    /// Whether a symbol's unit is gone.
    pub(super) fn is_removed(&self, symbol: SymbolId) -> bool {
        self.symbol(symbol).unit == REMOVED
    }
}
