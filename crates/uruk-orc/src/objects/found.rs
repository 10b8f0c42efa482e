//! What a job's references mean to the linker, from what the session knows of their symbols.

use super::resolve::{Job, Reference, THREAD_IMAGE, bound};
use crate::session::Session;
use crate::state::{State, SymbolId};
use std::collections::HashMap;
use uruk_jitlink::coff::IMAGE_BASE;
use uruk_jitlink::graph::{SymbolId as LocalId, SymbolKind};
use uruk_jitlink::interface::Strength;
use uruk_jitlink::resolve::{Target, Targets};

/// What the references of a job mean to the linker.
pub(super) struct Found {
    /// Thread-local variables that are defined elsewhere are left to `others`.
    pub targets: Targets,
    pub others: Vec<(LocalId, SymbolId)>,
    /// Common symbols that are this job's to allocate.
    pub commons: Vec<(LocalId, SymbolId)>,
    /// What the linker itself defines, once layout has decided.
    pub bounds: Vec<LocalId>,
    /// Sections whose bounds are asked for.
    pub gathered: Vec<Vec<u8>>,
}

impl Found {
    /// `in_reach` says which dylibs have the placement of this job, `image` is the start of its image.
    pub fn new(session: &Session, job: &Job, state: &State, in_reach: &[bool], image: u64) -> Found {
        let targets = Targets::new(&job.graph);
        let (others, commons, bounds, gathered) = Default::default();
        let mut found = Found { targets, others, commons, bounds, gathered };
        let globals = job.references.iter().zip(&job.object.interface.globals);
        for (id, (reference, global)) in (job.graph.first_global.0..).map(LocalId).zip(globals) {
            let target = match *reference {
                Reference::Symbol(symbol) => {
                    let definition = &state.symbols[symbol.index()];
                    if definition.unit == job.unit {
                        if global.strength == Strength::Common {
                            found.commons.push((id, symbol));
                        }
                        // As it is from the start.
                        continue;
                    }
                    if definition.kind == SymbolKind::ThreadLocal {
                        found.others.push((id, symbol));
                        continue;
                    }
                    match in_reach[definition.dylib.index()] {
                        _ if state.is_absolute(definition) => Target::Known(definition.address),
                        true => Target::Near,
                        false => Target::Far,
                    }
                }
                Reference::Own => continue,
                Reference::Linker => {
                    let name = session.names().bytes(global.name);
                    found.gathered.extend(bound(&name).map(|(section, _)| section));
                    if name == THREAD_IMAGE {
                        Target::ThreadImage
                    } else if name == IMAGE_BASE {
                        Target::Known(image)
                    } else {
                        found.bounds.push(id);
                        Target::Bound
                    }
                }
                Reference::Null | Reference::Unknown => Target::Known(0),
            };
            found.targets.set(id, target);
        }
        found
    }
}

/// Thread-local variables of libraries and other batches, numbered.
#[derive(Default)]
pub(super) struct Others {
    pub symbols: Vec<SymbolId>,
    numbers: HashMap<SymbolId, u32>,
}

impl Others {
    pub fn number(&mut self, symbol: SymbolId) -> u32 {
        *self.numbers.entry(symbol).or_insert_with(|| {
            self.symbols.push(symbol);
            self.symbols.len() as u32 - 1
        })
    }
}
