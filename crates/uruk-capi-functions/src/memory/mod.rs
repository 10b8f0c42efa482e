//! Memory managers of a client's own: what they are asked, and what they answer.
//!
//! A manager is a table of callbacks ([`uruk_memory_callbacks`]). For each batch of objects it is asked once for all memory
//! (`allocate`), told when the bytes are written (`finalize`) or that nothing comes of it (`abandon`), and when nobody needs
//! them any more (`deallocate`): the calls of the first kind are as many as those of the second and third, those of the second
//! as many as those of the last, and `destroy` comes after all of them, once.

mod allocation;
mod checks;
mod claims;
mod laid_out;
mod manager;
mod reports;
mod request;
mod sections;
mod stock;
mod table;

use crate::handle::Kind;
use crate::raw::Opaque;
use crate::sized::Grows;
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use uruk::memory::{Lane, MemoryManager, Slab};

pub use laid_out::{uruk_memory_manager_read, uruk_memory_manager_runs};
pub use manager::{uruk_memory_callbacks_init, uruk_memory_manager_create, uruk_memory_manager_dispose};
pub(crate) use reports::Reports;
pub use sections::uruk_memory_manager_create_sections;
pub use stock::{uruk_memory_manager_create_stock, uruk_memory_options_init};

/// Who gives memory to linked code.
pub struct uruk_memory_manager;

impl Kind for uruk_memory_manager {
    const NAME: &'static str = "uruk_memory_manager";
    type Object = Manager;
}

/// A memory manager, and what it could not tell.
pub struct Manager {
    pub(crate) memory: Arc<dyn MemoryManager>,
    pub(crate) reports: Arc<Reports>,
    /// The memory, if it only lays out.
    pub(crate) laid_out: Option<Arc<Slab>>,
}

impl Manager {
    fn new(memory: Arc<dyn MemoryManager>) -> Arc<Manager> {
        Arc::new(Manager { memory, reports: Arc::default(), laid_out: None })
    }
}

/// Kinds of sections and of segments.
pub const URUK_KIND_CODE: u32 = 0;
/// Constants, and tables of the linker's own.
pub const URUK_KIND_RODATA: u32 = 1;
/// Variables.
pub const URUK_KIND_DATA: u32 = 2;
/// Variables that start as zero. Of sections only; their segment's kind is `URUK_KIND_DATA`.
pub const URUK_KIND_BSS: u32 = 3;
/// Initial values of thread-local variables. Of sections only, and in no segment: each thread has its own.
pub const URUK_KIND_TLS: u32 = 4;
/// Unwind records. Of sections only; their segment's kind is `URUK_KIND_RODATA`.
pub const URUK_KIND_EH: u32 = 5;

/// What a segment's memory allows once it is final.
pub const URUK_PROTECTION_READ: u32 = 1;
/// It is written to.
pub const URUK_PROTECTION_WRITE: u32 = 2;
/// It is executed.
pub const URUK_PROTECTION_EXECUTE: u32 = 4;

/// A section stays until its object is removed.
pub const URUK_LIFETIME_KEEP: u32 = 0;
/// It goes once the batch is final.
pub const URUK_LIFETIME_UNTIL_FINALIZE: u32 = 1;

/// Memory anywhere in 32-bit reach of what `span` says.
pub const URUK_PLACEMENT_NEAR: u32 = 0;
/// Memory below 2 GiB, for code with 32-bit absolute addresses.
pub const URUK_PLACEMENT_LOW: u32 = 1;

/// Instructions reach from each segment of a request to each other: `max_reach` says how far.
pub const URUK_CODE_MODEL_SMALL: u32 = 0;
/// They need not: it is larger than they reach, and refers by addresses of 64 bits where it matters.
pub const URUK_CODE_MODEL_LARGE: u32 = 1;

/// Each object is a request of its own, unless some only make sense together.
pub const URUK_MEMORY_EACH_OBJECT: u32 = 1;
/// No two callbacks of the manager run at once: the library waits.
pub const URUK_MEMORY_SERIALIZE: u32 = 2;
/// The table of callbacks is checked each time before one is called. If it was altered, none is called any more: what would have been
/// called for a link fails as `URUK_TAMPERED`, and each other call that is left out is a report (`uruk_jit_take_report`).
pub const URUK_MEMORY_HARDENED: u32 = 4;
/// What `allocate` gives is zero already; otherwise the library clears all of it.
pub const URUK_MEMORY_ZEROED: u32 = 8;

