//! The objects of the process, listed once until the loader's counters of loads and unloads move.
//! Data flow: `dl_iterate_phdr` → a cached list of [`LoadedObject`] → closures that run under the loader's lock.
//! Invariants: such a closure calls no foreign code; our own lock is never held while the loader's is taken, so no order
//! between the two can be wrong.
//! Sources: dl_iterate_phdr(3).

use super::object::{LoadedObject, Scope};
use crate::phdr::loaded_files;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Follows `DT_NEEDED` from the executable, then from the libraries we loaded.
fn mark_scopes(objects: &mut [LoadedObject], loaded: &[u64]) {
    let ours = |object: &LoadedObject| loaded.contains(&object.base);
    let startup = reachable(objects, LoadedObject::is_executable);
    let global = reachable(objects, ours);
    for (object, (startup, global)) in objects.iter_mut().zip(startup.into_iter().zip(global)) {
        object.scope = match (startup, global) {
            (true, _) => Scope::Startup,
            (false, true) => Scope::Global,
            (false, false) => Scope::Unknown,
        };
    }
}

/// Which objects the chosen ones need, directly or not, themselves included.
fn reachable(objects: &[LoadedObject], is_root: impl Fn(&LoadedObject) -> bool) -> Vec<bool> {
    let mut reached: Vec<bool> = objects.iter().map(&is_root).collect();
    let mut todo: Vec<usize> = (0..objects.len()).filter(|&index| reached[index]).collect();
    while let Some(index) = todo.pop() {
        let object = &objects[index];
        for needed in object.needed.iter().filter_map(|&needed| object.string(needed)) {
            if let Some(found) = objects.iter().position(|object| object.is_named(needed))
                && !std::mem::replace(&mut reached[found], true)
            {
                todo.push(found);
            }
        }
    }
    reached
}

/// When a list was made: the loader's counters (`dlpi_adds`, `dlpi_subs`) and our own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moment {
    adds: u64,
    subs: u64,
    /// Counts changes of [`LOADED`].
    loads: u64,
}

impl Moment {
    fn of(info: &libc::dl_phdr_info) -> Self {
        Moment { adds: info.dlpi_adds, subs: info.dlpi_subs, loads: LOAD_COUNT.load(Ordering::Acquire) }
    }
}

/// Every object of the process, in load order.
pub(crate) struct Objects {
    all: Vec<LoadedObject>,
    /// Those that define symbols for others: the thread-local blocks of linked code, of which there
    /// can be thousands, do not.
    exporting: Vec<usize>,
}

impl Objects {
    fn new(all: Vec<LoadedObject>) -> Self {
        let exporting = (0..all.len()).filter(|&index| all[index].gnu_hash.is_some() || all[index].sysv_hash.is_some());
        Objects { exporting: exporting.collect(), all }
    }

    pub fn exporting(&self) -> impl Iterator<Item = &LoadedObject> + Clone {
        self.exporting.iter().map(|&index| &self.all[index])
    }
}

impl std::ops::Deref for Objects {
    type Target = [LoadedObject];

    fn deref(&self) -> &[LoadedObject] {
        &self.all
    }
}

struct ObjectList {
    moment: Moment,
    objects: Objects,
}

/// Bases of the libraries we loaded with `RTLD_GLOBAL`, once for each load.
static LOADED: Mutex<Vec<u64>> = Mutex::new(Vec::new());
static LOAD_COUNT: AtomicU64 = AtomicU64::new(0);

/// Notes that a library was loaded with `RTLD_GLOBAL`.
pub(super) fn note_global(base: u64) {
    LOADED.lock().unwrap_or_else(PoisonError::into_inner).push(base);
    LOAD_COUNT.fetch_add(1, Ordering::AcqRel);
}

/// Takes one note back, before the library is closed.
pub(super) fn forget_global(base: u64) {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(index) = loaded.iter().position(|&other| other == base) {
        loaded.swap_remove(index);
    }
    LOAD_COUNT.fetch_add(1, Ordering::AcqRel);
}

