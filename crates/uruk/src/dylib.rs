//! A dylib of a JIT, as its users see it.

use crate::files::read_file;
use crate::function::{Function, FunctionPointer};
use crate::jit::require_this_process;
use crate::jit::{Error, Jit};
use std::path::Path;
use std::sync::Arc;
use uruk_jitlink::archive::Archive;
use uruk_jitlink::format;
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Name;
use uruk_orc::generator::{ArchiveMembers, LibrarySymbols, archive_members};
use uruk_orc::layer::Layer;
use uruk_orc::lazy::Redirectable;
use uruk_orc::reexports::{Aliases, Filtered};
use uruk_orc::session::Removal;
use uruk_orc::unit::{Definition, MaterializationUnit};
use uruk_orc::{DylibId, Retained, SearchEntry, TrackerId};

/// A part of the program with a name space of its own, like a shared library.
#[derive(Clone, Copy)]
pub struct Dylib<'jit> {
    pub(crate) jit: &'jit Jit,
    id: DylibId,
}

impl<'jit> Dylib<'jit> {
    pub(crate) fn new(jit: &'jit Jit, id: DylibId) -> Self {
        Dylib { jit, id }
    }

    /// What the session calls it.
    pub fn id(&self) -> DylibId {
        self.id
    }

    /// Adds objects as one static link would take them: their order does not matter.
    pub fn add_objects(&self, objects: &[Input]) -> Result<(), Error> {
        self.jit.add_objects(self.id, None, objects)
    }

    /// Adds an object that is linked only if something refers to it.
    pub fn add_member(&self, object: &Input) -> Result<(), Error> {
        Ok(self.jit.session().add_members(self.id, std::slice::from_ref(object))?)
    }

