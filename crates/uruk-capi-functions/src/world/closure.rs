//! What roots of a world lead to, and what there is to know of that before an image is made.

use super::types::{type_id, uruk_type_id};
use super::{lock, uruk_world};
use crate::call::{Reach, enter, enter_value, linking};
use crate::error::{Failure, c_text, copy_text, uruk_status};
use crate::handle::{self, Handle, Kind};
use crate::raw::{List, Opaque, Out, Text};
use crate::sized::{self, Grows};
use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex};
use uruk_image::memory::ThisProcess;
use uruk_image::{Closure, Error, Heap, Mappings, TypeId, World};

/// Who knows objects that were not added one by one. It is asked during the call that it is given to only, on that thread; in it, only
/// functions may be called of which the header says so; others return `URUK_BUSY`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_heap_callbacks {
    /// Filled in by `uruk_heap_callbacks_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_heap_callbacks_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_heap_callbacks_init`.
    pub magic: u64,
    /// Given to each callback.
    pub context: *mut c_void,
    /// The type of the object that has an address, or ends there, with its beginning in `start`; 0 if there is none.
    pub object_at: Option<unsafe extern "C" fn(context: *mut c_void, address: u64, start: *mut u64) -> uruk_type_id>,
}

// SAFETY: `repr(C)`, it begins as it must, and a function pointer that may be null and addresses are all that follows.
unsafe impl Grows for uruk_heap_callbacks {
    const NAME: &'static str = "uruk_heap_callbacks";
    const NUMBER: u32 = 13;
}

/// Fills in a table of callbacks: none. `size` is `sizeof` the structure.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_heap_callbacks_init(callbacks: Out<uruk_heap_callbacks>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(callbacks, size))
}

/// A client's heap.
pub(crate) struct Custom {
    context: *mut c_void,
    object_at: unsafe extern "C" fn(*mut c_void, u64, *mut u64) -> uruk_type_id,
}

impl Custom {
    /// Of a table that may be null.
    pub fn new(callbacks: List<uruk_heap_callbacks>) -> Result<Option<Custom>, Failure> {
        if callbacks.first("heap")?.is_none() {
            return Ok(None);
        }
        let uruk_heap_callbacks { context, object_at, .. } = sized::copy(callbacks)?;
        let object_at = object_at.ok_or_else(|| Failure::null("`object_at` of uruk_heap_callbacks"))?;
        Ok(Some(Custom { context, object_at }))
    }
}

impl Heap for Custom {
    fn object_at(&self, address: u64) -> Option<(u64, TypeId)> {
        let mut start = address;
        // SAFETY: the client's function with its context, and a place that lives during the call.
        let found = linking(|| unsafe { (self.object_at)(self.context, address, &mut start) });
        (found != 0).then(|| (start, type_id(found)))
    }
}

/// Everything that roots of a world lead to, with its bytes as they were when it was found.
pub struct uruk_closure;

impl Kind for uruk_closure {
    const NAME: &'static str = "uruk_closure";
    type Object = Traced;
}

/// A closure, with the world that it is of.
pub struct Traced {
    world: Arc<Mutex<World>>,
    closure: Closure,
}

/// Finds everything that cells of these names lead to, reading this process's memory: nobody may write to it meanwhile. `heap` may be
/// null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_trace(
    world: Handle<uruk_world>,
    roots: List<Text>,
    count: usize,
    heap: List<uruk_heap_callbacks>,
    closure: Out<Handle<uruk_closure>>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        closure.check("closure")?;
        let world = world.get()?;
        let roots = roots.get(count, "roots")?.iter().map(|root| root.get("a root"));
        let heap = Custom::new(heap)?;
        let memory = ThisProcess::open().map_err(Error::Process)?;
        let heap = heap.as_ref().map(|heap| heap as &dyn Heap);
        let found = lock(&world).trace(&roots.collect::<Result<Vec<_>, _>>()?, &memory, heap)?;
        closure.put(handle::put::<uruk_closure>(Arc::new(Traced { world, closure: found })).handle())
    })
}

/// Disposes of a closure. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_closure_dispose(closure: Handle<uruk_closure>) -> uruk_status {
    enter(Reach::OutsideLinks, || closure.take().map(drop))
}

