//! Calls between objects that are bound when they are made, so that what they lead to is linked, or compiled, then.
//!
//! Data flow: an object is read → [`BindLazily`] looks for symbols of others that it only calls → each such call leads
//! to a symbol `NAME@lazy`, which is a lazy stub for `NAME` in a dylib of its own → the first call looks `NAME` up as the
//! object would have. Invariants: a function's address is that of its body, never that of a stub, as only calls lead to
//! stubs; a name that a library of the process has is bound at once unless the dylib may have it itself.

use crate::jit::{Inner, Jit};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use uruk_executor::at_fork;
use uruk_jitlink::edit::{Editor, NewSymbol};
use uruk_jitlink::format;
use uruk_jitlink::graph::{Binding, BlockId, Definition, SectionKind, SymbolId};
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Name;
use uruk_jitlink::x86_64;
use uruk_orc::error::Error;
use uruk_orc::executor::find_one;
use uruk_orc::generator::ArchiveMembers;
use uruk_orc::plugin::{Context, PassResult, Plugin};
use uruk_orc::session::Session;
use uruk_orc::{DylibId, SearchEntry, is_linker_defined};

/// What is known of dylibs whose calls are bound lazily.
pub(crate) struct LazyCalls {
    everywhere: bool,
    dylibs: Arc<Mutex<HashMap<DylibId, LazyDylib>>>,
}

struct LazyDylib {
    /// Where its stubs are.
    stubs: DylibId,
    /// Those that have one.
    bound: HashSet<Name>,
    archives: Vec<Arc<ArchiveMembers>>,
}

impl LazyCalls {
    /// Of no dylib yet; of all that will be made, if that is said.
    pub fn new(everywhere: bool) -> LazyCalls {
        LazyCalls { everywhere, dylibs: at_fork::hold_while_alive(Mutex::default()) }
    }

