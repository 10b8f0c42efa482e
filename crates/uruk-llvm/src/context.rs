//! Contexts and modules that any thread may use.
//!
//! LLVM's rule: a context and all of its modules belong to one thread at a time. Here a context comes with its lock, and a
//! module can be reached only with that lock held, so the rule cannot be broken in safe code. The lock may be taken again
//! by its owner. A context goes with the last of its holders.
//!
//! Invariants: `Module<'static>` never leaves this file; what others see borrows the lock. A context in which LLVM has
//! given up is never used or freed again.
#![allow(unsafe_code)]

use crate::error::Error;
use crate::native::{self, Failure};
use inkwell::context::Context;
use inkwell::llvm_sys::LLVMDiagnosticSeverity;
use inkwell::llvm_sys::core::{
    LLVMContextSetDiagnosticHandler, LLVMDisposeMessage, LLVMGetDiagInfoDescription, LLVMGetDiagInfoSeverity,
};
use inkwell::llvm_sys::prelude::{LLVMDiagnosticInfoRef, LLVMModuleRef};
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;
use parking_lot::{ReentrantMutex, ReentrantMutexGuard};
use std::ffi::{CStr, c_void};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uruk_cache::{Key, KeyBuilder};

/// A context and its lock. Clones are the same context.
#[derive(Clone)]
pub struct ThreadSafeContext {
    shared: Arc<Shared>,
}

struct Shared {
    context: ManuallyDrop<ReentrantMutex<Context>>,
    /// What LLVM complained about since somebody asked; boxed, as LLVM has its address.
    problems: Box<Problems>,
    broken: AtomicBool,
}

type Problems = Mutex<Vec<String>>;

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.broken.load(Ordering::Relaxed) {
            // SAFETY: nothing uses it afterwards.
            unsafe { ManuallyDrop::drop(&mut self.context) };
        }
    }
}

/// A locked context.
pub struct ContextGuard<'a> {
    guard: ReentrantMutexGuard<'a, Context>,
}

impl Deref for ContextGuard<'_> {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.guard
    }
}

impl Default for ThreadSafeContext {
    fn default() -> ThreadSafeContext {
        ThreadSafeContext::new()
    }
}

impl ThreadSafeContext {
    /// A new context.
    pub fn new() -> ThreadSafeContext {
        let context = Context::create();
        let problems: Box<Problems> = Box::default();
        let data = (&raw const *problems).cast_mut().cast::<c_void>();
        // SAFETY: the handler treats its data as what it is, and the box lives as long as the context.
        unsafe { LLVMContextSetDiagnosticHandler(context.raw(), Some(collect), data) };
        let context = ManuallyDrop::new(ReentrantMutex::new(context));
        ThreadSafeContext { shared: Arc::new(Shared { context, problems, broken: AtomicBool::new(false) }) }
    }

    /// Waits until no other thread has the context.
    ///
    /// Materializing code with it locked is legal: the lock may be taken again by its owner. Waiting for a look-up is
    /// not, unless nothing that it needs uses the same context on another thread: that thread would wait for this one.
    pub fn lock(&self) -> ContextGuard<'_> {
        ContextGuard { guard: self.shared.context.lock() }
    }

    /// Runs something that LLVM may complain about or give up in.
    fn attempt<R>(&self, module: &str, f: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failed> {
        let _guard = self.lock();
        if self.shared.broken.load(Ordering::Relaxed) {
            return Err(Failed::Broken(Error::Broken { module: module.into() }));
        }
        let problems = || std::mem::take(&mut *self.shared.problems.lock().unwrap_or_else(PoisonError::into_inner));
        problems();
        let result = f();
        if let Err(Failure { broken: true, .. }) = &result {
            self.shared.broken.store(true, Ordering::Relaxed);
        }
        let mut complaints = problems();
        match result {
            Ok(made) if complaints.is_empty() => Ok(made),
            Ok(_) => {
                complaints.dedup();
                Err(Failed::Said(Failure { message: complaints.join("; "), broken: false, position: None }))
            }
            Err(failure) => Err(Failed::Said(failure)),
        }
    }
}

/// Why an attempt came to nothing.
enum Failed {
    Broken(Error),
    Said(Failure),
}

impl Failed {
    fn into_error(self, say: impl FnOnce(Failure) -> Error) -> Error {
        match self {
            Failed::Broken(error) => error,
            Failed::Said(failure) => say(failure),
        }
    }
}

/// Notes errors; LLVM's own handler would end the process.
extern "C" fn collect(info: LLVMDiagnosticInfoRef, data: *mut c_void) {
    // SAFETY: LLVM hands over a valid description and the data that the handler was set with.
    unsafe {
        if LLVMGetDiagInfoSeverity(info) != LLVMDiagnosticSeverity::LLVMDSError {
            return;
        }
        let text = LLVMGetDiagInfoDescription(info);
        let message = CStr::from_ptr(text).to_string_lossy().trim().to_owned();
        LLVMDisposeMessage(text);
        (*data.cast::<Problems>()).lock().unwrap_or_else(PoisonError::into_inner).push(message);
    }
}

/// A module and its context. Several may share one; each has one of its own if nothing else is said, so that they can
/// be compiled at the same time.
pub struct ThreadSafeModule {
    module: ManuallyDrop<Module<'static>>,
    context: ThreadSafeContext,
    name: Arc<str>,
    /// It obeys the language's rules, and nobody has had it since.
    verified: AtomicBool,
    /// The hash of what it was read from, unless somebody has had it since.
    read_from: Mutex<Option<Key>>,
}

// SAFETY: the module is used only with its context's lock held, and so is freed.
unsafe impl Send for ThreadSafeModule {}
// SAFETY: likewise.
unsafe impl Sync for ThreadSafeModule {}

