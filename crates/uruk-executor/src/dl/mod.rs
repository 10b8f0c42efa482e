//! What JIT'd code gets when it calls `dlopen`, `dlsym`, `dlvsym`, `dlclose`, `dlerror`, `dladdr`.
//! Data flow: JIT'd call → shim (its caller's address added) → the directories of the installed
//! sessions, in order → the process's own function.
//! Invariants: a handle of ours is no possible user address, so it is never taken for one of glibc's
//! nor the other way round; no lock is held while a directory or the loader is called; nothing
//! unwinds out of a shim.
//! Sources: POSIX.1-2024 `dlopen`, `dlsym`, `dlclose`, `dlerror`; dlsym(3), dladdr(3).

mod directory;
mod handle;
mod shims;

use std::sync::{Arc, PoisonError, RwLock};

use crate::at_fork::FirstUse;

pub use directory::{AddressInfo, DylibDirectory, DylibHandle};
pub use shims::overrides;

/// A directory with the number that its handles carry.
#[derive(Clone)]
struct Installed {
    id: u16,
    directory: Arc<dyn DylibDirectory>,
}

/// Replaced as a whole, so that a call works on the list it began with.
static INSTALLED: RwLock<Option<Arc<Vec<Installed>>>> = RwLock::new(None);

fn installed() -> Arc<Vec<Installed>> {
    INSTALLED.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
}

/// Offers a session's dylibs to the shims until the guard is dropped. Earlier sessions are asked first.
///
/// # Panics
/// If 65,535 sessions are installed already.
#[must_use = "the directory goes when the guard is dropped"]
pub fn install(directory: Arc<dyn DylibDirectory>) -> InstallGuard {
    /// Numbers come back as late as possible, so that a stale handle names nothing rather than another session.
    static LAST: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);
    static HELD: FirstUse = FirstUse::new();
    HELD.hold(|| Box::new((INSTALLED.write(), shims::hold())), || ());
    let mut list = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
    let mut sessions = list.as_deref().cloned().unwrap_or_default();
    let start = LAST.load(std::sync::atomic::Ordering::Relaxed);
    let id = (1..=u16::MAX)
        .map(|step| start.wrapping_add(step))
        .find(|id| sessions.iter().all(|session| session.id != *id))
        .expect("fewer than 65,535 sessions are installed");
    LAST.store(id, std::sync::atomic::Ordering::Relaxed);
    sessions.push(Installed { id, directory });
    *list = Some(Arc::new(sessions));
    InstallGuard { id }
}

/// Keeps a directory installed.
#[derive(Debug)]
pub struct InstallGuard {
    id: u16,
}

impl Drop for InstallGuard {
    fn drop(&mut self) {
        let mut list = INSTALLED.write().unwrap_or_else(PoisonError::into_inner);
        let mut sessions = list.as_deref().cloned().unwrap_or_default();
        sessions.retain(|session| session.id != self.id);
        let before = list.replace(Arc::new(sessions));
        drop(list);
        // The last reference to the directory may be in here: its destructor runs unlocked.
        drop(before);
    }
}

#[cfg(test)]
mod tests;
