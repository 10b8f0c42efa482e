//! Interposition: what a linked program defines, the process's libraries use too.
//! Data flow: every loaded object's relocations that name a symbol → the caller's `lookup` says
//! which names it replaces → these slots are overwritten, and remembered for [`Rebinding::undo`].
//! Invariants: slots are read and written only while the loader's lock keeps their object in place;
//! `lookup` and `skip` are called without it; an object that was unloaded meanwhile is left alone; a
//! page is never writable and executable (text relocations are not rebound); RELRO pages are
//! writable for as long as their slots are written.
//! Limits: to be called while no other thread loads libraries, as these are being relocated just
//! then; libraries that come later are bound by calling [`rebind`] again, which passes over what is
//! done. References that an object bound to itself when it was linked (`-Bsymbolic`, protected and
//! hidden symbols) have no relocation and stay.
//! Sources: gABI chapter 5; glibc `elf/dl-minimal.c`.

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
mod arch;
mod malloc;

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::libraries::{self, LoadedObject, Scope, with_objects};
use crate::sys::maps::{self, Entry};
use crate::sys::{Native, System, page_bytes};

pub use malloc::{MallocError, MallocGuard};

/// An object whose imports are about to be rebound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Importer {
    /// The object's path as the loader knows it; empty for the executable.
    pub path: Box<[u8]>,
    /// What the loader added to its addresses.
    pub base: u64,
    /// Whether it is the executable.
    pub is_executable: bool,
    /// Whether it is known to be in the global scope.
    pub is_global: bool,
}

/// Why imports could not be rebound. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RebindError {
    /// The process's own map could not be read.
    #[error("cannot read the memory map of this process: {0}")]
    Maps(#[source] io::Error),
    /// The kernel refused to let a page be written.
    #[error("cannot make the import table at {address:#x} writable: {source}")]
    Protect {
        /// The page's address.
        address: u64,
        /// The kernel's reason.
        source: io::Error,
    },
}

/// Imports that were rebound, until this is dropped.
#[derive(Debug)]
pub struct Rebinding {
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
struct Change {
    slot: u64,
    /// What the slot must hold, for the change to be made; `None` is anything.
    before: Option<u64>,
    after: u64,
    /// The object it belongs to.
    base: u64,
    path: Box<[u8]>,
}

/// An importer's relocations, copied out of it.
struct Imports {
    importer: Importer,
    /// Slot, relocation type, addend, and the symbol's name in `names`.
    relocations: Vec<(u64, u32, i64, Range<usize>)>,
    names: Vec<u8>,
    /// If this is the loader: its words that can be pointers to functions.
    words: Vec<(u64, u64)>,
}

/// The loader allocates through variables of its own, set at start-up, not through imports.
const LOADER_FUNCTIONS: [&[u8]; 4] = [b"malloc", b"calloc", b"realloc", b"free"];

/// Points the imports of all loaded objects, but those that `skip` names, at what `lookup` gives.
///
/// # Safety
/// Each address that `lookup` gives is a replacement for the symbol, of its type and with its
/// contract, ready to be used by any thread at once, for as long as the rebinding lasts.
pub unsafe fn rebind(
    lookup: &dyn Fn(&[u8]) -> Option<u64>,
    skip: &dyn Fn(&Importer) -> bool,
) -> Result<Rebinding, RebindError> {
    let mut changes = Vec::new();
    for object in &imports(skip) {
        let change = |slot, before, after| {
            let (base, path) = (object.importer.base, object.importer.path.clone());
            Change { slot, before, after, base, path }
        };
        for (slot, kind, addend, name) in &object.relocations {
            let name = &object.names[name.clone()];
            let Some(address) = lookup(name) else { continue };
            let addend = if *kind == arch::POINTER { *addend } else { 0 };
            changes.push(change(*slot, None, address.wrapping_add_signed(addend)));
        }
        if !object.words.is_empty() {
            for name in LOADER_FUNCTIONS {
                let Some(address) = lookup(name) else { continue };
                let Some(original) = libraries::find(name) else { continue };
                let words = object.words.iter().filter(|(_, word)| *word == original.address);
                changes.extend(words.map(|&(slot, word)| change(slot, Some(word), address)));
            }
        }
    }
    write(changes).map(|changes| Rebinding { changes })
}

/// Names what [`rebind`] would look up, some of it more than once.
pub fn for_each_import(skip: &dyn Fn(&Importer) -> bool, each: &mut dyn FnMut(&[u8])) {
    for object in &imports(skip) {
        for (_, _, _, name) in &object.relocations {
            each(&object.names[name.clone()]);
        }
    }
}

impl Rebinding {
    /// How many slots were changed.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing was found to change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Puts back what the slots held, except where somebody has changed them since.
    pub fn undo(mut self) -> Result<(), RebindError> {
        self.restore()
    }

    /// Leaves the imports as they are, for the life of the process.
    pub fn keep(mut self) {
        self.changes.clear();
    }

