//! Thread-local storage for JIT'd code, given by the loader itself.
//! Data flow: a batch's initial image and the slots its code needs → a shared object in memory with
//! that image as its `PT_TLS` and a dynamic relocation for each slot → `dlopen` → the slots as glibc
//! filled them, which the linker copies to the batch's GOT. From then on every thread, whether it
//! exists already or comes later, gets its copy from glibc; `__tls_get_addr` knows the module, and
//! descriptors call glibc's resolvers.
//! Invariants: the object has no executable segment, exports nothing, needs nothing and is loaded
//! with `RTLD_LOCAL`; it stays loaded as long as its [`TlsModule`] lives.
//! Limits: an object whose slots hold offsets from the thread pointer takes part of the room that
//! glibc keeps for this (about 1.6 KiB by default, on x86-64 aligned to 64 bytes at most, elsewhere to 16; given back at
//! unload only in reverse order of loading). [`tunables_with_static_tls`] says how a process asks
//! for more. The image is copied at load, so it must be fixed up before.
//! Sources: "ELF Handling For Thread-Local Storage" §3–4; glibc manual, "Dynamic Linking Tunables"; glibc
//! `elf/dl-reloc.c`, `sysdeps/x86_64/dl-machine.h`; of each architecture, its psABI.

#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
mod arch;
mod file;
pub(crate) mod fixed;
mod image;
mod request;

use std::ffi::{OsStr, OsString};

use crate::at_fork;
use crate::libraries::{self, Library, SymbolKind, with_objects};

pub(crate) use self::arch::executable_block;
pub use self::request::{TlsRequest, TlsSlot, TlsSlotKind, TlsTarget};

/// Why thread-local storage could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The request contradicts itself.
    #[error(
        "thread-local block of {mem_size} bytes aligned to {align} cannot hold {image_size} initial bytes; alignment must be a power of two"
    )]
    Block {
        /// Size of the block in bytes.
        mem_size: u64,
        /// Its alignment in bytes.
        align: u64,
        /// Size of its initial image in bytes.
        image_size: usize,
    },
    /// A slot lies outside the request's own block.
    #[error("thread-local offset {offset} is outside a block of {mem_size} bytes")]
    Offset {
        /// The slot's offset in bytes.
        offset: u64,
        /// Size of the block in bytes.
        mem_size: u64,
    },
    /// No library of the process defines the variable.
    #[error(
        "thread-local symbol `{symbol}` is not defined by any library of the process; load the library that defines it"
    )]
    Undefined {
        /// The variable's name.
        symbol: String,
    },
    /// A library defines the name as something else.
    #[error("symbol `{symbol}` is {found:?} in the process, and the code wants it thread-local")]
    NotThreadLocal {
        /// The symbol's name.
        symbol: String,
        /// What it is.
        found: SymbolKind,
    },
    /// The room for variables at fixed offsets from the thread pointer is used up.
    #[error(
        "no room for {needed} more bytes of static thread-local storage; start the process with GLIBC_TUNABLES=glibc.rtld.optional_static_tls={needed} or compile with -ftls-model=global-dynamic"
    )]
    StaticExhausted {
        /// How many bytes to ask for: what this request may need, and a margin.
        needed: u64,
    },
    /// The loader places static blocks at this alignment at most; it is fixed at process start.
    #[error(
        "static thread-local storage is aligned to {available} bytes at most, and {wanted} are wanted; compile with -ftls-model=global-dynamic"
    )]
    StaticAlignment {
        /// What the request wants, in bytes.
        wanted: u64,
        /// What the process has, in bytes.
        available: u64,
    },
    /// The object could not be put into a file for the loader to read.
    #[error("cannot make the thread-local object: {0}")]
    File(#[from] std::io::Error),
    /// The loader refused the object for another reason; the message is its own.
    #[error("the loader refused the thread-local object: {message}")]
    Load {
        /// What `dlerror` said.
        message: String,
    },
}