    /// Adds objects that can be removed together, by the tracker that is returned.
    pub fn add_tracked(&self, objects: &[Input]) -> Result<Tracker<'jit>, Error> {
        let tracker = self.create_tracker();
        tracker.add_objects(self, objects)?;
        Ok(tracker)
    }

    /// Adds an archive, whose members are linked when something refers to them.
    pub fn add_archive(&self, archive: Input) -> Result<(), Error> {
        let members = Arc::new(ArchiveMembers::new(self.jit.session(), archive, Arc::new(read_file))?);
        self.jit.inner().lazy_calls.add_archive(self.id, &members);
        self.jit.session().add_generator(self.id, members);
        Ok(())
    }

    /// Lets go of the archives that were added; no more of their members are linked.
    pub fn close_archives(&self) {
        self.jit.session().remove_generators(self.id);
    }

    /// Adds all members of an archive.
    pub fn add_whole_archive(&self, archive: &Input) -> Result<(), Error> {
        self.add_objects(&archive_members(&self.slice(archive)?, &read_file)?)
    }

    /// What of a universal file is for this process.
    fn slice(&self, input: &Input) -> Result<Input, Error> {
        let arch = self.jit.session().executor().architecture();
        Ok(format::slice(input, arch).map_err(uruk_orc::error::Error::from)?)
    }

    /// Adds an object file or an archive.
    pub fn add_file(&self, path: &Path) -> Result<(), Error> {
        let input = self.slice(&read_file(path)?)?;
        if Archive::is_archive(&input) { self.add_archive(input) } else { self.add_objects(&[input]) }
    }

    /// Defines a name at an address of this process.
    pub fn define(&self, name: &str, address: u64) {
        let name = self.jit.session().mangle(name);
        self.jit.session().define_absolute(self.id, &[(name, address, SymbolKind::None)]);
    }

    /// Defines a name as a function of this process.
    pub fn define_function<F: FunctionPointer>(&self, name: &str, function: F) {
        self.define(name, function.to_address());
    }

    /// Lets this dylib's references be found in others, before the process and in this order.
    pub fn link_against(&self, others: &[Dylib<'_>]) {
        let session = self.jit.session();
        let mut order = session.search_order(self.id);
        let entries = others.iter().map(|other| SearchEntry { dylib: other.id, all_symbols: false });
        order.splice(1..1, entries);
        session.set_search_order(self.id, order);
    }

    /// The address of a symbol, linked; initialisers have not run for it.
    pub fn find(&self, name: &str) -> Result<u64, Error> {
        let session = self.jit.session();
        Ok(session.address(&session.search_order(self.id), session.mangle(name))?)
    }

    /// The address of a symbol, linked, initialised and ready to be used.
    pub fn address(&self, name: &str) -> Result<u64, Error> {
        let address = self.find(name)?;
        self.initialize()?;
        Ok(address)
    }

    /// A function, linked, initialised and ready to be called.
    ///
    /// # Safety
    /// The symbol is a function of this very type. The pointer must not be used once the JIT is gone.
    pub unsafe fn function<F: FunctionPointer>(&self, name: &str) -> Result<F, Error> {
        require_this_process(self.jit.session().executor(), name)?;
        let address = self.address(name)?;
        // SAFETY: the caller's promise.
        Ok(unsafe { F::from_address(address) })
    }

    /// The graphs of its linked objects, if the JIT [retains](crate::Builder::retain_graphs) them.
    pub fn retained_graphs(&self) -> Vec<Arc<Retained>> {
        self.jit.session().retained_graphs(self.id)
    }

    /// A function, linked, initialised and ready to be called, that cannot be removed before the handle is dropped.
    ///
    /// # Safety
    /// The symbol is a function of this very type. A pointer that is copied out of the handle must not be used once the
    /// function may have been removed.
    pub unsafe fn handle<F: FunctionPointer>(&self, name: &str) -> Result<Function<'jit, F>, Error> {
        let session = self.jit.session();
        require_this_process(session.executor(), name)?;
        let interned = session.mangle(name);
        loop {
            self.address(name)?;
            // If it was removed just now, the look-up says so, or finds another.
            if let Some(pin) = session.pin(&session.search_order(self.id), interned) {
                // SAFETY: the caller's promise.
                return Ok(unsafe { Function::new(pin) });
            }
        }
    }

    /// Defines other names for symbols that this dylib finds.
    pub fn alias(&self, aliases: &[(&str, &str)]) -> Result<(), Error> {
        let aliases = self.pairs(aliases);
        Ok(self.jit.session().define(self.id, None, Box::new(Aliases::new(self.id, aliases)))?)
    }

    /// Defines functions of another dylib, under the same names, that are linked when they are called first. Looking one
    /// up, or pointing to it, links nothing. A call whose function cannot be had goes where
    /// [`lazy_failure`](crate::Builder::lazy_failure) says.
    pub fn lazy_reexport(&self, source: &Dylib<'_>, names: &[&str]) -> Result<(), Error> {
        let pairs: Vec<_> = names.iter().map(|name| (*name, *name)).collect();
        Ok(self.jit.session().define_lazy_reexports(self.id, None, source.id, &self.pairs(&pairs))?)
    }

    /// Defines functions that can be replaced while others call them, with the addresses of their first bodies.
    pub fn redirectable(&self, functions: &[(&str, u64)]) -> Result<Redirectable, Error> {
        let functions = functions.iter().map(|(name, address)| (self.definition(name), *address));
        Ok(self.jit.session().define_redirectable(self.id, None, &functions.collect::<Vec<_>>())?)
    }

    /// Adds a unit of your own, which is materialized when something asks for what it defines.
    pub fn define_unit(&self, unit: Box<dyn MaterializationUnit>) -> Result<(), Error> {
        Ok(self.jit.session().define(self.id, None, unit)?)
    }

    /// Adds a representation of code, of which a layer makes code when something asks for what it defines.
    pub fn add<R, L>(&self, layer: &Arc<L>, representation: R) -> Result<(), Error>
    where
        R: Send + 'static,
        L: Layer<R> + ?Sized + 'static,
    {
        Ok(self.jit.session().add(layer, self.id, None, representation)?)
    }

    /// Makes a tracker, to add with what is to be removed together.
    pub fn create_tracker(&self) -> Tracker<'jit> {
        Tracker { jit: self.jit, dylib: self.id, id: self.jit.session().create_tracker(self.id) }
    }

    /// Loads a shared library, by path or soname, and offers those of its symbols that are accepted, in this dylib only:
    /// others, and libraries that do not say that they need it, do not see them (`RTLD_LOCAL`).
    pub fn add_library(
        &self,
        path_or_soname: &str,
        accepts: impl Fn(&[u8]) -> bool + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let session = self.jit.session();
        let library = LibrarySymbols::load(session, path_or_soname)?;
        session.add_generator(self.id, Arc::new(Filtered::new(library, accepts)));
        Ok(())
    }

    /// Removes everything that was defined here. Memory goes when no handle and no other code holds it.
    pub fn clear(&self) -> Removal {
        self.jit.session().clear(self.id)
    }

    fn definition(&self, name: &str) -> Definition {
        Definition::function(self.jit.session().mangle(name))
    }

    fn pairs(&self, pairs: &[(&str, &str)]) -> Vec<(Definition, Name)> {
        pairs.iter().map(|(own, target)| (self.definition(own), self.jit.session().mangle(target))).collect()
    }

    /// Links all objects that were added whole and runs the initialisers that have not run yet.
    pub fn initialize(&self) -> Result<(), Error> {
        self.jit.inner().initialize(self.id)
    }

    /// Links and initialises this dylib and calls a function of it, wherever it lives, with these integers or addresses of
    /// the process where it does, at most six. It returns what the function returns as one.
    ///
    /// # Safety
    /// In this process, the symbol is a function that takes and returns integers or addresses, and these are valid for it.
    pub unsafe fn call(&self, name: &str, arguments: &[u64]) -> Result<u64, Error> {
        let address = self.address(name)?;
        Ok(self.jit.session().executor().call(address, arguments)?)
    }

    /// Links and initialises this dylib and calls a function of it with the arguments of `main`.
    pub fn run(&self, entry: &str) -> Result<i32, Error> {
        let address = self.address(entry)?;
        Ok(self.jit.session().executor().run_main(address)?)
    }
}

