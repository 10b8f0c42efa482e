//! A cache in memory.

use crate::{CacheError, Key, ObjectCache};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps what was used last, for as long as the process runs.
pub struct Memory {
    limit_bytes: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// With when each was used.
    objects: HashMap<Key, (u64, Arc<[u8]>)>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    bytes: u64,
}

impl Memory {
    /// A cache of at most this size.
    pub fn new(limit_bytes: u64) -> Memory {
        Memory { limit_bytes, state: Mutex::default() }
    }
}

impl State {
    fn remove(&mut self, key: &Key) {
        if let Some((used, bytes)) = self.objects.remove(key) {
            self.by_use.remove(&used);
            self.bytes -= bytes.len() as u64;
        }
    }

    fn insert(&mut self, key: Key, bytes: Arc<[u8]>) {
        self.remove(&key);
        self.uses += 1;
        self.bytes += bytes.len() as u64;
        self.by_use.insert(self.uses, key);
        self.objects.insert(key, (self.uses, bytes));
    }
}

impl ObjectCache for Memory {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, CacheError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let found = state.objects.get(key).map(|(_, bytes)| bytes.clone());
        if let Some(bytes) = &found {
            state.insert(*key, bytes.clone());
        }
        drop(state);
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<(), CacheError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.insert(*key, bytes.into());
        while self.limit_bytes < state.bytes
            && let Some((_, oldest)) = state.by_use.pop_first()
        {
            state.remove(&oldest);
        }
        Ok(())
    }
}
