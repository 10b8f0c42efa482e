//! `cranelift-module` on a session: what was written for `cranelift-jit` runs with another `use` line.
//!
//! Data flow: declarations give names → each definition becomes a graph of its own, at once or, if it is put off, on
//! all threads that the session links with → [`finalize_definitions`](UrukModule::finalize_definitions) adds them to a dylib, each with a
//! tracker of its own, and looks all of them up, which links them together. Beyond `cranelift-jit`: exceptions and
//! backtraces go through the code, variables may be thread-local, functions are freed one by one, and can be changed
//! while others call them.

mod builder;
mod define;
mod names;

pub use builder::UrukBuilder;

use crate::compiler::Cranelift;
use cranelift_codegen::ir::LibCall;
use cranelift_module::{DataId, FuncId, FuncOrDataId, ModuleDeclarations, ModuleError, ModuleResult};
use define::{Content, Pending};
use std::collections::HashMap;
use uruk_orc::error::Error;
use uruk_orc::lazy::Redirectable;
use uruk_orc::session::{Removal, Request, Session};
use uruk_orc::unit::Definition;
use uruk_orc::{DylibId, TrackerId};

/// Names of what Cranelift calls by itself.
pub type LibCallNames = Box<dyn Fn(LibCall) -> String + Send + Sync>;

/// A module whose functions and data are linked into a session.
///
/// As with `cranelift_jit::JITModule`, code stays when the module is dropped;
/// [`free_memory`](UrukModule::free_memory) takes all of it away, [`free_function`](UrukModule::free_function) one.
pub struct UrukModule {
    session: Session,
    dylib: DylibId,
    /// The session was made for this module, which leaves it behind with the code.
    owned: bool,
    /// Sets names apart that only this module knows.
    suffix: String,
    libcall_names: LibCallNames,
    compiler: Cranelift,
    declarations: ModuleDeclarations,
    items: HashMap<FuncOrDataId, Item, foldhash::fast::FixedState>,
    pending: Vec<Pending>,
    /// Functions that can be changed, if they all can.
    stubs: Option<HashMap<FuncId, Stub>>,
}

/// What is known of a definition.
enum Item {
    /// Defined, and not finalized.
    Pending,
    /// Linked.
    Linked { address: u64, size: usize, tracker: TrackerId },
}

/// A function that others call through a stub.
struct Stub {
    redirectable: Option<Redirectable>,
    address: u64,
    /// How many bodies it has had.
    bodies: u32,
    /// Those that have been replaced, which may still be running.
    old: Vec<TrackerId>,
}

