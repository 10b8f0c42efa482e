//! Thread-local storage for a batch: its image is fixed up first, the executor gives it to every thread, and what it
//! says of where variables lie goes into the other fix-ups.

use super::batch::{Batch, Own};
use crate::error::Error;
use crate::executor::{Resource, ThreadRequest, ThreadVariable};
use crate::session::Session;
use crate::state::{NO_UNIT, ThreadModule};
use std::collections::HashMap;
use uruk_jitlink::fixup::{Fixup, Threads};
use uruk_jitlink::tls::{Question, Questions, Variable};

/// What came of loading a batch's thread-local image.
#[derive(Default)]
pub(super) struct Loaded {
    /// What was asked.
    pub questions: Questions,
    /// What was answered.
    pub answers: Vec<[u64; 2]>,
    /// Where the batch's own variables lie, if it has any.
    pub module: Option<ThreadModule>,
    /// Keeps the storage.
    pub resource: Option<Resource>,
}

impl Batch {
    /// Loads the batch's thread-local image, if it has one or refers to thread-local variables at all.
    pub(super) fn load_threads(&self, session: &Session) -> Result<Loaded, Error> {
        let questions = Questions::gather(&self.members, &self.targets);
        if self.layout.tls_size == 0 && questions.asked.is_empty() {
            return Ok(Loaded { questions, ..Loaded::default() });
        }
        let mut initial = vec![0; self.layout.tls_data as usize];
        let none = Questions::default();
        for (index, member) in self.members.iter().enumerate() {
            let threads = Threads { questions: &none, answers: &[] };
            let (targets, addresses, image) = (&self.targets[index], &self.addresses[index], self.image);
            let fixup = Fixup { member, targets, addresses, threads, image };
            fixup.write_thread_image(&mut initial)?;
        }
        let names: Vec<Vec<u8>> = self.others.iter().map(|other| session.symbol_name(*other)).collect();
        let mut asked = Vec::new();
        let mut known: HashMap<usize, [u64; 2]> = HashMap::new();
        let units = Own::new(&self.units);
        {
            let state = session.lock();
            for (index, (variable, question)) in questions.asked.iter().enumerate() {
                let variable = match variable {
                    Variable::Own(offset) => ThreadVariable::Own(*offset),
                    Variable::Other(number) => {
                        let symbol = self.others[*number as usize];
                        let definition = state.symbol(symbol);
                        if definition.unit != NO_UNIT && units.contains(definition.unit) {
                            asked.push((ThreadVariable::Own(definition.address), *question));
                            continue;
                        }
                        match state.thread_answer(symbol, *question) {
                            Some(answer) => {
                                known.insert(index, answer);
                                continue;
                            }
                            None if state.has_failed(definition.unit) => {
                                known.insert(index, [0; 2]);
                                continue;
                            }
                            None => ThreadVariable::Native(&names[*number as usize]),
                        }
                    }
                };
                asked.push((variable, *question));
            }
        }
        let mut own = Vec::new();
        if self.layout.tls_size != 0 {
            // Later batches may ask where these variables are.
            own.push((ThreadVariable::Own(0), Question::ModuleAndOffset));
            if self.members.iter().any(|member| member.graph.needs_static_tls) {
                own.push((ThreadVariable::Own(0), Question::ThreadOffset));
            }
        }
        let own_count = own.len();
        own.extend(asked);
        let storage = session.executor().load_threads(&ThreadRequest {
            image: &initial,
            size: self.layout.tls_size,
            align: 1 << self.layout.tls_align_log2,
            questions: &own,
        })?;
        let module = (own_count != 0).then(|| ThreadModule {
            module: storage.answers[0][0],
            first: storage.answers[0][1],
            base: (own_count == 2).then(|| storage.answers[1][0]),
        });
        if let Some(module) = module {
            let mut state = session.lock();
            for unit in &self.units {
                state.units[unit.index()].threads = Some(module);
            }
        }
        let mut rest = storage.answers[own_count..].iter();
        let answers = (0..questions.asked.len())
            .map(|index| known.get(&index).copied().or_else(|| rest.next().copied()).unwrap_or_default())
            .collect();
        Ok(Loaded { questions, answers, module, resource: Some(storage.resource) })
    }
}
