//! Listeners: what profilers and debuggers of a client's own are told, when code comes and when it goes.
//!
//! Data flow: an object's bytes are final → [`Listener::loaded`], with its symbols' addresses and, for who asks, an image
//! with its lines → … → its memory is about to go → [`Listener::freed`]. Invariants: each load has a number of its own in
//! the process, and exactly one notice that it is freed, by the time the session is gone; an object that cannot be linked
//! has neither. No lock of the session is held while a listener runs.

use crate::error::Error;
use crate::objects::Farewell;
use crate::session::Shared;
use std::fmt;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use uruk_jitlink::graph::{Definition, SymbolKind};
use uruk_jitlink::placed::Placed;

/// Is told of linked objects. Called from several threads at once; it must not wait for symbols of its session.
pub trait Listener: Send + Sync {
    /// An object has been linked: its bytes are at their addresses, protected, and nobody has been given a symbol of it
    /// yet. If something that it needs fails afterwards, it is freed without ever having been used.
    fn loaded(&self, object: &Loaded<'_>);

    /// An object is going: nobody finds its symbols any more, its finalisers have yet to run, its memory is still there.
    fn freed(&self, id: LoadId);
}

impl fmt::Debug for dyn Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a listener")
    }
}

/// The listeners of a session.
pub(crate) type Listeners = Arc<[Arc<dyn Listener>]>;

/// The number of a load, which nothing else in the process has, earlier or later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LoadId(pub u64);

/// An object that has been linked.
pub struct Loaded<'a> {
    id: LoadId,
    dylib: &'a str,
    code: Range<u64>,
    graph: Placed<'a>,
    image: &'a dyn Fn() -> Option<Vec<u8>>,
}

/// A function or variable of a loaded object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoadedSymbol<'a> {
    /// The linker's name for it.
    pub name: &'a [u8],
    /// Where it begins.
    pub address: u64,
    /// Its size in bytes, 0 where the object does not say.
    pub size: u64,
    /// A function or a variable.
    pub kind: SymbolKind,
}

impl Loaded<'_> {
    /// What [`Listener::freed`] will say.
    pub fn id(&self) -> LoadId {
        self.id
    }

    /// What messages call the object: a path, or `archive(member)`.
    pub fn object(&self) -> &str {
        self.graph.input.name()
    }

    /// What its dylib is called.
    pub fn dylib(&self) -> &str {
        self.dylib
    }

    /// The addresses of its code, with the stubs that the linker made for it.
    pub fn code(&self) -> Range<u64> {
        self.code.clone()
    }

    /// Its functions and variables, local ones among them, except thread-local ones and those of which the program uses
    /// another object's definition.
    pub fn symbols(&self) -> impl Iterator<Item = LoadedSymbol<'_>> {
        self.graph.all_symbols().filter_map(|(id, symbol)| {
            let Definition::Block(block) = symbol.definition else { return None };
            let address = self.graph.address(id)?;
            let own = self.graph.block_range(block)?.start.checked_add(symbol.value) == Some(address);
            let kind = symbol.kind;
            let wanted = own && matches!(kind, SymbolKind::Function | SymbolKind::Object);
            wanted.then(|| LoadedSymbol { name: self.graph.symbol_name(id), address, size: symbol.size, kind })
        })
    }

    /// An ELF image with the object's symbols and, as far as it has them, its lines and types as DWARF, all at their
    /// addresses: what gdb is given. It is made anew each time; `None` if the object's debug sections are damaged.
    pub fn debug_image(&self) -> Option<Vec<u8>> {
        (self.image)()
    }
}

/// Tells listeners that an object is linked; what is returned tells them that it goes.
pub(crate) fn load(
    listeners: &Listeners,
    reports: &Shared,
    dylib: &str,
    code: Range<u64>,
    graph: Placed<'_>,
    image: &dyn Fn() -> Option<Vec<u8>>,
) -> Farewell {
    static LOADS: AtomicU64 = AtomicU64::new(0);
    let id = LoadId(LOADS.fetch_add(1, Ordering::Relaxed));
    let loaded = Loaded { id, dylib, code, graph, image };
    tell(listeners, reports, |listener| listener.loaded(&loaded));
    let listeners = listeners.clone();
    Box::new(move |reports| tell(&listeners, reports, |listener| listener.freed(id)))
}

/// Tells all listeners something; a panic of one is reported and goes no further.
fn tell(listeners: &Listeners, reports: &Shared, notice: impl Fn(&dyn Listener)) {
    for listener in listeners.iter() {
        if catch_unwind(AssertUnwindSafe(|| notice(&**listener))).is_err() {
            reports.report(Error::Panicked { unit: "a listener".into() });
        }
    }
}
