//! Our `_Unwind_Find_FDE`, in front of libgcc's.
//!
//! libgcc_s calls the function through its procedure linkage table, so the definition of the executable is used if it
//! is exported. The linker exports it unasked, because libgcc_s, which defines the name too, is on its command line.
//! Whether that happened is not deduced but tried: libgcc is asked for a function that only this module knows.
//! Without the feature the function has no such name, but a host can call it from its own definition.

use once_cell::race::OnceBool;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use super::table::Found;

/// What libgcc wants to know of a function beside its FDE.
#[repr(C)]
pub struct DwarfEhBases {
    /// Base of text-relative pointers: none.
    pub text: *mut c_void,
    /// Base of data-relative pointers: none.
    pub data: *mut c_void,
    /// The first instruction.
    pub function: *mut c_void,
}

type FindFde = unsafe extern "C" fn(*mut c_void, *mut DwarfEhBases) -> *const c_void;

unsafe extern "C" {
    pub(super) fn _Unwind_FindEnclosingFunction(pc: *mut c_void) -> *mut c_void;
}

/// The next definition, libgcc's.
static NEXT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// `dlsym` may not be called in a signal handler, so the next definition is found before `main`.
#[cfg(feature = "unwind-interposition")]
#[used]
#[unsafe(link_section = ".init_array")]
static RESOLVE_AT_START: extern "C" fn() = resolve;

/// An address that is no code, by which [`in_use`] asks for itself.
static PROBE: u8 = 0;

extern "C" fn resolve() {
    // SAFETY: the name is a C string.
    NEXT.store(unsafe { libc::dlsym(libc::RTLD_NEXT, c"_Unwind_Find_FDE".as_ptr()) }, Relaxed);
}

/// Whether libgcc calls our definition, and ours knows libgcc's.
pub fn in_use() -> bool {
    static IN_USE: OnceBool = OnceBool::new();
    IN_USE.get_or_init(|| {
        let probe = (&raw const PROBE).cast_mut().cast::<c_void>();
        // libgcc looks one byte before the address, as for a return address.
        let asked = probe.wrapping_byte_add(1);
        // SAFETY: the function only looks its argument up.
        let answer = unsafe { _Unwind_FindEnclosingFunction(asked) };
        answer == probe && !NEXT.load(Relaxed).is_null()
    })
}

/// The name of the function that libgcc asks for records. An unwinder that is linked from `libgcc_eh.a` must call ours, too:
/// its own looks where the loader keeps those of files, and finds none of linked code.
pub const FIND_FDE: &[u8] = b"_Unwind_Find_FDE";

/// libgcc's question for each frame, by the name `_Unwind_Find_FDE`: which record unwinds `pc`? Null if none does.
///
/// # Safety
/// `bases` points to room for three pointers.
#[cfg_attr(feature = "unwind-interposition", unsafe(export_name = "_Unwind_Find_FDE"))]
pub unsafe extern "C" fn find_fde(pc: *mut c_void, bases: *mut DwarfEhBases) -> *const c_void {
    let probe = (&raw const PROBE).cast_mut().cast::<c_void>();
    let found = match super::find(pc.addr()) {
        None if pc == probe => Some(Found { fde: probe.addr(), function: probe.addr() }),
        found => found,
    };
    if let Some(Found { fde, function }) = found {
        let function = ptr::without_provenance_mut(function);
        // SAFETY: the caller gives the room.
        unsafe { bases.write(DwarfEhBases { text: ptr::null_mut(), data: ptr::null_mut(), function }) };
        return ptr::with_exposed_provenance(fde);
    }
    if NEXT.load(Relaxed).is_null() {
        resolve(); // A throw in another initialiser, before ours.
    }
    let next = NEXT.load(Relaxed);
    if next.is_null() {
        return ptr::null();
    }
    // SAFETY: the pointer is libgcc's function of this name, which has this type.
    let next = unsafe { std::mem::transmute::<*mut c_void, FindFde>(next) };
    // SAFETY: the arguments are passed on as they came.
    unsafe { next(pc, bases) }
}