impl UrukModule {
    /// Makes a module with a session of its own. Panics if the process has no room for one; see
    /// [`UrukBuilder::build`].
    pub fn new(builder: UrukBuilder) -> UrukModule {
        builder.build().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The session that the code is linked into.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The dylib that the code is linked into.
    pub fn dylib(&self) -> DylibId {
        self.dylib
    }

    /// Links everything that has been defined since the last time. Errors, where `cranelift-jit` panics, if something
    /// that is referred to is missing; nothing of what was to be linked is defined then.
    pub fn finalize_definitions(&mut self) -> ModuleResult<()> {
        let pending = std::mem::take(&mut self.pending);
        let ids: Vec<FuncOrDataId> = pending.iter().map(|pending| pending.id).collect();
        let mut added = Vec::with_capacity(pending.len());
        let linked = self.compile(pending).and_then(|pending| {
            self.make_stubs(&pending).map_err(backend)?;
            self.link(pending, &mut added).map_err(backend)
        });
        if linked.is_err() {
            for tracker in added {
                self.session.remove(tracker);
            }
            for id in ids {
                self.items.remove(&id);
            }
        }
        linked
    }

    /// Compiles what has been put off until now, on all threads that the session links with.
    fn compile(&self, mut pending: Vec<Pending>) -> ModuleResult<Vec<Pending>> {
        let mut functions: Vec<&mut Pending> = pending.iter_mut().filter(|pending| pending.is_function()).collect();
        // Compiling is worth other threads whatever there is of it.
        let compiled =
            self.session.parallel_mut(usize::MAX, &mut functions, |_, pending| pending.compile(&self.compiler));
        compiled.into_iter().collect::<Result<(), _>>().map_err(backend)?;
        Ok(pending)
    }

    fn link(&mut self, pending: Vec<Pending>, added: &mut Vec<TrackerId>) -> Result<(), Error> {
        let mut wanted = Vec::with_capacity(pending.len());
        let mut linked = Vec::with_capacity(pending.len());
        for Pending { id, symbol, thread_local, size, content } in pending {
            let Content::Graph(graph) = content else { continue };
            let tracker = self.session.create_tracker(self.dylib);
            added.push(tracker);
            self.session.add_graphs(self.dylib, Some(tracker), [*graph])?;
            // A thread-local variable has no address that is everybody's.
            if !thread_local {
                wanted.push(self.session.names().intern(symbol.as_bytes()));
            }
            linked.push((id, tracker, thread_local, size));
        }
        let request = Request::new(&self.session.search_order(self.dylib), &wanted);
        let mut addresses = self.session.start(&request).wait()?.into_iter().map(Option::unwrap_or_default);
        for (id, tracker, thread_local, size) in linked {
            let address = if thread_local { 0 } else { addresses.next().unwrap_or_default() };
            if let FuncOrDataId::Func(id) = id {
                self.point_stub(id, address)?;
            }
            self.items.insert(id, Item::Linked { address, size, tracker });
        }
        Ok(())
    }

    /// Makes the stubs of functions that have none, so that bodies can refer to them.
    fn make_stubs(&mut self, pending: &[Pending]) -> Result<(), Error> {
        let Some(stubs) = &mut self.stubs else { return Ok(()) };
        for pending in pending {
            let FuncOrDataId::Func(id) = pending.id else { continue };
            let Some(stub) = stubs.get_mut(&id).filter(|stub| stub.redirectable.is_none()) else { continue };
            let name = names::function(&self.declarations, &self.suffix, id);
            let name = self.session.names().intern(name.as_bytes());
            let functions = [(Definition::function(name), 0)];
            stub.redirectable = Some(self.session.define_redirectable(self.dylib, None, &functions)?);
            stub.address = self.session.address(&self.session.search_order(self.dylib), name)?;
        }
        Ok(())
    }

    fn point_stub(&self, id: FuncId, body: u64) -> Result<(), Error> {
        let Some(stub) = self.stubs.as_ref().and_then(|stubs| stubs.get(&id)) else { return Ok(()) };
        let Some(redirectable) = &stub.redirectable else { return Ok(()) };
        let name = names::function(&self.declarations, &self.suffix, id);
        redirectable.redirect(&[(self.session.names().intern(name.as_bytes()), body)])
    }

    /// The address of a function that has been finalized. Panics if it has not.
    pub fn get_finalized_function(&self, id: FuncId) -> *const u8 {
        let stub = self.stubs.as_ref().and_then(|stubs| stubs.get(&id));
        let address = match (stub, self.items.get(&FuncOrDataId::Func(id))) {
            (Some(stub), Some(Item::Linked { .. })) => stub.address,
            (None, Some(Item::Linked { address, .. })) => *address,
            _ => panic!("{id} is not finalized: call `finalize_definitions` after `define_function`"),
        };
        std::ptr::with_exposed_provenance(address as usize)
    }

    /// The address and the size of data that has been finalized; the address is null for thread-local data, which has one
    /// in each thread. Panics if it has not been finalized.
    pub fn get_finalized_data(&self, id: DataId) -> (*const u8, usize) {
        match self.items.get(&FuncOrDataId::Data(id)) {
            Some(Item::Linked { address, size, .. }) => (std::ptr::with_exposed_provenance(*address as usize), *size),
            _ => panic!("{id} is not finalized: call `finalize_definitions` after `define_data`"),
        }
    }

    /// Lets a function be defined again, with [hot swapping](UrukBuilder::hotswap): once the new body is finalized, all
    /// calls go there. The old one stays until the function is freed, since it may be running.
    pub fn prepare_for_function_redefine(&mut self, id: FuncId) -> ModuleResult<()> {
        let swappable = self.stubs.as_mut().and_then(|stubs| stubs.get_mut(&id));
        let linked = matches!(self.items.get(&FuncOrDataId::Func(id)), Some(Item::Linked { .. }));
        match (swappable.filter(|_| linked), self.items.remove(&FuncOrDataId::Func(id))) {
            (Some(stub), Some(Item::Linked { tracker, .. })) => {
                stub.old.push(tracker);
                Ok(())
            }
            (_, item) => {
                item.map(|item| self.items.insert(FuncOrDataId::Func(id), item));
                let name = self.declarations.get_function_decl(id).linkage_name(id);
                let hint = "make the module with `UrukBuilder::hotswap`, and finalize the function first";
                Err(ModuleError::Backend(anyhow::anyhow!("function `{name}` cannot be defined again; {hint}")))
            }
        }
    }

    /// Frees a function, which can be defined again then. Its memory goes when no other code refers to it. Pointers to
    /// it must not be used any more, nor may it run; that is part of the promise made when they were turned into functions.
    pub fn free_function(&mut self, id: FuncId) -> Option<Removal> {
        let old = self.stubs.as_mut().and_then(|stubs| stubs.get_mut(&id)).map(|stub| std::mem::take(&mut stub.old));
        for tracker in old.into_iter().flatten() {
            self.session.remove(tracker);
        }
        self.free(FuncOrDataId::Func(id))
    }

    /// Frees data, as [`free_function`](UrukModule::free_function) does functions.
    pub fn free_data(&mut self, id: DataId) -> Option<Removal> {
        self.free(FuncOrDataId::Data(id))
    }

    fn free(&mut self, id: FuncOrDataId) -> Option<Removal> {
        match self.items.remove(&id)? {
            Item::Linked { tracker, .. } => Some(self.session.remove(tracker)),
            Item::Pending => {
                self.pending.retain(|pending| pending.id != id);
                None
            }
        }
    }

    /// Frees all memory of the module.
    ///
    /// # Safety
    /// None of its functions is running, and none is called any more; none of its data is used.
    #[expect(
        unsafe_code,
        reason = "declared as in `cranelift-jit`, whose callers are to compile; nothing here is unsafe"
    )]
    pub unsafe fn free_memory(mut self) {
        if self.owned {
            self.owned = false;
        } else {
            for item in self.items.values() {
                if let Item::Linked { tracker, .. } = item {
                    self.session.remove(*tracker);
                }
            }
        }
    }
}

impl Drop for UrukModule {
    fn drop(&mut self) {
        if self.owned {
            // Pointers into the code may be in use.
            std::mem::forget(self.session.clone());
        }
    }
}

/// A module's error for what went wrong in the session.
fn backend(error: impl std::error::Error + Send + Sync + 'static) -> ModuleError {
    ModuleError::Backend(error.into())
}