/// A section of an object.
#[repr(C)]
pub struct uruk_memory_section {
    /// Its name, with a zero byte at its end; empty for common symbols.
    pub name: *const c_char,
    /// Which of the request's objects it is of.
    pub object: u64,
    /// Its first byte, from the start of its segment.
    pub offset: u64,
    /// Up to its last byte; parts of other sections may lie in between.
    pub size: u64,
    /// A power of two.
    pub alignment: u64,
    /// `URUK_KIND_…`.
    pub kind: u32,
    /// `URUK_LIFETIME_…`.
    pub lifetime: u32,
}

/// An object of a batch.
#[repr(C)]
pub struct uruk_memory_object {
    /// What messages call it: a path, or `archive(member)`.
    pub name: *const c_char,
    /// The dylib that it belongs to.
    pub dylib: *const c_char,
}

/// Memory of one protection that a batch needs.
#[repr(C)]
pub struct uruk_memory_segment {
    /// `URUK_KIND_CODE`, `URUK_KIND_RODATA` or `URUK_KIND_DATA`.
    pub kind: u32,
    /// `URUK_PROTECTION_…`, joined by `|`.
    pub protection: u32,
    /// Bytes in all.
    pub size: u64,
    /// Bytes at the end that stay zero.
    pub zero_fill: u64,
    /// A power of two, which may be more than a page.
    pub alignment: u64,
    /// Its sections; what the linker adds, stubs and slots, lies between and behind them.
    pub sections: *const uruk_memory_section,
    /// How many there are.
    pub section_count: u64,
}

/// What a manager is asked for: all memory of a batch of objects. It is the library's, and valid during the call.
#[repr(C)]
pub struct uruk_memory_request {
    /// Of this structure; fields are only ever appended.
    pub struct_size: u32,
    /// The size of `uruk_memory_segment`, which may grow: step by it.
    pub segment_size: u32,
    /// The size of `uruk_memory_section`, which may grow: step by it.
    pub section_size: u32,
    /// The size of `uruk_memory_object`, which may grow: step by it.
    pub object_size: u32,
    /// A number for the batch, which no other has.
    pub allocation: u64,
    /// What the code is for, as `x86_64-unknown-linux-gnu`.
    pub target: *const c_char,
    /// `URUK_PLACEMENT_…`.
    pub placement: u32,
    /// `URUK_CODE_MODEL_…`.
    pub code_model: u32,
    /// How far apart two bytes of the answer may lie at most; 0 if it does not matter.
    pub max_reach: u64,
    /// The batch's objects; none where the library needs memory for stubs.
    pub objects: *const uruk_memory_object,
    /// How many there are.
    pub object_count: u64,
    /// What is needed; each answer has the same place among the answers.
    pub segments: *const uruk_memory_segment,
    /// How many there are.
    pub segment_count: u64,
    /// Sections that lie in no segment: thread-local variables.
    pub other_sections: *const uruk_memory_section,
    /// How many there are.
    pub other_section_count: u64,
}

/// Where a segment is: what `allocate` fills in.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_memory_answer {
    /// Where its bytes are written, in this process: `size` of them until `finalize` or `abandon` is called.
    pub working: *mut c_void,
    /// Where they will be when code runs: a multiple of the alignment. The same address, mostly.
    pub target: u64,
}

/// A part of a segment that nobody needs any more.
#[repr(C)]
pub struct uruk_memory_piece {
    /// The first target address.
    pub target: u64,
    /// Bytes.
    pub size: u64,
}