/// How many objects and cells a closure has, and how many bytes. `places` and `bytes` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_closure_size(closure: Handle<uruk_closure>, places: Out<u64>, bytes: Out<u64>) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let closure = closure.get()?;
        let kept = &closure.closure.kept;
        places.put_if_wanted(kept.len() as u64)?;
        bytes.put_if_wanted(kept.iter().map(|kept| kept.size).sum())
    })
}

/// How much a root keeps that no root before it does. It is the library's, and valid during the call.
#[repr(C)]
pub struct uruk_share {
    /// Of this structure; fields are only ever appended.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The cell's name; empty for what exported names keep, and nothing else.
    pub root: *const c_char,
    /// Objects and cells.
    pub places: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Is told of a share.
pub type uruk_share_callback = Option<unsafe extern "C" fn(context: *mut c_void, share: *const uruk_share)>;

/// Tells how much each root keeps that no root before it does, in the order of the roots.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_closure_shares(
    closure: Handle<uruk_closure>,
    context: *mut c_void,
    each: uruk_share_callback,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let closure = closure.get()?;
        let (context, each) = (Opaque(context), each.ok_or_else(|| Failure::null("each"))?);
        let shares = closure.closure.shares(&lock(&closure.world));
        for share in shares {
            let root = c_text(&share.root);
            let told = uruk_share {
                struct_size: size_of::<uruk_share>() as u32,
                reserved: 0,
                root: root.as_ptr(),
                places: share.places,
                bytes: share.bytes,
            };
            // SAFETY: the client's function with its context, and what lives during the call.
            unsafe { each(context.0, &told) };
        }
        Ok(())
    })
}

/// A word that would be wrong in an image. It is the library's, and valid during the call.
#[repr(C)]
pub struct uruk_finding {
    /// Of this structure; fields are only ever appended.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// The way from a root, with the offset of the word; who knows better gives it to `uruk_image_options` as allowed.
    pub path: *const c_char,
    /// What is mapped where the word points: a file, `[stack]`, `[heap]`.
    pub mapping: *const c_char,
    /// What the word holds.
    pub value: u64,
}

/// Is told of a finding.
pub type uruk_finding_callback = Option<unsafe extern "C" fn(context: *mut c_void, finding: *const uruk_finding)>;

/// Tells of the words that are no described pointers, and point into something that this process has mapped. `uruk_image_make` looks at
/// variables of the code, too.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_closure_findings(
    closure: Handle<uruk_closure>,
    context: *mut c_void,
    each: uruk_finding_callback,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let closure = closure.get()?;
        let (context, each) = (Opaque(context), each.ok_or_else(|| Failure::null("each"))?);
        let mappings = Mappings::of_this_process().map_err(Error::Process)?;
        let findings = closure.closure.prove(&lock(&closure.world), &(), &mappings);
        for finding in findings {
            let (path, mapping) = (c_text(&finding.path), c_text(&finding.mapping));
            let told = uruk_finding {
                struct_size: size_of::<uruk_finding>() as u32,
                reserved: 0,
                path: path.as_ptr(),
                mapping: mapping.as_ptr(),
                value: finding.value,
            };
            // SAFETY: the client's function with its context, and what lives during the call.
            unsafe { each(context.0, &told) };
        }
        Ok(())
    })
}

/// Copies the way from a root to an address of the program, as far as there is room, with a zero byte at the end. Returns how long all of
/// it is, without that byte; 0 for an address of nothing that is kept.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_closure_path(
    closure: Handle<uruk_closure>,
    address: u64,
    buffer: Out<c_char>,
    size: usize,
) -> usize {
    enter_value(Reach::OutsideLinks, 0, || {
        let closure = closure.get()?;
        let nothing = || Failure::new(uruk_status::URUK_MISSING, format!("nothing that is kept has {address:#x}"));
        let place = closure.closure.place_of(address).ok_or_else(nothing)?;
        let path = closure.closure.path(&lock(&closure.world), Some((place.kept, place.offset)));
        copy_text(&path, buffer, size)
    })
}

/// Pointers that have entries and are of nothing that is kept, so that the entries have no effect: as many as there is room for, and in
/// `count` how many there are. `fields` may be null if `room` is 0.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_closure_unused_entries(
    closure: Handle<uruk_closure>,
    fields: Out<u64>,
    room: usize,
    count: Out<usize>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        count.check("count")?;
        let closure = closure.get()?;
        let unused = &closure.closure.unused_entries;
        fields.put_all(unused[..room.min(unused.len())].iter().copied())?;
        count.put(unused.len())
    })
}
