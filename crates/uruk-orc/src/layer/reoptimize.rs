//! Functions that are made anew, better, when they have been called often.
//!
//! Data flow: a function of the dylib is a stub, which leads to a few instructions that count and go on to the body. The
//! call that makes the count full goes through a lazy stub besides: asked for the body, the session also has the
//! better version made in the background, then lets the first stub lead there. From then on nothing is counted.
//! Invariants: callers never wait for the better version; if it cannot be had, that is reported and everything stays as it
//! is. Old and new version stay until the function is removed, as calls may be under way in both.

use super::{Interface, Layer};
use crate::dispatch::Priority;
use crate::error::{Cause, Error};
use crate::lazy::Hook;
use crate::responsibility::Responsibility;
use crate::session::Session;
use crate::state::{DylibId, TrackerId};
use crate::unit::{Definition, MaterializationUnit};
use std::sync::{Arc, Mutex, PoisonError};
use uruk_jitlink::edit::{EditError, NewSymbol, Stage};
use uruk_jitlink::graph::{LinkGraph, SectionKind, SymbolKind};
use uruk_jitlink::names::Name;
use uruk_jitlink::x86_64::{BRANCH32, PC32};

/// Makes functions twice: at first as the layer below does, and, once one has been called often enough, as it does of what
/// a function of the client's makes of the representation.
pub struct ReoptimizeLayer<F, B> {
    improve: Arc<F>,
    base: Arc<B>,
    threshold: u32,
}

impl<F, B> ReoptimizeLayer<F, B> {
    /// Calls `improve` with a representation when one of its functions has been called `threshold` times. This happens
    /// in a task, and what comes of it has to define the same functions.
    pub fn new(threshold: u32, improve: F, base: Arc<B>) -> ReoptimizeLayer<F, B> {
        ReoptimizeLayer { improve: Arc::new(improve), base, threshold: threshold.max(1) }
    }
}

impl<R, F, B> Layer<R> for ReoptimizeLayer<F, B>
where
    R: Clone + Send + Sync + 'static,
    F: Fn(&Session, R) -> Result<R, Cause> + Send + Sync + 'static,
    B: Layer<R> + 'static,
{
    fn interface(&self, session: &Session, representation: &R) -> Result<Interface, Error> {
        self.base.interface(session, representation)
    }

    fn emit(&self, responsibility: Responsibility, representation: R) {
        let promises = responsibility.promises().into_iter();
        let owed: Vec<Definition> = promises.filter_map(|(definition, owed)| owed.then_some(definition)).collect();
        if owed.iter().any(|definition| definition.kind != SymbolKind::Function) {
            // Variables are not to be there twice, nor initialisers to run twice.
            return self.base.emit(responsibility, representation);
        }
        match self.place(&responsibility, representation, &owed) {
            Ok(()) => {
                let _ = responsibility.emit(&[]);
            }
            Err(error) => responsibility.fail(error),
        }
    }
}

impl<F, B> ReoptimizeLayer<F, B> {
    fn place<R>(&self, responsibility: &Responsibility, representation: R, owed: &[Definition]) -> Result<(), Error>
    where
        R: Clone + Send + Sync + 'static,
        F: Fn(&Session, R) -> Result<R, Cause> + Send + Sync + 'static,
        B: Layer<R> + 'static,
    {
        let (session, dylib) = (responsibility.session(), responsibility.dylib());
        let bodies = session.bodies_of(dylib)?;
        let [code, entries, improved] = [bodies.code, bodies.entries, bodies.improved];
        let again = Again {
            improve: self.improve.clone(),
            base: self.base.clone(),
            representation: representation.clone(),
            dylib,
            improved,
            tracker: responsibility.companion(improved)?,
            functions: owed.iter().map(|definition| definition.name).collect(),
        };
        session.add(&self.base, code, Some(responsibility.companion(code)?), representation)?;
        let tracker = responsibility.companion(entries)?;
        let mut ways = Vec::with_capacity(owed.len());
        let mut hot = Vec::with_capacity(owed.len());
        for definition in owed {
            let way = Way::new(session, definition.name, self.threshold);
            hot.push((Definition::function(way.hot), definition.name));
            ways.push((*definition, way.counted));
            session.define(entries, Some(tracker), Box::new(way))?;
        }
        session.define(entries, Some(tracker), session.hooked_reexports(entries, hot, again.hook())?)?;
        responsibility.replace(session.lazy_reexports(entries, ways)?)
    }
}

