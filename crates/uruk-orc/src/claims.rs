//! What generators have brought in: each thing once, whatever threads ask.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uruk_executor::at_fork::{self, Held, Locks};

/// Things that are brought in once. In the child of a fork, those can be claimed again that were being brought in.
pub(crate) struct Claims<K> {
    /// With whether it has been brought in.
    claimed: Mutex<HashMap<K, bool>>,
}

impl<K: Copy + Eq + Hash + Send + 'static> Claims<K> {
    pub fn new() -> Arc<Claims<K>> {
        at_fork::hold_while_alive(Claims { claimed: Mutex::default() })
    }

    /// Whether nobody has claimed it before; the caller then brings it in.
    pub fn claim(&self, thing: K) -> bool {
        let mut claimed = self.lock();
        let fresh = !claimed.contains_key(&thing);
        if fresh {
            claimed.insert(thing, false);
        }
        fresh
    }

    /// Notes that things have been brought in.
    pub fn settle(&self, things: impl IntoIterator<Item = K>) {
        self.lock().extend(things.into_iter().map(|thing| (thing, true)));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, bool>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash + Send + 'static> Locks for Claims<K> {
    fn take(&self) -> Held<'_> {
        Box::new(self.lock())
    }

    fn in_child(&self) {
        self.lock().retain(|_, settled| *settled);
    }
}