impl TlsError {
    /// How many bytes the process would have to be started with, if that is what is missing.
    pub fn static_storage_needed(&self) -> Option<u64> {
        match self {
            TlsError::StaticExhausted { needed, .. } => Some(*needed),
            _ => None,
        }
    }
}

/// Thread-local variables of a linked batch, known to the loader until this is dropped. Nothing may
/// use them, in any thread, from then on.
#[derive(Debug)]
pub struct TlsModule {
    values: Vec<[u64; 2]>,
    /// It is in the list of those with fixed places.
    fixed: Option<[u64; 2]>,
    library: Option<Library>,
}

impl Drop for TlsModule {
    fn drop(&mut self) {
        self.fixed.into_iter().for_each(fixed::remove);
        let _forks = at_fork::hold_off();
        self.library = None;
    }
}

impl TlsModule {
    /// Hands the block to the loader and reads back what it put in the slots. Threads that exist
    /// already have their copy, with its initial values, when this returns.
    pub fn load(request: &TlsRequest<'_>) -> Result<Self, TlsError> {
        check(request)?;
        // Descriptors are static, too, where glibc has room.
        let may_be_static = |slot: &TlsSlot<'_>| slot.kind != TlsSlotKind::ModuleAndOffset;
        let is_fixed = request.mem_size != 0 && request.slots.iter().any(may_be_static);
        let whole = TlsSlot { target: TlsTarget::Own(0), kind: TlsSlotKind::ModuleAndOffset };
        let mut slots = request.slots.to_vec();
        slots.extend(is_fixed.then_some(whole));
        let image = image::build(&TlsRequest { slots: &slots, ..*request });
        let forks = at_fork::hold_off();
        let library = file::load(&image.bytes);
        drop(forks);
        let library = library.map_err(|error| match error {
            file::LoadError::File(error) => TlsError::File(error),
            file::LoadError::Loader(_) if is_static_trouble(request) => static_error(request),
            file::LoadError::Loader(message) => TlsError::Load { message },
        })?;
        let place = library.base().map(|base| base.wrapping_add(image.slots_address));
        let place = place.ok_or_else(|| TlsError::Load { message: "it has no link map".to_owned() })?;
        // SAFETY: the object is loaded; its slots are `slots.len()` pairs of words, aligned
        // to 16 bytes, in its writable segment, which the loader has finished with.
        let filled = unsafe { std::slice::from_raw_parts(place as *const [u64; 2], slots.len()) };
        let value = |(slot, filled): (&TlsSlot<'_>, _)| arch::value(slot.kind, filled);
        let mut values: Vec<[u64; 2]> = slots.iter().zip(filled).map(value).collect();
        let fixed = if is_fixed { values.pop() } else { None };
        fixed.into_iter().for_each(|index| fixed::add(index, request.mem_size));
        Ok(TlsModule { values, fixed, library: Some(library) })
    }

    /// What the slots hold, in the request's order.
    pub fn values(&self) -> &[[u64; 2]] {
        &self.values
    }

    /// Leaves the variables in place for the life of the process.
    pub fn keep(mut self) {
        self.fixed = None;
        self.library.take().into_iter().for_each(Library::keep);
    }
}

fn check(request: &TlsRequest<'_>) -> Result<(), TlsError> {
    let &TlsRequest { image, mem_size, align, slots } = request;
    if !align.is_power_of_two() || mem_size < image.len() as u64 || (1 << 40) < mem_size || (1 << 30) < align {
        return Err(TlsError::Block { mem_size, align, image_size: image.len() });
    }
    for slot in slots {
        match slot.target {
            // One past the end is an address too.
            TlsTarget::Own(offset) if mem_size < offset || mem_size == 0 => {
                return Err(TlsError::Offset { offset, mem_size });
            }
            TlsTarget::Own(_) => {}
            TlsTarget::Native(name) => {
                let symbol = || String::from_utf8_lossy(name).into_owned();
                match libraries::find(name).map(|definition| definition.kind) {
                    None => return Err(TlsError::Undefined { symbol: symbol() }),
                    Some(SymbolKind::ThreadLocal) => {}
                    Some(found) => return Err(TlsError::NotThreadLocal { symbol: symbol(), found }),
                }
            }
        }
    }
    Ok(())
}

/// Whether the loader takes the object when nothing in it need be static. Its text would tell too,
/// but may be in any language.
fn is_static_trouble(request: &TlsRequest<'_>) -> bool {
    let is_static = |slot: &TlsSlot<'_>| slot.kind == TlsSlotKind::ThreadOffset;
    if !request.slots.iter().any(is_static) {
        return false;
    }
    let dynamic = request.slots.iter().map(|slot| TlsSlot { kind: TlsSlotKind::ModuleAndOffset, ..*slot });
    let slots: Vec<TlsSlot<'_>> = dynamic.collect();
    file::load(&image::build(&TlsRequest { slots: &slots, ..*request }).bytes).is_ok()
}

/// glibc has one text for two causes, and does not say which block it could not place.
fn static_error(request: &TlsRequest<'_>) -> TlsError {
    let (mut needed, mut wanted) = (0, 1);
    let mut add = |size: u64, align: u64| {
        needed += size.next_multiple_of(align.max(64)) + align;
        wanted = wanted.max(align);
    };
    let is_static = |slot: &&TlsSlot<'_>| slot.kind == TlsSlotKind::ThreadOffset;
    let mut modules = Vec::new();
    for slot in request.slots.iter().filter(is_static) {
        let (module, size, align) = match slot.target {
            TlsTarget::Own(_) => (0, request.mem_size, request.align),
            TlsTarget::Native(name) => match libraries::defining_object(name).and_then(|object| object.tls) {
                Some(tls) => (tls.module, tls.mem_size, tls.align_bytes.max(1)),
                None => continue,
            },
        };
        if !modules.contains(&module) {
            modules.push(module);
            add(size, align);
        }
    }
    let available = static_alignment();
    if available < wanted {
        TlsError::StaticAlignment { wanted, available }
    } else {
        TlsError::StaticExhausted { needed }
    }
}

/// The alignment of static blocks: that of the strictest object the process started with, and at
/// least the thread control block's.
fn static_alignment() -> u64 {
    with_objects(|objects| {
        let startup = objects.iter().filter(|object| object.scope() == libraries::Scope::Startup);
        startup.filter_map(|object| object.tls()).map(|tls| tls.align_bytes).fold(arch::STATIC_ALIGN, u64::max)
    })
}

/// The value of `GLIBC_TUNABLES` with which a process has room for `needed` more bytes of static
/// thread-local storage than glibc's default, given its present value. A process that meets
/// [`TlsError::StaticExhausted`] early can execute itself anew with it.
pub fn tunables_with_static_tls(present: Option<&OsStr>, needed: u64) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    const NAME: &[u8] = b"glibc.rtld.optional_static_tls=";
    /// glibc's own value, which the process may be using already.
    const DEFAULT: u64 = 512;
    let mut wanted = DEFAULT;
    let mut value = Vec::new();
    for tunable in present.unwrap_or_default().as_bytes().split(|&byte| byte == b':') {
        match tunable
            .strip_prefix(NAME)
            .map(|number| std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()))
        {
            Some(number) => wanted = wanted.max(number.unwrap_or(0)),
            None if tunable.is_empty() => {}
            None => {
                value.extend_from_slice(tunable);
                value.push(b':');
            }
        }
    }
    value.extend_from_slice(NAME);
    value.extend_from_slice(wanted.saturating_add(needed).next_multiple_of(64).to_string().as_bytes());
    OsString::from_vec(value)
}

#[cfg(test)]
mod tests;