    /// Whether all dylibs are such.
    pub fn everywhere(&self) -> bool {
        self.everywhere
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DylibId, LazyDylib>> {
        self.dylibs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An archive of a dylib, whose members may define what is called.
    pub fn add_archive(&self, dylib: DylibId, archive: &Arc<ArchiveMembers>) {
        if let Some(lazy) = self.lock().get_mut(&dylib) {
            lazy.archives.push(archive.clone());
        }
    }
}

impl Jit {
    /// Adds objects that are linked when something in them is called or needed. Those with initialisers ask to run before that.
    pub(crate) fn add_called_objects(&self, dylib: DylibId, objects: &[Input]) -> Result<(), crate::Error> {
        let session = self.session();
        let (roots, others): (Vec<_>, Vec<_>) =
            objects.iter().cloned().partition(|object| has_initialisers(session, object));
        session.add_objects(dylib, None, &roots)?;
        Ok(session.add_members(dylib, &others)?)
    }
}

/// Whether an object has functions that run before `main`. One that cannot be read has; that is said when it is added.
fn has_initialisers(session: &Session, object: &Input) -> bool {
    let graph = format::read(object, session.names());
    graph.map_or(true, |graph| graph.sections.iter().any(|section| matches!(section.kind, SectionKind::Functions(..))))
}

/// Lets calls of objects lead to lazy stubs.
struct BindLazily {
    inner: Weak<Inner>,
}

impl Plugin for BindLazily {
    fn name(&self) -> &str {
        "lazy calls"
    }

    fn pre_prune(&self, context: &Context, graph: &mut Editor<'_>) -> PassResult {
        let Some(inner) = self.inner.upgrade() else { return Ok(()) };
        if !inner.lazy_calls.lock().contains_key(&context.dylib) {
            return Ok(());
        }
        let container = graph.format.container;
        for (symbol, calls) in only_called(graph) {
            let name = context.names.intern(&container.session_name(graph.symbol_name(symbol)));
            if !inner.may_come_later(context.dylib, name) {
                continue;
            }
            let Some(stub) = inner.bind_lazily(context.dylib, name)? else { continue };
            let stub = graph.add_symbol(NewSymbol::external(&container.object_name(&context.names.bytes(stub))))?;
            for (block, position) in calls {
                graph.retarget(block, position, stub)?;
            }
            // Nothing refers to it any more, and nobody is to define it now.
            graph.drop_symbol(symbol)?;
        }
        Ok(())
    }
}

/// The functions of others that an object calls and refers to in no other way, each with its calls.
fn only_called(graph: &Editor<'_>) -> BTreeMap<SymbolId, Vec<(BlockId, usize)>> {
    let mut called: BTreeMap<SymbolId, Vec<(BlockId, usize)>> = BTreeMap::new();
    let mut others: BTreeSet<SymbolId> = graph.mentions.iter().map(|(_, symbol)| *symbol).collect();
    for (number, block) in graph.blocks.iter().enumerate().filter(|(_, block)| block.live) {
        let is_code = graph.section(block.section).kind == SectionKind::Code;
        for (position, edge) in graph.edges(block).iter().enumerate() {
            let symbol = graph.symbol(edge.target);
            if symbol.definition != Definition::Undefined || symbol.binding != Binding::Global {
                continue;
            }
            if is_code && edge.kind == x86_64::BRANCH32 {
                called.entry(edge.target).or_default().push((BlockId(number as u32), position));
            } else {
                others.insert(edge.target);
            }
        }
    }
    called.retain(|symbol, _| !others.contains(symbol));
    called
}

impl Inner {
    /// Has calls of a dylib's objects bound when they are made, from now on.
    pub fn bind_calls_lazily(self: &Arc<Self>, dylib: DylibId) -> Result<(), Error> {
        let session = &self.session;
        let stubs = session.create_dylib(&format!("{} <lazy>", session.dylib_name(dylib)))?;
        let entry = SearchEntry { dylib: stubs, all_symbols: true };
        session.set_search_order(stubs, vec![entry]);
        let mut order = session.search_order(dylib);
        order.push(entry);
        session.set_search_order(dylib, order);
        let mut dylibs = self.lazy_calls.lock();
        let first = dylibs.is_empty();
        dylibs.insert(dylib, LazyDylib { stubs, bound: HashSet::new(), archives: Vec::new() });
        drop(dylibs);
        if first {
            session.add_plugin(Arc::new(BindLazily { inner: Arc::downgrade(self) }));
        }
        Ok(())
    }

    /// Whether a function may be one of a dylib's that is yet to be linked or compiled, so that a call need not wait for it.
    fn may_come_later(&self, dylib: DylibId, name: Name) -> bool {
        let text = self.session.names().bytes(name);
        // The linker knows the calls of thread-local variables' addresses by the callee.
        if is_linker_defined(&text) || text == b"__tls_get_addr" {
            return false;
        }
        if self.session.defines(dylib, name) {
            // A lazy JIT's functions are stubs already.
            return !self.lazy;
        }
        let in_archive = || {
            let dylibs = self.lazy_calls.lock();
            let archives = dylibs.get(&dylib).into_iter().flat_map(|lazy| &lazy.archives);
            archives.into_iter().any(|archive| archive.defines(name))
        };
        let executor = self.session.executor();
        in_archive()
            || self.in_source(dylib, &text)
            || (matches!(find_one(executor, &text), Ok(None)) && matches!(executor.support_object(&text), Ok(None)))
    }

    #[cfg(feature = "cc")]
    fn in_source(&self, dylib: DylibId, name: &[u8]) -> bool {
        self.sources.of(dylib).is_some_and(|sources| sources.seem_to_define(&String::from_utf8_lossy(name)))
    }

    #[cfg(not(feature = "cc"))]
    fn in_source(&self, _: DylibId, _: &[u8]) -> bool {
        false
    }

    /// The name of a lazy stub for a function that a dylib's search order finds; none for a dylib that has no stubs.
    fn bind_lazily(&self, dylib: DylibId, name: Name) -> Result<Option<Name>, Error> {
        let stub = self.session.names().intern(&[&self.session.names().bytes(name), &b"@lazy"[..]].concat());
        let stubs = {
            let mut dylibs = self.lazy_calls.lock();
            let Some(lazy) = dylibs.get_mut(&dylib) else { return Ok(None) };
            if !lazy.bound.insert(name) {
                return Ok(Some(stub));
            }
            lazy.stubs
        };
        let definition = uruk_orc::unit::Definition::function(stub);
        self.session.define_lazy_reexports(stubs, None, dylib, &[(definition, name)])?;
        Ok(Some(stub))
    }
}
