//! A cache in a folder, shared by processes: one packed file of objects, and one that says where in it each lies.
//!
//! Data flow: `put` appends the bytes to the packed file, then an entry to the index; `get` looks the key up in what
//! it knows of the index, and reads one range of the packed file. Sizes in bytes; numbers are little-endian.
//! Invariants: an entry is written after what it describes; whoever writes holds the lock file. Nothing that was written is
//! changed: when there is too much, a packed file of the next *generation* is made of what is worth keeping, and a new
//! index that names it takes the old one's place at once. Entries and objects have checksums, so that torn writes and
//! damage are nothing worse than a miss.

mod index;
mod pack;

use crate::{CacheError, Key, ObjectCache};
#[cfg(windows)]
pub use index::HEADER_BYTES;
use pack::Pack;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A folder with compiled code. It is opened, and made if it is not there, when it is first used.
pub struct Directory {
    path: PathBuf,
    limit_bytes: u64,
    state: Mutex<State>,
}

enum State {
    Closed,
    Open(Box<Pack>),
    /// It cannot be read, which has been said.
    Unusable,
}

impl Directory {
    /// A folder that takes at most about this much room, of which the oldest code goes first.
    pub fn new(path: impl Into<PathBuf>, limit_bytes: u64) -> Directory {
        Directory { path: path.into(), limit_bytes, state: Mutex::new(State::Closed) }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the open cache; nothing if it cannot be used.
    fn with<R: Default>(&self, call: impl FnOnce(&mut Pack) -> Result<R, CacheError>) -> Result<R, CacheError> {
        let mut state = self.lock();
        if matches!(*state, State::Closed) {
            *state = State::Unusable;
            *state = State::Open(Box::new(self.open()?));
        }
        match &mut *state {
            State::Open(pack) => call(pack),
            State::Closed | State::Unusable => Ok(R::default()),
        }
    }

    fn open(&self) -> Result<Pack, CacheError> {
        // If it is not there and cannot be made, opening says so.
        let _ = fs::create_dir_all(&self.path);
        match Pack::open(&self.path) {
            Err(error) => {
                let _lock = self.lock_file().map_err(|_| error)?;
                // Another process may have made it meanwhile.
                Pack::open(&self.path).or_else(|_| Pack::create(&self.path, 0))
            }
            opened => opened,
        }
    }

    /// Waits for other processes to be done with writing, though not for ever.
    fn lock_file(&self) -> Result<File, CacheError> {
        const TRIES: u32 = 200;
        let path = self.path.join("lock");
        let failed = |source| CacheError::File { path: path.clone(), what: "locking", source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        Err(failed(std::io::ErrorKind::WouldBlock.into()))
    }
}

impl ObjectCache for Directory {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, CacheError> {
        self.with(|pack| {
            if !pack.knows(key) {
                pack.refresh(&self.path)?;
            }
            pack.get(key)
        })
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<(), CacheError> {
        if self.limit_bytes < bytes.len() as u64 {
            return Ok(());
        }
        self.with(|pack| {
            if pack.knows(key) || !pack.may_write() {
                return Ok(());
            }
            let written = self.lock_file().and_then(|_lock| {
                pack.refresh(&self.path)?;
                if self.limit_bytes < pack.size() + bytes.len() as u64 {
                    *pack = pack.compacted(&self.path, self.limit_bytes / 2)?;
                }
                pack.append(key, bytes)
            });
            // It is not tried for each object that there is.
            written.inspect_err(|_| pack.stop_writing())
        })
    }
}
