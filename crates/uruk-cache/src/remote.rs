//! A cache in an object store, one object an entry, shared by whoever has access.

use crate::key::checksum;
use crate::{CacheError, Key, ObjectCache};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::sync::Arc;
use tokio::runtime::Handle;

/// A folder of an object store. Eviction is the store's, by a rule of its own. It had better lie behind a near cache.
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Handle,
}

/// How long a checksum is, which lies before the bytes.
const SUM_BYTES: usize = 16;

impl Remote {
    /// What lies under a prefix. Requests are made on a runtime of Tokio; none of its own threads may use this cache, as
    /// they would wait for themselves.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str, runtime: Handle) -> Remote {
        Remote { store, prefix: Path::from(prefix), runtime }
    }

    fn path(&self, key: &Key) -> Path {
        self.prefix.clone().join(key.to_string())
    }

    fn failed(&self, source: object_store::Error) -> CacheError {
        CacheError::Store { store: self.store.to_string(), source: Box::new(source) }
    }
}

impl ObjectCache for Remote {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, CacheError> {
        let path = self.path(key);
        let bytes = self.runtime.block_on(async { self.store.get(&path).await?.bytes().await });
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        match bytes.split_at_checked(SUM_BYTES) {
            Some((sum, object)) if sum == checksum(key, object) => Ok(Some(object.to_vec())),
            _ => Err(CacheError::Damaged { path: path.as_ref().into(), what: "an entry's checksum is wrong" }),
        }
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<(), CacheError> {
        let payload = PutPayload::from([&checksum(key, bytes)[..], bytes].concat());
        let path = self.path(key);
        self.runtime.block_on(self.store.put(&path, payload)).map(drop).map_err(|error| self.failed(error))
    }
}
