//! A cache in front of another one.

use crate::{CacheError, Key, ObjectCache};

/// Asks a near cache first, and fills it from a far one: memory before a folder, a folder before a fleet's store.
pub struct Tiers<N, F> {
    near: N,
    far: F,
}

impl<N: ObjectCache, F: ObjectCache> Tiers<N, F> {
    /// `near` in front of `far`.
    pub fn new(near: N, far: F) -> Tiers<N, F> {
        Tiers { near, far }
    }
}

impl<N: ObjectCache, F: ObjectCache> ObjectCache for Tiers<N, F> {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, CacheError> {
        let near = self.near.get(key);
        if let Ok(Some(bytes)) = near {
            return Ok(Some(bytes));
        }
        match self.far.get(key)? {
            // That the near one is out of order matters less than that there is something.
            Some(bytes) => {
                let _ = self.near.put(key, &bytes);
                Ok(Some(bytes))
            }
            None => near,
        }
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<(), CacheError> {
        self.near.put(key, bytes).and(self.far.put(key, bytes))
    }
}
