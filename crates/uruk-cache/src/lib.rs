//! Caches of compiled code: bytes by the hash of everything that they were made from.
//!
//! A compiler says by a [`Key`] what its result depends on: its input, its version, the target, the options. Whoever
//! has an [`ObjectCache`] asks it before compiling and tells it afterwards. Invariants: what a cache returns for a key
//! is what was put there under it, or nothing; a cache that is damaged, full or cannot be written to is one that has
//! less, and says so by an error that its user may ignore.
#![forbid(unsafe_code)]

mod directory;
mod key;
mod memory;
#[cfg(feature = "object_store")]
mod remote;
mod sys;
mod tiers;

pub use directory::Directory;
pub use key::{Key, KeyBuilder};
pub use memory::Memory;
#[cfg(feature = "object_store")]
pub use remote::Remote;
pub use tiers::Tiers;

use std::fmt;
use std::path::PathBuf;

/// Why a cache had less than it might have had, or did not keep something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A file could not be read or written. The cache goes on without what this was about.
    #[error("cache {}: {what}: {source}; other code is cached as far as that is possible", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was found is not what was written.
    #[error("cache {}: {what}; it is made anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// A shared store has failed.
    #[error("cache {store}: {source}")]
    Store {
        /// The store.
        store: String,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl fmt::Debug for dyn ObjectCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cache")
    }
}

/// Keeps bytes. Used by many threads at once, and an error means no more than that something is not there.
pub trait ObjectCache: Send + Sync {
    /// What was put under a key, if it is still there.
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, CacheError>;

    /// Keeps bytes under a key, if there is room. Whoever puts something there twice puts the same there.
    fn put(&self, key: &Key, bytes: &[u8]) -> Result<(), CacheError>;
}
