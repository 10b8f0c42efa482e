//! Dispatchers: on which threads a JIT's tasks run, if a client decides.

use crate::call::{Reach, enter};
use crate::context::{Context, uruk_destroy};
use crate::error::{Failure, uruk_status};
use crate::handle::{self, Handle, Kind};
use crate::raw::{List, Out};
use crate::sized::{self, Grows};
use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};
use uruk_orc::dispatch::{Dispatcher, Priority, Runnable};

/// Somebody waits for the task.
pub const URUK_PRIORITY_NORMAL: u32 = 0;
/// The task is for when there is nothing else to do.
pub const URUK_PRIORITY_IDLE: u32 = 1;

/// Something to be run once, on any thread: a unit to be made, say. It is the dispatcher's until it is run or disposed of. Until then the
/// memory of its JIT stays.
pub struct uruk_task;

impl Kind for uruk_task {
    const NAME: &'static str = "uruk_task";
    type Object = Mutex<Option<Runnable>>;
}

/// The callbacks of a dispatcher, which may be called by several threads at once.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_dispatcher_callbacks {
    /// Filled in by `uruk_dispatcher_callbacks_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_dispatcher_callbacks_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_dispatcher_callbacks_init`.
    pub magic: u64,
    /// Given to each callback.
    pub context: *mut c_void,
    /// Has a task run, now or later, on this thread or another, by `uruk_task_run`. Who waits for its result meanwhile may run what it
    /// does itself; then there is nothing left to do. Must be given.
    pub dispatch: Option<unsafe extern "C" fn(context: *mut c_void, task: Handle<uruk_task>, priority: u32)>,
    /// A thread that runs a task begins to wait for others: another thread may be started in its place. Null: nobody is told.
    pub blocked: Option<unsafe extern "C" fn(context: *mut c_void)>,
    /// It goes on. To be given if `blocked` is.
    pub unblocked: Option<unsafe extern "C" fn(context: *mut c_void)>,
    /// The last call of all, once the JIT is gone. Null: nobody is told.
    pub destroy: uruk_destroy,
}

// SAFETY: `repr(C)`, it begins as it must, and function pointers that may be null and addresses are all that follows.
unsafe impl Grows for uruk_dispatcher_callbacks {
    const NAME: &'static str = "uruk_dispatcher_callbacks";
    const NUMBER: u32 = 8;
}

/// Fills in a table of callbacks: none. `size` is `sizeof` the structure. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_dispatcher_callbacks_init(
    callbacks: Out<uruk_dispatcher_callbacks>,
    size: usize,
) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(callbacks, size))
}

/// Runs a task, unless somebody who waited for it has. The handle is gone then.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_task_run(task: Handle<uruk_task>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let taken = task.take()?.ok_or_else(|| Failure::null("task"))?;
        let runnable = taken.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runnable) = runnable {
            runnable.run();
        }
        Ok(())
    })
}

/// Gives a task up: whoever waits for its result runs it. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_task_dispose(task: Handle<uruk_task>) -> uruk_status {
    enter(Reach::OutsideLinks, || task.take().map(drop))
}

/// The dispatcher of a table, and its context, which is the client's until there is a JIT.
pub(crate) fn dispatcher(
    callbacks: List<uruk_dispatcher_callbacks>,
) -> Result<(Arc<dyn Dispatcher>, Arc<Context>), Failure> {
    let callbacks = sized::copy(callbacks)?;
    let dispatch = callbacks.dispatch.ok_or_else(|| Failure::null("`dispatch` of uruk_dispatcher_callbacks"))?;
    if callbacks.blocked.is_some() != callbacks.unblocked.is_some() {
        let text = "uruk_dispatcher_callbacks: `blocked` and `unblocked` make sense together; give both or none";
        return Err(Failure::new(uruk_status::URUK_HALF_PAIR, text));
    }
    let context = Arc::new(Context::new(callbacks.context, callbacks.destroy));
    Ok((Arc::new(Custom { callbacks, dispatch, context: context.clone() }), context))
}

struct Custom {
    callbacks: uruk_dispatcher_callbacks,
    dispatch: unsafe extern "C" fn(*mut c_void, Handle<uruk_task>, u32),
    context: Arc<Context>,
}

// SAFETY: the context is the client's, whose callbacks may be called by several threads, as is said there.
unsafe impl Send for Custom {}
// SAFETY: as above.
unsafe impl Sync for Custom {}

impl Custom {
    fn notice(&self, notice: Option<unsafe extern "C" fn(*mut c_void)>) {
        if let Some(notice) = notice {
            // SAFETY: the client's function with its context.
            unsafe { notice(self.context.pointer()) };
        }
    }
}

impl Dispatcher for Custom {
    fn dispatch(&self, task: Runnable) {
        let priority = match task.priority() {
            Priority::Normal => URUK_PRIORITY_NORMAL,
            Priority::Idle => URUK_PRIORITY_IDLE,
        };
        let handle = handle::put::<uruk_task>(Arc::new(Mutex::new(Some(task)))).handle();
        // SAFETY: the client's function with its context, and a handle that is the client's from now on.
        unsafe { (self.dispatch)(self.context.pointer(), handle, priority) };
    }

    fn blocked(&self) {
        self.notice(self.callbacks.blocked);
    }

    fn unblocked(&self) {
        self.notice(self.callbacks.unblocked);
    }
}
