//! Compilers, and the cache of what they made.
//!
//! Data flow: a representation → its key, if it can have one → what the cache has under that, or the compiler's result,
//! which is put there → the layer below. A cache that is out of order is said once and otherwise passed over.

use super::{Interface, Layer, ObjectLayer};
use crate::error::{Cause, Error};
use crate::objects::Linkable;
use crate::responsibility::Responsibility;
use crate::session::Session;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use uruk_cache::{Key, ObjectCache};
use uruk_jitlink::graph::LinkGraph;
use uruk_jitlink::input::Input;

/// A compiler for representations of a type.
pub trait Compiler<R>: Send + Sync {
    /// What a representation defines.
    fn interface(&self, session: &Session, representation: &R) -> Result<Interface, Cause>;

    /// Compiles it to an object file or a graph, on any thread and several at once.
    fn compile(&self, session: &Session, representation: R) -> Result<Linkable, Cause>;

    /// What the result depends on, all of it: the representation, this compiler and its version, the target, the
    /// options. `None` if it is not worth caching.
    fn key(&self, _session: &Session, _representation: &R) -> Option<Key> {
        None
    }

    /// A result as bytes for a cache: an object file's own, or a packed graph.
    fn encode(&self, _session: &Session, code: &Linkable) -> Option<Vec<u8>> {
        match code {
            Linkable::Object(object) => Some(object.to_vec()),
            Linkable::Graph(graph) => graph.pack(),
        }
    }

    /// The result again, for a unit of this name. Errors if these are no bytes of its.
    fn decode(&self, _session: &Session, name: &str, bytes: Vec<u8>) -> Result<Linkable, Cause> {
        const ELF: &[u8] = b"\x7fELF";
        if bytes.starts_with(ELF) {
            return Ok(Input::from_bytes(name, bytes).into());
        }
        Ok(LinkGraph::unpack(name, &bytes)?.into())
    }
}

impl<R, C: Compiler<R> + ?Sized> Compiler<R> for Arc<C> {
    fn interface(&self, session: &Session, representation: &R) -> Result<Interface, Cause> {
        (**self).interface(session, representation)
    }

    fn compile(&self, session: &Session, representation: R) -> Result<Linkable, Cause> {
        (**self).compile(session, representation)
    }

    fn key(&self, session: &Session, representation: &R) -> Option<Key> {
        (**self).key(session, representation)
    }

    fn encode(&self, session: &Session, code: &Linkable) -> Option<Vec<u8>> {
        (**self).encode(session, code)
    }

    fn decode(&self, session: &Session, name: &str, bytes: Vec<u8>) -> Result<Linkable, Cause> {
        (**self).decode(session, name, bytes)
    }
}

/// What the cache has, or else what the compiler makes, which the cache is given. `name` is asked for only if there is one;
/// a cache that is out of order is reported, and has nothing.
pub(crate) fn compile<R, C: Compiler<R> + ?Sized>(
    compiler: &C,
    cache: Option<&dyn ObjectCache>,
    session: &Session,
    name: impl FnOnce() -> String,
    representation: R,
    report: impl Fn(Cause),
) -> Result<Linkable, Cause> {
    let keyed = cache.and_then(|cache| Some((cache, compiler.key(session, &representation)?)));
    let Some((cache, key)) = keyed else { return compiler.compile(session, representation) };
    if let Some(code) = look_up(compiler, cache, session, &name(), &key, &report) {
        return Ok(code);
    }
    let code = compiler.compile(session, representation)?;
    if let Some(Err(error)) = compiler.encode(session, &code).map(|bytes| cache.put(&key, &bytes)) {
        report(error.into());
    }
    Ok(code)
}

fn look_up<R, C: Compiler<R> + ?Sized>(
    compiler: &C,
    cache: &dyn ObjectCache,
    session: &Session,
    name: &str,
    key: &Key,
    report: impl Fn(Cause),
) -> Option<Linkable> {
    let decode = |bytes| compiler.decode(session, name, bytes);
    let found = cache.get(key).map_err(Cause::from).and_then(|bytes| bytes.map(decode).transpose());
    found.unwrap_or_else(|cause| {
        report(cause);
        None
    })
}

/// Compiles, and gives what comes out to a layer for it.
pub struct CompileLayer<C, B = ObjectLayer> {
    compiler: C,
    base: B,
    cache: Option<Arc<dyn ObjectCache>>,
    /// What is wrong with the cache has been said.
    reported: AtomicBool,
}

impl<C> CompileLayer<C> {
    /// Has what the compiler makes linked.
    pub fn new(compiler: C) -> CompileLayer<C> {
        CompileLayer::on(compiler, ObjectLayer)
    }
}

impl<C, B> CompileLayer<C, B> {
    /// On top of any layer that takes what compilers make.
    pub fn on(compiler: C, base: B) -> CompileLayer<C, B> {
        CompileLayer { compiler, base, cache: None, reported: AtomicBool::new(false) }
    }

    /// Asks a cache before it compiles.
    pub fn with_cache(mut self, cache: Arc<dyn ObjectCache>) -> CompileLayer<C, B> {
        self.cache = Some(cache);
        self
    }

    /// The compiler.
    pub fn compiler(&self) -> &C {
        &self.compiler
    }

    /// What the cache has under a key of the compiler's, as code for a unit of this name. For who has a key before there is
    /// a representation.
    pub fn cached<R>(&self, session: &Session, name: &str, key: &Key) -> Option<Linkable>
    where
        C: Compiler<R>,
    {
        let cache = self.cache.as_deref()?;
        look_up(&self.compiler, cache, session, name, key, |cause| self.report(session, cause))
    }

    fn make<R>(&self, responsibility: &Responsibility, representation: R) -> Result<Linkable, Cause>
    where
        C: Compiler<R>,
    {
        let session = responsibility.session();
        let report = |cause| self.report(session, cause);
        compile(&self.compiler, self.cache.as_deref(), session, || responsibility.name(), representation, report)
    }

    fn report(&self, session: &Session, cause: Cause) {
        if !self.reported.swap(true, Ordering::Relaxed) {
            session.report(Error::Cache(cause.into()));
        }
    }
}

impl<R, C: Compiler<R>, B: Layer<Linkable>> Layer<R> for CompileLayer<C, B> {
    fn interface(&self, session: &Session, representation: &R) -> Result<Interface, Error> {
        let interface = self.compiler.interface(session, representation);
        interface.map_err(|cause| Error::Representation(cause.into()))
    }

    fn emit(&self, responsibility: Responsibility, representation: R) {
        match self.make(&responsibility, representation) {
            Ok(code) => self.base.emit(responsibility, code),
            Err(cause) => responsibility.fail_to_compile(cause),
        }
    }
}