static CACHE: RwLock<Option<Arc<ObjectList>>> = RwLock::new(None);

struct Walk<'a, F, R> {
    cached: Option<&'a ObjectList>,
    closure: &'a mut F,
    result: Option<R>,
    moment: Moment,
    fresh: Vec<LoadedObject>,
}

/// Calls `closure` with every object of the process in load order, while the loader's lock keeps
/// them in place. The closure may only read them: no loading, no foreign code, no panic.
pub(crate) fn with_objects<R>(mut closure: impl FnMut(&Objects) -> R) -> R {
    // Our locks are only tried: a thread of a parent process may have held one when it forked. At
    // worst the list is made anew, or the loader asked more often.
    let mut list = CACHE.try_read().ok().and_then(|cache| cache.clone());
    loop {
        let mut walk = Walk {
            cached: list.as_deref(),
            closure: &mut closure,
            result: None,
            moment: Moment::default(),
            fresh: Vec::new(),
        };
        let callback = callback_for(&walk);
        // SAFETY: `callback` takes a pointer to a `Walk` of exactly this type, and gets one that is
        // borrowed by nobody else while the call lasts.
        unsafe { loaded_files(callback, (&raw mut walk).cast()) };
        if let Some(result) = walk.result {
            return result;
        }
        let Walk { moment, mut fresh, .. } = walk;
        let loaded = LOADED.try_lock().map(|loaded| loaded.clone()).unwrap_or_default();
        // The walk is over and its lock given back: the list is used only if another walk finds
        // that nothing was loaded or unloaded since. To mark scopes is to read strings of objects,
        // so that too needs the lock.
        with_lock_if_unchanged(moment, || mark_scopes(&mut fresh, &loaded));
        let made = Arc::new(ObjectList { moment, objects: Objects::new(fresh) });
        list = Some(made.clone());
        if let Ok(mut cache) = CACHE.try_write() {
            *cache = Some(made);
        }
    }
}

type Callback = unsafe extern "C-unwind" fn(*mut libc::dl_phdr_info, usize, *mut c_void) -> c_int;

/// The callback for a walk of this type, which has a closure in it and so cannot be named.
fn callback_for<F: FnMut(&Objects) -> R, R>(_: &Walk<'_, F, R>) -> Callback {
    visit::<F, R>
}

/// # Safety
/// `data` points at a `Walk<F, R>` that nobody else uses; `info` comes from the loader.
unsafe extern "C-unwind" fn visit<F: FnMut(&Objects) -> R, R>(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    let (info, walk) = unsafe { (&*info, &mut *data.cast::<Walk<'_, F, R>>()) };
    let first = walk.fresh.is_empty();
    if first {
        walk.moment = Moment::of(info);
        if let Some(cached) = walk.cached
            && cached.moment == walk.moment
        {
            walk.result = Some((walk.closure)(&cached.objects));
            return 1;
        }
    }
    // SAFETY: `info` comes from the loader, and this is its callback. The executable comes first.
    walk.fresh.push(unsafe { LoadedObject::read(info, first) });
    0
}

/// Runs `closure` under the loader's lock if nothing was loaded or unloaded since `moment`.
fn with_lock_if_unchanged<F: FnMut()>(moment: Moment, closure: F) {
    /// # Safety
    /// As for [`visit`], with the pair that is made below.
    unsafe extern "C-unwind" fn check<F: FnMut()>(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
        // SAFETY: the caller's promise.
        let (info, (moment, closure)) = unsafe { (&*info, &mut *data.cast::<(Moment, F)>()) };
        if Moment::of(info) == *moment {
            closure();
        }
        1
    }
    let mut data = (moment, closure);
    // SAFETY: `check::<F>` takes a pointer to such a pair, and this one is ours alone.
    unsafe { loaded_files(check::<F>, (&raw mut data).cast()) };
}
