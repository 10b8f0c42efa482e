//! A dylib of a JIT, as its users see it.

use crate::files::read_file;
use crate::function::FunctionPointer;
use crate::jit::{Error, Jit};
use std::path::Path;
use std::sync::Arc;
use uruk_jitlink::archive::Archive;
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::input::Input;
use uruk_orc::generator::{ArchiveMembers, archive_members};
use uruk_orc::{DylibId, Retained, SearchEntry, TrackerId};

/// A part of the program with a name space of its own, like a shared library.
#[derive(Clone, Copy)]
pub struct Dylib<'jit> {
    jit: &'jit Jit,
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
        Ok(self.jit.session().add_objects(self.id, None, objects)?)
    }

    /// Adds objects that can be removed together, by the tracker that is returned.
    pub fn add_tracked(&self, objects: &[Input]) -> Result<Tracker<'jit>, Error> {
        let id = self.jit.session().create_tracker(self.id);
        let tracker = Tracker { jit: self.jit, id };
        tracker.add_objects(self, objects)?;
        Ok(tracker)
    }

    /// Adds an archive, whose members are linked when something refers to them.
    pub fn add_archive(&self, archive: Input) -> Result<(), Error> {
        let members = ArchiveMembers::new(self.jit.session(), archive, Arc::new(read_file))?;
        self.jit.session().add_generator(self.id, Arc::new(members));
        Ok(())
    }

    /// Lets go of the archives that were added; no more of their members are linked.
    pub fn close_archives(&self) {
        self.jit.session().remove_generators(self.id);
    }

    /// Adds all members of an archive.
    pub fn add_whole_archive(&self, archive: &Input) -> Result<(), Error> {
        self.add_objects(&archive_members(archive, &read_file)?)
    }

    /// Adds an object file or an archive.
    pub fn add_file(&self, path: &Path) -> Result<(), Error> {
        let input = read_file(path)?;
        if Archive::is_archive(&input) { self.add_archive(input) } else { self.add_objects(&[input]) }
    }

    /// Defines a name at an address of this process.
    pub fn define(&self, name: &str, address: u64) {
        let name = self.jit.session().names().intern(name.as_bytes());
        self.jit.session().define_absolute(self.id, &[(name, address, SymbolKind::None)]);
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
        Ok(session.lookup(&session.search_order(self.id), &[name])?[0])
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
        let address = self.address(name)?;
        // SAFETY: the caller's promise.
        Ok(unsafe { F::from_address(address) })
    }

    /// The graphs of its linked objects, if the JIT [retains](crate::Builder::retain_graphs) them.
    pub fn retained_graphs(&self) -> Vec<Arc<Retained>> {
        self.jit.session().retained_graphs(self.id)
    }

    /// Links all objects that were added whole and runs the initialisers that have not run yet.
    pub fn initialize(&self) -> Result<(), Error> {
        self.jit.inner().initialize(self.id)
    }

    /// Links and initialises this dylib and calls a function of it with the arguments of `main`.
    pub fn run(&self, entry: &str) -> Result<i32, Error> {
        let address = self.address(entry)?;
        Ok(self.jit.inner().executor.run_main(address))
    }
}

/// Objects that are removed together. Dropping it keeps them for as long as the JIT lives.
pub struct Tracker<'jit> {
    jit: &'jit Jit,
    id: TrackerId,
}

impl Tracker<'_> {
    /// Adds more objects, perhaps after the earlier ones were removed.
    pub fn add_objects(&self, dylib: &Dylib<'_>, objects: &[Input]) -> Result<(), Error> {
        Ok(self.jit.session().add_objects(dylib.id, Some(self.id), objects)?)
    }

    /// Removes the objects, and gives back their memory and everything that was registered for them.
    ///
    /// # Safety
    /// None of their code runs, nothing that stays refers to them, and no pointer to them is used any more.
    pub unsafe fn remove(&self) {
        self.jit.session().remove_forced(self.id);
    }
}