/// Objects that are removed together. Dropping it keeps them for as long as the JIT lives.
pub struct Tracker<'jit> {
    pub(crate) jit: &'jit Jit,
    pub(crate) dylib: DylibId,
    id: TrackerId,
}

impl Drop for Tracker<'_> {
    /// What it has stays, until the dylib is cleared.
    fn drop(&mut self) {
        // It is gone with its dylib, or it is there.
        let _ = self.jit.session().drop_tracker(self.id);
    }
}

impl Tracker<'_> {
    /// Adds more objects, perhaps after the earlier ones were removed.
    pub fn add_objects(&self, dylib: &Dylib<'_>, objects: &[Input]) -> Result<(), Error> {
        self.jit.add_objects(dylib.id, Some(self.id), objects)
    }

    /// Adds a representation of code, as [`Dylib::add`] does.
    pub fn add<R, L>(&self, layer: &Arc<L>, representation: R) -> Result<(), Error>
    where
        R: Send + 'static,
        L: Layer<R> + ?Sized + 'static,
    {
        Ok(self.jit.session().add(layer, self.dylib, Some(self.id), representation)?)
    }

    /// What the session calls it.
    pub fn id(&self) -> TrackerId {
        self.id
    }

    /// Removes the objects: nobody finds their symbols any more. Their memory, and everything that was registered for
    /// them, goes when no [handle](Dylib::handle) and no other code holds it. Before that their finalisers run, and what they
    /// registered with `atexit` and its kin; destructors of their `thread_local` objects that have not run will not.
    ///
    /// Pointers to them that were got in other ways must not be used any more; that they are not is part of the promise
    /// that was made when they were got.
    pub fn remove(&self) -> Removal {
        self.jit.session().remove(self.id)
    }

    /// Removes the objects at once, whoever holds them. What they registered for their end is forgotten.
    ///
    /// # Safety
    /// None of their code runs, nothing that stays refers to them, and no pointer to them and no handle is used any more.
    pub unsafe fn remove_forced(&self) {
        self.jit.session().remove_forced(self.id);
    }

    /// Moves everything that was added with this tracker to another one of the same dylib.
    pub fn transfer(&self, to: &Tracker<'_>) -> Result<(), Error> {
        Ok(self.jit.session().transfer(self.id, to.id)?)
    }
}