/// What is needed to make a representation's functions again.
struct Again<R, F, B> {
    improve: Arc<F>,
    base: Arc<B>,
    representation: R,
    /// Where the functions are.
    dylib: DylibId,
    /// Where their better versions go, and what these are removed with.
    improved: DylibId,
    tracker: TrackerId,
    functions: Vec<Name>,
}

impl<R, F, B> Again<R, F, B>
where
    R: Clone + Send + Sync + 'static,
    F: Fn(&Session, R) -> Result<R, Cause> + Send + Sync + 'static,
    B: Layer<R> + 'static,
{
    /// Has it done when the first of the functions is hot.
    fn hook(self) -> Hook {
        let again = Mutex::new(Some(self));
        Arc::new(move |session, _| {
            let again = again.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(again) = again {
                session.spawn(Priority::Normal, move |session| {
                    if let Err(error) = again.make(session) {
                        session.report(error);
                    }
                });
            }
        })
    }

    fn make(self, session: &Session) -> Result<(), Error> {
        let Again { improve, base, representation, dylib, improved, tracker, functions } = self;
        let name = |function: &Name| session.names().text(*function);
        let failed = |cause: Cause| Error::Compile {
            unit: functions.iter().map(name).collect::<Vec<_>>().join(", "),
            cause: cause.into(),
        };
        let better = improve(session, representation).map_err(failed)?;
        session.add(&base, improved, Some(tracker), better)?;
        for function in functions {
            let stub = session.address(&session.search_order(dylib), function)?;
            session.redirect_lazy(stub, improved, function)?;
        }
        Ok(())
    }
}

/// The way to a body that counts.
struct Way {
    body: Vec<u8>,
    counted: Name,
    hot: Name,
    threshold: u32,
}

impl Way {
    fn new(session: &Session, function: Name, threshold: u32) -> Way {
        let body = session.names().bytes(function);
        let name = |suffix: &str| session.names().intern(&[&body, suffix.as_bytes()].concat());
        let (counted, hot) = (name(" [counted]"), name(" [hot]"));
        Way { body, counted, hot, threshold }
    }

    fn graph(&self, session: &Session) -> Result<LinkGraph, EditError> {
        // lock sub dword ptr [rip + count], 1; je hot; jmp body
        const CODE: [u8; 19] = [0xf0, 0x83, 0x2d, 0, 0, 0, 0, 1, 0x0f, 0x84, 0, 0, 0, 0, 0xe9, 0, 0, 0, 0];
        let [counted, hot] = [self.counted, self.hot].map(|name| session.names().bytes(name));
        let mut graph = LinkGraph::new(String::from_utf8_lossy(&counted).into_owned());
        let mut editor = graph.edit(Stage::BeforePruning);
        let text = editor.add_section(".text", SectionKind::Code)?;
        let block = editor.add_block(text, &CODE, 16)?;
        let data = editor.add_section(".data", SectionKind::Data)?;
        let count = editor.add_block(data, &self.threshold.to_le_bytes(), 4)?;
        editor.add_symbol(NewSymbol::global(&counted, block, 0).kind(SymbolKind::Function).size(CODE.len() as u64))?;
        let count = editor.add_symbol(NewSymbol::local("count", count, 0))?;
        let (hot, body) = (editor.external(&hot)?, editor.external(&self.body)?);
        // Displacements count from the end of the instruction: one byte follows the first.
        editor.add_edge(block, 3, PC32, count, -5)?;
        editor.add_edge(block, 10, BRANCH32, hot, -4)?;
        editor.add_edge(block, 15, BRANCH32, body, -4)?;
        drop(editor);
        Ok(graph)
    }
}

impl MaterializationUnit for Way {
    fn name(&self) -> String {
        format!("the counter of {}", String::from_utf8_lossy(&self.body))
    }

    fn definitions(&self) -> Vec<Definition> {
        vec![Definition::function(self.counted)]
    }

    fn materialize(self: Box<Self>, responsibility: Responsibility) {
        match self.graph(responsibility.session()) {
            Ok(graph) => {
                // An error is told to those who asked.
                let _ = responsibility.link(graph);
            }
            Err(error) => responsibility.fail_to_compile(error),
        }
    }
}
