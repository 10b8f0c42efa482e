//! Objects that clients' units were compiled to: what they define of what was promised, and what they define besides.

use super::{Rank, State, Symbol, SymbolId, UnitId};
use crate::error::Error;
use crate::objects::Object;
use std::collections::HashMap;
use std::sync::Arc;
use uruk_jitlink::graph::{SymbolKind, Visibility};
use uruk_jitlink::interface::{Global, Strength};
use uruk_jitlink::names::Name;

impl State {
    /// Makes a client's unit that of an object, to be linked.
    pub fn adopt(&mut self, id: UnitId, mut object: Object) -> Result<(), Error> {
        self.check_working(id)?;
        let promised = self.unit(id).symbols.iter().map(|symbol| (self.symbol(*symbol).name, *symbol));
        let mut promised: HashMap<Name, SymbolId, foldhash::fast::RandomState> = promised.collect();
        let interface = &mut object.interface;
        let mut symbols = Vec::with_capacity(interface.globals.len());
        let mut fulfilled = Ok(());
        for position in 0..interface.globals.len() {
            let global = interface.globals[position];
            let known = if global.strength.defines() { promised.remove(&global.name) } else { None };
            let symbol = match known {
                Some(symbol) => {
                    fulfilled = fulfilled.and(self.fulfil(id, symbol, &global));
                    Some(symbol)
                }
                None => self.claim_extra(id, &mut interface.globals[position])?,
            };
            if let (Some(symbol), Strength::Common) = (symbol, global.strength) {
                self.widen_common(symbol, interface.common(position));
            }
            symbols.push(symbol);
        }
        // What it gives others' symbols has been left to another unit.
        self.agree(id, interface)?;
        self.unit_mut(id).symbols = promised.into_values().collect();
        self.keep_changes();
        let missing: Vec<String> = self.unresolved(id).map(|symbol| self.symbol_text(symbol)).collect();
        // What it has defined is forgotten with it, also where it fails now.
        let _ = object.symbols.set(symbols);
        self.unit_mut(id).object = Some(Arc::new(object));
        fulfilled?;
        if !missing.is_empty() {
            return Err(Error::NotDefined { unit: self.unit(id).name.to_string(), symbols: missing });
        }
        self.hand_in(id);
        Ok(())
    }

    /// Notes what a promised symbol was compiled to.
    fn fulfil(&mut self, id: UnitId, symbol: SymbolId, global: &Global) -> Result<(), Error> {
        let entry = &mut self.symbols[symbol.index()];
        if entry.unit != id {
            return Ok(());
        }
        let is_thread_local = |kind: SymbolKind| kind == SymbolKind::ThreadLocal;
        // Whoever refers to it may have been laid out.
        if is_thread_local(entry.kind) != is_thread_local(global.kind) {
            let (unit, symbol) = (self.unit(id).name.to_string(), self.symbol_text(symbol));
            return Err(Error::WrongKind { unit, symbol, thread_local: is_thread_local(global.kind) });
        }
        (entry.kind, entry.resolved) = (global.kind, true);
        Ok(())
    }

    /// Enters a weak definition that was not promised; others stay the object's own.
    fn claim_extra(&mut self, id: UnitId, global: &mut Global) -> Result<Option<SymbolId>, Error> {
        let strength = match global.strength {
            Strength::Weak => Rank::Weak,
            Strength::Common => Rank::Common,
            Strength::Strong => {
                global.strength = Strength::Local;
                return Ok(None);
            }
            Strength::Undefined | Strength::UndefinedWeak | Strength::Fallback | Strength::Local => {
                return Ok(None);
            }
        };
        let exported = global.visibility != Visibility::Hidden;
        let dylib = self.unit(id).dylib;
        let symbol = self.enter(Symbol::new(global.name, id, dylib, strength, global.kind).seen(exported))?;
        let entry = &mut self.symbols[symbol.index()];
        entry.bound |= entry.unit == id;
        Ok(Some(symbol))
    }
}
