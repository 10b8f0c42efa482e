//! What linked code has registered for the end, of the process or of the code itself, and for `fork`.
//!
//! Data flow: linked code calls `atexit`, `__cxa_atexit`, `on_exit`, `at_quick_exit` or `pthread_atfork`, and comes here
//! → a record in our table, and one of glibc's under a *handle* of its own → glibc calls us back in its turn; or, when the
//! code goes first, the handle is given to `__cxa_finalize`, which does it at once. So the order among everybody's
//! handlers is glibc's.
//! Invariants: a handle is given out once and is no address that a process may have, so that it is nobody's
//! `__dso_handle`; what is to run at exit runs if its record is in the table, which it leaves then; the table is not
//! locked while glibc or foreign code runs.
//! Limits: what a library of the process registers for linked code, which called it, is the library's. Records for
//! `quick_exit` and `fork` stay in the table until their code goes.
//! glibc does not hold the lock of its lists across `fork`, so that is held off while we change them.
//! Sources: Itanium C++ ABI §3.3.6 (`__cxa_atexit`, `__cxa_finalize`); LSB 5.0 core, `__cxa_atexit`,
//! `__register_atfork`; on_exit(3); glibc `stdlib/exit.h`, `stdlib/cxa_finalize.c`: handlers get the exit status as their
//! second argument, and `__cxa_finalize` forgets the handle's `at_quick_exit` and `pthread_atfork` records, too.

use crate::at_fork::{self, ProcessMutex};
use crate::lifecycle::call_outermost;
use crate::ranges::Ranges;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_int, c_void};
use std::ops::Range;

static TABLE: ProcessMutex<Table> = ProcessMutex::new(Table { records: BTreeMap::new(), made: 0 });

struct Table {
    /// The latest is the last.
    records: BTreeMap<Handle, Record>,
    /// How many there have been.
    made: u64,
}

/// What glibc takes for the dylib of a record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Handle(u64);

#[derive(Clone, Copy)]
struct Record {
    event: Event,
    /// What it calls: one function, or those for before a `fork`, and after it in the parent and in the child.
    functions: [u64; 3],
    argument: u64,
    /// The `__dso_handle` of the dylib that registered it, or 0.
    dso_handle: u64,
}

/// When a record's function is called, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    /// At exit, with the argument and, as glibc has it, the status.
    Exit,
    /// At exit, with the status and the argument.
    ExitStatus,
    /// At exit, as the outermost frame: a function of `.fini_array`.
    Finalise,
    QuickExit,
    Fork,
}

impl Record {
    /// Whether `exit` calls it.
    fn is_at_exit(&self) -> bool {
        matches!(self.event, Event::Exit | Event::ExitStatus | Event::Finalise)
    }

    fn arguments(&self, status: c_int) -> [u64; 3] {
        match self.event {
            Event::Exit => [self.argument, status as u64, 0],
            Event::ExitStatus => [status as u64, self.argument, 0],
            Event::Finalise | Event::QuickExit | Event::Fork => [0; 3],
        }
    }

    /// Whether it calls code in one of these ranges, or is about something that lies there: the destructor of an object
    /// may be a library's.
    fn is_within(&self, ranges: &Ranges) -> bool {
        let mut addresses = self.functions.into_iter().chain([self.argument]);
        addresses.any(|address| ranges.contains(address))
    }
}

pub(crate) fn hold_across_fork() {
    TABLE.hold_across_fork();
}

unsafe extern "C" {
    #[link_name = "__cxa_atexit"]
    fn glibc_atexit(
        function: unsafe extern "C-unwind" fn(*mut c_void, c_int),
        argument: *mut c_void,
        dso_handle: *mut c_void,
    ) -> c_int;
    #[link_name = "__cxa_at_quick_exit"]
    fn glibc_at_quick_exit(function: *mut c_void, dso_handle: *mut c_void) -> c_int;
    #[link_name = "__register_atfork"]
    fn glibc_at_fork(prepare: *mut c_void, parent: *mut c_void, child: *mut c_void, dso_handle: *mut c_void) -> c_int;
    #[link_name = "__cxa_finalize"]
    fn glibc_finalize(dso_handle: *mut c_void);
}

