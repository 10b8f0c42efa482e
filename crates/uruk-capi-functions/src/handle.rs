//! Handles: what C holds of the objects in here.
//!
//! Data flow: an object is [`put`] in the table → its key goes out as a pointer that points at nothing → each call
//! [gets](Handle::get) the object of a key, and keeps it alive while it uses it → [`Handle::take`] ends the key. Invariants: a key is never
//! dereferenced, and never given out twice: one that has ended, or was never one, or is another kind's, is told as that. The
//! table's lock is held for no more than reading or changing one entry.

use crate::error::{Failure, uruk_status};
#[cfg(unix)]
use ::uruk_executor::at_fork;
use std::any::Any;
use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A kind of handle, as the header calls it.
pub trait Kind: 'static {
    /// What messages call it.
    const NAME: &'static str;
    /// What is behind it.
    type Object: Any + Send + Sync;
}

/// A handle as C passes it.
#[repr(transparent)]
pub struct Handle<K>(*mut K);

impl<K> Clone for Handle<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Handle<K> {}

impl<K> Default for Handle<K> {
    /// The null handle.
    fn default() -> Self {
        Handle(std::ptr::null_mut())
    }
}

/// A handle's number, which any thread may keep.
pub struct Key<K>(usize, PhantomData<fn(K)>);

impl<K> Clone for Key<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Key<K> {}

impl<K: Kind> Key<K> {
    /// What C gets.
    pub fn handle(self) -> Handle<K> {
        Handle(std::ptr::without_provenance_mut(self.0))
    }
}

struct Slot {
    generation: u32,
    /// The next free slot, if this one is.
    next: u32,
    kind: &'static str,
    object: Option<Arc<dyn Any + Send + Sync>>,
}

struct Table {
    slots: Vec<Slot>,
    free: u32,
}

const NONE: u32 = u32::MAX;
/// What keys have in their upper half at least, so that small numbers and most addresses are none.
const FIRST_GENERATION: u32 = 0x4000_0000;

/// A forked child never finds the table locked.
#[cfg(unix)]
static HELD: at_fork::FirstUse = at_fork::FirstUse::new();

static TABLE: RwLock<Table> = RwLock::new(Table { slots: Vec::new(), free: NONE });

fn read() -> RwLockReadGuard<'static, Table> {
    TABLE.read().unwrap_or_else(PoisonError::into_inner)
}

fn write() -> RwLockWriteGuard<'static, Table> {
    TABLE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a handle for an object.
pub fn put<K: Kind>(object: Arc<K::Object>) -> Key<K> {
    #[cfg(unix)]
    HELD.hold(|| Box::new(write()), || ());
    let mut table = write();
    let index = match table.free {
        NONE => {
            let new = Slot { generation: FIRST_GENERATION, next: NONE, kind: K::NAME, object: None };
            table.slots.push(new);
            table.slots.len() as u32 - 1
        }
        free => {
            table.free = table.slots[free as usize].next;
            free
        }
    };
    let slot = &mut table.slots[index as usize];
    slot.kind = K::NAME;
    slot.object = Some(object);
    Key((slot.generation as usize) << 32 | (index as usize + 1) << 3, PhantomData)
}

impl Table {
    fn slot<K: Kind>(&self, key: usize) -> Result<usize, Failure> {
        let fail = |status, text: String| Err(Failure::new(status, text));
        if key == 0 {
            return fail(uruk_status::URUK_NULL, format!("a {} is wanted, not NULL", K::NAME));
        }
        let (generation, index) = ((key >> 32) as u32, ((key & 0xffff_ffff) >> 3).wrapping_sub(1));
        let known =
            self.slots.get(index).filter(|slot| FIRST_GENERATION <= generation && generation <= slot.generation);
        match known {
            Some(_) if key & 7 != 0 => fail(uruk_status::URUK_NOT_A_HANDLE, not_a_handle(K::NAME)),
            Some(slot) if slot.generation != generation || slot.object.is_none() => {
                fail(uruk_status::URUK_GONE, format!("this {} is gone: it was destroyed or removed", K::NAME))
            }
            Some(slot) if slot.kind != K::NAME => {
                fail(uruk_status::URUK_WRONG_KIND, format!("a {} is wanted, and this is a {}", K::NAME, slot.kind))
            }
            Some(_) => Ok(index),
            None => fail(uruk_status::URUK_NOT_A_HANDLE, not_a_handle(K::NAME)),
        }
    }
}

fn not_a_handle(kind: &str) -> String {
    format!("a {kind} is wanted, and this was never one")
}

impl<K: Kind> Handle<K> {
    /// Its number, which no other handle has.
    pub fn number(self) -> usize {
        self.0.addr()
    }

    /// What C passed is null.
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The object of a handle, alive for as long as it is held.
    pub fn get(self) -> Result<Arc<K::Object>, Failure> {
        let object = {
            let table = read();
            let index = table.slot::<K>(self.0.addr())?;
            table.slots[index].object.clone()
        };
        object
            .and_then(|object| object.downcast().ok())
            .ok_or_else(|| Failure::new(uruk_status::URUK_NOT_A_HANDLE, not_a_handle(K::NAME)))
    }

    /// The object of a handle that may be null.
    pub fn get_if_any(self) -> Result<Option<Arc<K::Object>>, Failure> {
        if self.is_null() { Ok(None) } else { self.get().map(Some) }
    }

    /// Ends a handle, and returns its object. Null is fine, and none.
    pub fn take(self) -> Result<Option<Arc<K::Object>>, Failure> {
        if self.is_null() {
            return Ok(None);
        }
        let object = {
            let mut table = write();
            let index = table.slot::<K>(self.0.addr())?;
            let free = table.free;
            let slot = &mut table.slots[index];
            let object = slot.object.take();
            // A slot whose generations are used up is not used again.
            if let Some(next) = slot.generation.checked_add(1) {
                (slot.generation, slot.next) = (next, free);
                table.free = index as u32;
            }
            object
        };
        Ok(object.and_then(|object| object.downcast().ok()))
    }
}