impl Drop for ThreadSafeModule {
    fn drop(&mut self) {
        let _guard = self.context.lock();
        if !self.context.shared.broken.load(Ordering::Relaxed) {
            // SAFETY: nothing uses it afterwards; its context is locked and lives.
            unsafe { ManuallyDrop::drop(&mut self.module) };
        }
    }
}

impl ThreadSafeModule {
    /// An empty module with a context of its own.
    pub fn new(name: &str) -> ThreadSafeModule {
        ThreadSafeModule::new_in(&ThreadSafeContext::new(), name)
    }

    /// An empty module of a context.
    pub fn new_in(context: &ThreadSafeContext, name: &str) -> ThreadSafeModule {
        let guard = context.lock();
        // SAFETY: it keeps its context, and is used with that locked.
        let module = unsafe { std::mem::transmute::<Module<'_>, Module<'static>>(guard.create_module(name)) };
        ThreadSafeModule::wrap(context.clone(), module, name)
    }

    /// Reads text (`.ll`) or bitcode (`.bc`) into a context of its own.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<ThreadSafeModule, Error> {
        ThreadSafeModule::parse_in(&ThreadSafeContext::new(), name, bytes)
    }

    /// Reads text or bitcode into a context.
    pub fn parse_in(context: &ThreadSafeContext, name: &str, bytes: &[u8]) -> Result<ThreadSafeModule, Error> {
        let guard = context.lock();
        // SAFETY: the context is locked.
        let parsed = context.attempt(name, || unsafe { native::parse(guard.raw(), name, bytes) });
        let parsed = parsed.map_err(|failed| failed.into_error(|failure| unreadable(name, bytes, failure)))?;
        // SAFETY: it is a new module of this context; it keeps that, and is used with it locked.
        let module = ThreadSafeModule::wrap(context.clone(), unsafe { Module::new(parsed) }, name);
        *module.read_from() = Some(content(name, bytes));
        module.verify()?;
        Ok(module)
    }

    fn wrap(context: ThreadSafeContext, module: Module<'static>, name: &str) -> ThreadSafeModule {
        ThreadSafeModule {
            module: ManuallyDrop::new(module),
            context,
            name: name.into(),
            verified: AtomicBool::new(false),
            read_from: Mutex::default(),
        }
    }

    fn read_from(&self) -> MutexGuard<'_, Option<Key>> {
        self.read_from.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its context.
    pub fn context(&self) -> &ThreadSafeContext {
        &self.context
    }

    /// Uses the module with its context locked. [`Module::get_context`] is what builds types and instructions.
    pub fn with<R>(&self, f: impl for<'c> FnOnce(&Module<'c>) -> R) -> R {
        let _guard = self.context.lock();
        self.verified.store(false, Ordering::Relaxed);
        self.changed();
        f(&self.module)
    }

    /// The same for what changes nothing that matters to the language's rules.
    pub(crate) fn inspect<R>(&self, f: impl for<'c> FnOnce(&Module<'c>) -> R) -> R {
        let _guard = self.context.lock();
        f(&self.module)
    }

    /// Errors if it breaks the language's rules.
    pub fn verify(&self) -> Result<(), Error> {
        let _guard = self.context.lock();
        if self.verified.load(Ordering::Relaxed) {
            return Ok(());
        }
        // SAFETY: its context is locked.
        unsafe { native::verify(self.module.as_mut_ptr()) }
            .map_err(|message| Error::Invalid { module: self.name().into(), message })?;
        self.verified.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Works on the locked and verified module in a way that LLVM may refuse.
    pub(crate) fn attempt(
        &self,
        f: impl FnOnce(LLVMModuleRef) -> Result<MemoryBuffer<'static>, Failure>,
    ) -> Result<MemoryBuffer<'static>, Error> {
        let _guard = self.context.lock();
        self.verify()?;
        let made = self.context.attempt(self.name(), || f(self.module.as_mut_ptr()));
        made.map_err(|failed| {
            failed.into_error(|Failure { message, .. }| Error::Compile { module: self.name().into(), message })
        })
    }

    /// Notes that it is not what it was read from any more.
    pub(crate) fn changed(&self) {
        *self.read_from() = None;
    }

    /// The hash of all that it says: of the bytes that it was read from, or of its bitcode if it was made or changed
    /// since.
    pub(crate) fn content(&self) -> Key {
        let _guard = self.context.lock();
        let known = *self.read_from();
        known.unwrap_or_else(|| content(self.name(), &self.to_bitcode()))
    }

    /// The module as bitcode.
    pub fn to_bitcode(&self) -> Vec<u8> {
        self.inspect(|module| module.write_bitcode_to_memory().as_slice().to_vec())
    }

    /// A copy in a context of its own, for another thread.
    pub fn clone_to_new_context(&self) -> Result<ThreadSafeModule, Error> {
        self.verify()?;
        ThreadSafeModule::parse(self.name(), &self.to_bitcode())
    }
}

/// The hash of text or bitcode, and of the name that is a part of what is read under it.
pub(crate) fn content(name: &str, bytes: &[u8]) -> Key {
    KeyBuilder::new("LLVM IR").part(name.as_bytes()).part(bytes).finish()
}

fn unreadable(name: &str, bytes: &[u8], failure: Failure) -> Error {
    let Failure { message, position, .. } = failure;
    let module = name.to_owned();
    match position {
        Some((line, column)) => Error::Syntax { module, line, column, message },
        None if crate::is_bitcode(bytes) => Error::Bitcode { module, message, version: crate::version() },
        None => Error::Syntax { module, line: 1, column: 1, message },
    }
}