    fn restore(&mut self) -> Result<(), RebindError> {
        write(std::mem::take(&mut self.changes)).map(drop)
    }
}

impl Drop for Rebinding {
    fn drop(&mut self) {
        // There is nobody to tell; `undo` tells.
        let _ = self.restore();
    }
}

fn loader_base() -> u64 {
    // SAFETY: reads the auxiliary vector.
    unsafe { libc::getauxval(libc::AT_BASE) }
}

/// The imports of all loaded objects but those that `skip` names.
fn imports(skip: &dyn Fn(&Importer) -> bool) -> Vec<Imports> {
    let mut importers = with_objects(|objects| objects.iter().map(importer).collect::<Vec<_>>());
    importers.retain(|importer| !skip(importer));
    let loader = loader_base();
    with_objects(|objects| {
        let objects = objects.iter().filter(|object| importers.contains(&importer(object)));
        objects.map(|object| copy_imports(object, loader)).collect()
    })
}

fn importer(object: &LoadedObject) -> Importer {
    let is_global = object.scope() != Scope::Unknown;
    Importer { path: object.path().into(), base: object.base(), is_executable: object.is_executable(), is_global }
}

/// To be called inside `with_objects`.
fn copy_imports(object: &LoadedObject, loader: u64) -> Imports {
    let (mut relocations, mut names) = (Vec::new(), Vec::new());
    for import in object.imports() {
        let is_pointer = import.kind == arch::POINTER || arch::ENTRIES.contains(&import.kind);
        if is_pointer && holds(object, import.slot) {
            let start = names.len();
            names.extend_from_slice(import.name);
            relocations.push((import.slot, import.kind, import.addend, start..names.len()));
        }
    }
    let words = match object.relro() {
        Some(relro) if object.base() == loader => {
            let slots = (relro.start.next_multiple_of(8)..relro.end).step_by(8).filter(|&slot| holds(object, slot));
            // SAFETY: an aligned word of a segment of a loaded object, all of which can be read.
            slots.map(|slot| (slot, unsafe { read(slot) })).collect()
        }
        _ => Vec::new(),
    };
    Imports { importer: importer(object), relocations, names, words }
}

/// Whether an aligned slot lies in a segment that the file calls writable. Others would be text relocations.
fn holds(object: &LoadedObject, slot: u64) -> bool {
    let in_segment = |segment: &libraries::Segment| {
        segment.writable
            && segment.range.start <= slot
            && slot.checked_add(8).is_some_and(|end| end <= segment.range.end)
    };
    slot.is_multiple_of(8) && object.segments().iter().any(in_segment)
}

/// # Safety
/// The slot is aligned and mapped.
unsafe fn read(slot: u64) -> u64 {
    // SAFETY: the caller's promise. Other threads may change the slot, hence the atomic.
    unsafe { AtomicU64::from_ptr(slot as *mut u64) }.load(Ordering::Relaxed)
}

/// Makes the changes and returns those that undo them, or makes none.
fn write(mut changes: Vec<Change>) -> Result<Vec<Change>, RebindError> {
    if changes.is_empty() {
        return Ok(changes);
    }
    changes.sort_by_key(|change| change.slot);
    with_objects(|objects| {
        let maps = maps::parse(&Native.maps().map_err(RebindError::Maps)?);
        let mut done = Vec::new();
        let result = write_pages(&changes, objects, &maps, &mut done);
        if let Err(error) = result {
            // Pages that could be written once can be written again.
            let undo: Vec<Change> = std::mem::take(&mut done);
            let _ = write_pages(&undo, objects, &maps, &mut done);
            return Err(error);
        }
        Ok(done)
    })
}

fn write_pages(
    changes: &[Change],
    objects: &[LoadedObject],
    maps: &[Entry],
    undo: &mut Vec<Change>,
) -> Result<(), RebindError> {
    let page_bytes = page_bytes();
    for page in changes.chunk_by(|one, other| one.slot / page_bytes == other.slot / page_bytes) {
        let address = page[0].slot / page_bytes * page_bytes;
        let Some(mapping) = maps.iter().find(|mapping| mapping.range.contains(&address)) else { continue };
        let is_there = |change: &&Change| {
            objects.iter().any(|object| {
                object.base() == change.base && object.path() == &*change.path && holds(object, change.slot)
            })
        };
        let present: Vec<&Change> = page.iter().filter(is_there).collect();
        if present.is_empty() || mapping.executable {
            continue;
        }
        if !mapping.writable {
            protect(address, page_bytes, libc::PROT_READ | libc::PROT_WRITE)?;
        }
        for change in present {
            // SAFETY: aligned, in a loaded object's segment, and in a page that is writable now.
            let slot = unsafe { AtomicU64::from_ptr(change.slot as *mut u64) };
            let before = slot.load(Ordering::Relaxed);
            if before != change.after && change.before.is_none_or(|wanted| wanted == before) {
                slot.store(change.after, Ordering::Release);
                undo.push(Change { before: Some(change.after), after: before, ..change.clone() });
            }
        }
        if !mapping.writable {
            protect(address, page_bytes, if mapping.readable { libc::PROT_READ } else { libc::PROT_NONE })?;
        }
    }
    Ok(())
}

fn protect(address: u64, len: u64, protection: i32) -> Result<(), RebindError> {
    // SAFETY: a page of a loaded object's RELRO, which gains the right to be written or gets back
    // what it had; its content does not change.
    match unsafe { libc::mprotect(address as *mut _, len as usize, protection) } {
        0 => Ok(()),
        _ => Err(RebindError::Protect { address, source: io::Error::last_os_error() }),
    }
}

#[cfg(test)]
mod tests;