fn pointer(address: u64) -> *mut c_void {
    std::ptr::with_exposed_provenance_mut(address as usize)
}

/// Enters a record here and with glibc. The status is glibc's: 0, or it has no memory.
///
/// # Safety
/// What the record calls may be called when it says, until its memory is given to [`run_within`] or [`forget_within`].
unsafe fn register(record: Record) -> c_int {
    let handle = {
        let mut table = TABLE.lock();
        table.made += 1;
        // The upper half of the addresses is the kernel's.
        let handle = Handle(table.made | 1 << 63);
        table.records.insert(handle, record);
        handle
    };
    let own = pointer(handle.0);
    let [first, second, third] = record.functions.map(pointer);
    let forks = (record.event != Event::Fork).then(at_fork::hold_off);
    // SAFETY: the caller's promise; `run` takes a handle.
    let status = unsafe {
        match record.event {
            Event::Exit | Event::ExitStatus | Event::Finalise => glibc_atexit(run, own, own),
            Event::QuickExit => glibc_at_quick_exit(first, own),
            Event::Fork => glibc_at_fork(first, second, third, own),
        }
    };
    drop(forks);
    if status != 0 {
        TABLE.lock().records.remove(&handle);
    }
    status
}

/// Calls what a handle stands for, unless it has been called or is forgotten.
///
/// # Safety
/// To be called by glibc only, with what `register` gave it.
unsafe extern "C-unwind" fn run(handle: *mut c_void, status: c_int) {
    if RELEASING.get() {
        return;
    }
    let Some(record) = TABLE.lock().records.remove(&Handle(handle as u64)) else { return };
    let (function, arguments) = (record.functions[0], record.arguments(status));
    // SAFETY: whoever registered the function promised that it can be called so. Nothing here must be dropped when it
    // does not return.
    unsafe {
        if record.event == Event::Finalise {
            call_outermost(function, arguments);
        } else {
            let function: unsafe extern "C-unwind" fn(u64, u64) = std::mem::transmute(pointer(function));
            function(arguments[0], arguments[1]);
        }
    }
}

/// Lets finalisers, which take no arguments, run in this order when the process exits or their code goes: after what is
/// registered later, and before what was registered earlier. What they throw and do not catch ends the process.
///
/// # Safety
/// The functions are finished code, whose memory is given to [`run_within`] or [`forget_within`] before it goes.
pub unsafe fn run_at_exit(functions: &[u64]) {
    for function in functions.iter().rev() {
        // SAFETY: the caller's promise.
        unsafe {
            register(Record { event: Event::Finalise, functions: [*function, 0, 0], argument: 0, dso_handle: 0 })
        };
    }
}

/// Functions that JIT'd code must get from here rather than from the process: name and address.
pub fn overrides() -> [(&'static str, usize); 5] {
    [
        ("__cxa_atexit", cxa_atexit as *const () as usize),
        ("on_exit", on_exit as *const () as usize),
        ("__cxa_at_quick_exit", cxa_at_quick_exit as *const () as usize),
        ("__register_atfork", register_atfork as *const () as usize),
        ("__cxa_finalize", cxa_finalize as *const () as usize),
    ]
}

/// # Safety
/// The function may be called with the argument when the process exits, its dylib is finalized, or its code goes.
unsafe extern "C" fn cxa_atexit(function: u64, argument: u64, dso_handle: u64) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { register(Record { event: Event::Exit, functions: [function, 0, 0], argument, dso_handle }) }
}

/// # Safety
/// The function may be called with a status and the argument when the process exits or its code goes.
unsafe extern "C" fn on_exit(function: u64, argument: u64) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { register(Record { event: Event::ExitStatus, functions: [function, 0, 0], argument, dso_handle: 0 }) }
}

/// # Safety
/// The function may be called at `quick_exit`, until its code goes.
unsafe extern "C" fn cxa_at_quick_exit(function: u64, dso_handle: u64) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { register(Record { event: Event::QuickExit, functions: [function, 0, 0], argument: 0, dso_handle }) }
}