/// The callbacks of a memory manager. Each may be null: what happens then is said there. They return 0 for success; otherwise
/// `*message` may be set to a text made by `uruk_message`. Without `URUK_MEMORY_SERIALIZE` several threads may call them at
/// once. In them, only functions may be called of which the header says so; others return `URUK_BUSY`. They must not throw,
/// and must not `longjmp` out.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_memory_callbacks {
    /// Filled in by `uruk_memory_callbacks_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_memory_callbacks_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_memory_callbacks_init`.
    pub magic: u64,
    /// `URUK_MEMORY_…`, joined by `|`.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// Given to each callback, unless `create_context` makes another.
    pub context: *mut c_void,
    /// The addresses among which answers will lie, `*start` to before `*end`: whatever is within 32-bit reach of all of them
    /// needs no stub. Null: anywhere, so that all that is not of the same batch needs one.
    pub span: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            placement: u32,
            start: *mut u64,
            end: *mut u64,
            message: *mut *mut c_char,
        ) -> i32,
    >,
    /// Makes a context for one request, which its other callbacks get. Null: all have the table's.
    pub create_context: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            request: *const uruk_memory_request,
            created: *mut *mut c_void,
            message: *mut *mut c_char,
        ) -> i32,
    >,
    /// Disposes of a context, the last time that it is seen. To be given if `create_context` is.
    pub destroy_context: Option<unsafe extern "C" fn(created: *mut c_void)>,
    /// Gives memory for all segments, or none. Null, and `deallocate` too: the library's own memory.
    pub allocate: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            request: *const uruk_memory_request,
            answers: *mut uruk_memory_answer,
            message: *mut *mut c_char,
        ) -> i32,
    >,
    /// All bytes are written: makes them visible at their target addresses, protected, and instruction caches know. Null: the
    /// library sets the protection of whole pages, for memory of this process of which working and target addresses are one.
    pub finalize: Option<unsafe extern "C" fn(context: *mut c_void, allocation: u64, message: *mut *mut c_char) -> i32>,
    /// Nothing comes of a request that was allocated: it could not be linked, or `finalize` failed. Null: `deallocate` is called.
    pub abandon: Option<unsafe extern "C" fn(context: *mut c_void, allocation: u64)>,
    /// A part of finalized memory is not needed any more. Null: nobody is told.
    pub release: Option<unsafe extern "C" fn(context: *mut c_void, allocation: u64, piece: *const uruk_memory_piece)>,
    /// Nothing of finalized memory is needed any more. To be given if `allocate` is.
    pub deallocate: Option<unsafe extern "C" fn(context: *mut c_void, allocation: u64)>,
    /// The last call of all, once the manager was disposed of and no JIT has it. Null: nobody is told.
    pub destroy: Option<unsafe extern "C" fn(context: *mut c_void)>,
}

// SAFETY: `repr(C)`, it begins as it must, and function pointers that may be null, addresses and numbers are all that follows.
unsafe impl Grows for uruk_memory_callbacks {
    const NAME: &'static str = "uruk_memory_callbacks";
    const NUMBER: u32 = 1;
}

impl uruk_memory_callbacks {
    fn context(&self) -> Opaque {
        Opaque(self.context)
    }
}

/// Stock memory: the library's own.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_memory_options {
    /// Filled in by `uruk_memory_options_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_memory_options_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_memory_options_init`.
    pub magic: u64,
    /// `URUK_STOCK_…`, joined by `|`.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// With `URUK_STOCK_AT`, the first address, a multiple of the page size.
    pub start: u64,
    /// With `URUK_STOCK_AT`, bytes, a multiple of the page size.
    pub size: u64,
}

// SAFETY: `repr(C)`, it begins as it must, and numbers are all that follows.
unsafe impl Grows for uruk_memory_options {
    const NAME: &'static str = "uruk_memory_options";
    const NUMBER: u32 = 2;
}

/// No page is ever written to that was executable, by any way.
pub const URUK_STOCK_STRICT: u32 = 1;
/// All memory is below 2 GiB.
pub const URUK_STOCK_LOW: u32 = 2;
/// All memory is from `start` on, `size` bytes.
pub const URUK_STOCK_AT: u32 = 4;
/// Huge pages.
pub const URUK_STOCK_HUGE_PAGES: u32 = 8;
/// No memory at all, for a JIT with `URUK_JIT_LINK_ONLY`: what is linked is laid out at the addresses that `URUK_STOCK_AT`, to be given
/// too, says, and kept for `uruk_memory_manager_read`. Nothing else goes with these two.
pub const URUK_STOCK_LAY_OUT: u32 = 16;

/// What lies in memory that is only laid out: what a batch has of one protection.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_memory_run {
    /// `URUK_KIND_CODE`, `URUK_KIND_RODATA` or `URUK_KIND_DATA`.
    pub kind: u32,
    /// `URUK_PROTECTION_…`, joined by `|`.
    pub protection: u32,
    /// The first target address, a multiple of the page size.
    pub target: u64,
    /// Bytes.
    pub size: u64,
}

/// What a segment is, and what its memory allows.
fn kind_and_protection(lane: Lane) -> (u32, u32) {
    match lane {
        Lane::Code => (URUK_KIND_CODE, URUK_PROTECTION_READ | URUK_PROTECTION_EXECUTE),
        Lane::ReadOnly => (URUK_KIND_RODATA, URUK_PROTECTION_READ),
        Lane::Data => (URUK_KIND_DATA, URUK_PROTECTION_READ | URUK_PROTECTION_WRITE),
    }
}

/// A list that C gets, or null for none.
fn pointer<T>(list: &[T]) -> *const T {
    if list.is_empty() { std::ptr::null() } else { list.as_ptr() }
}