/// # Safety
/// The functions, where not null, may be called at every `fork` until their code goes.
unsafe extern "C" fn register_atfork(prepare: u64, parent: u64, child: u64, dso_handle: u64) -> c_int {
    let functions = [prepare, parent, child];
    // SAFETY: the caller's promise.
    unsafe { register(Record { event: Event::Fork, functions, argument: 0, dso_handle }) }
}

/// # Safety
/// As for `finalize`.
unsafe extern "C" fn cxa_finalize(dso_handle: u64) {
    // SAFETY: the caller's promise.
    unsafe { finalize(dso_handle) };
}

/// Runs what the dylib with this `__dso_handle` registered to be run at exit, the latest first, and forgets it, along
/// with its `at_quick_exit` and `pthread_atfork` records. With 0, that is everything in the process.
///
/// # Safety
/// The registered functions are still there.
pub unsafe fn finalize(dso_handle: u64) {
    if dso_handle != 0 {
        // SAFETY: the caller's promise.
        unsafe { run_all(|record| record.dso_handle == dso_handle) };
        forget_all(|record| record.dso_handle == dso_handle);
    }
    // SAFETY: the caller's promise. What is in our table has other handles.
    unsafe { glibc_finalize(pointer(dso_handle)) };
}

/// Runs, the latest first, what was registered to be run at exit and lies in these ranges, or is about something that
/// does, and forgets it; also what that registers. Then `at_quick_exit` and `pthread_atfork` records are forgotten.
/// What a function throws and does not catch ends the process.
///
/// # Safety
/// The registered functions are still there.
pub unsafe fn run_within(ranges: &[Range<u64>]) {
    let ranges = Ranges::new(ranges);
    // SAFETY: the caller's promise.
    unsafe { run_all(|record| record.is_within(&ranges)) };
    forget_all(|record| record.is_within(&ranges));
}

/// Forgets what `run_within` would run or forget.
pub fn forget_within(ranges: &[Range<u64>]) {
    let ranges = Ranges::new(ranges);
    forget_all(|record| record.is_within(&ranges));
}

/// # Safety
/// The wanted functions are still there.
unsafe fn run_all(wanted: impl Fn(&Record) -> bool) {
    let take_latest = || {
        let mut table = TABLE.lock();
        let mut records = table.records.iter().rev().filter(|(_, record)| record.is_at_exit());
        let handle = *records.find(|(_, record)| wanted(record))?.0;
        Some((handle, table.records.remove(&handle)?))
    };
    while let Some((handle, record)) = take_latest() {
        release(handle);
        // SAFETY: whoever registered the function promised that it can be called so, and the caller that it is there.
        unsafe { call_outermost(record.functions[0], record.arguments(0)) };
    }
}

fn forget_all(wanted: impl Fn(&Record) -> bool) {
    let forgotten: Vec<Handle> =
        TABLE.lock().records.extract_if(.., |_, record| wanted(record)).map(|(handle, _)| handle).collect();
    forgotten.into_iter().for_each(release);
}

thread_local! {
    /// This thread gives records back that it has taken out of the table, and does not look into that.
    static RELEASING: Cell<bool> = const { Cell::new(false) };
}

/// Gives glibc's part of a record back, which is no longer in the table.
fn release(handle: Handle) {
    let forks = fork_handlers_run_unlocked().then(at_fork::hold_off);
    RELEASING.set(true);
    // SAFETY: `run` does nothing; records of other kinds are only forgotten.
    unsafe { glibc_finalize(pointer(handle.0)) };
    RELEASING.set(false);
    drop(forks);
}

/// Whether somebody who wants the lock of glibc's fork handlers may hold `fork` off, as before glibc 2.36 it is held while
/// they run, ours among them. There a child finds the lists of handlers locked if it was forked in the middle of a change.
fn fork_handlers_run_unlocked() -> bool {
    // SAFETY: the version is a C string that stays.
    let version = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) }.to_string_lossy();
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (2, 36) <= (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
