//! A memory manager of four functions, for those who have them from `LLVMCreateSimpleMCJITMemoryManager`.

use super::*;
use crate::call::{Reach, answer, enter, linking};
use crate::error::{Failure, uruk_status};
use crate::handle::{self, Handle};
use crate::raw::Out;
use std::ops::Range;
use uruk::memory::{Allocation, Demand, Lane, MemoryError, MemoryManager, Placement, Segment};

/// Gives so many bytes for code.
pub type uruk_allocate_code_section = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        size: usize,
        alignment: u32,
        section_id: u32,
        section_name: *const c_char,
    ) -> *mut u8,
>;
/// Gives so many bytes for data.
pub type uruk_allocate_data_section = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        size: usize,
        alignment: u32,
        section_id: u32,
        section_name: *const c_char,
        is_read_only: i32,
    ) -> *mut u8,
>;
/// Protects all that was given so far. Returns 0 for success, else it sets the message to one made by `uruk_message`.
pub type uruk_finalize_memory = Option<unsafe extern "C" fn(context: *mut c_void, message: *mut *mut c_char) -> i32>;
/// The end: everything that was given can go.
pub type uruk_destroy_memory = Option<unsafe extern "C" fn(context: *mut c_void)>;

/// Makes a memory manager of four functions, as MCJIT's users have them; all are needed. For each batch of objects they are asked
/// for one section of code, one of constants and one of variables, called `.text`, `.rodata` and `.data`. Nothing is given back
/// before the end, and several JITs must not have one such manager at a time.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_manager_create_sections(
    context: *mut c_void,
    allocate_code: uruk_allocate_code_section,
    allocate_data: uruk_allocate_data_section,
    finalize: uruk_finalize_memory,
    destroy: uruk_destroy_memory,
    manager: Out<Handle<uruk_memory_manager>>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        manager.check("manager")?;
        let (Some(allocate_code), Some(allocate_data), Some(finalize), Some(destroy)) =
            (allocate_code, allocate_data, finalize, destroy)
        else {
            let text = "one of the four functions is NULL; `uruk_memory_manager_create` has defaults for each";
            return Err(Failure::new(uruk_status::URUK_HALF_PAIR, text));
        };
        let functions =
            Arc::new(Functions { context: Opaque(context), allocate_code, allocate_data, finalize, destroy });
        let made: Arc<dyn MemoryManager> = Arc::new(Sections(functions));
        manager.put(handle::put::<uruk_memory_manager>(Arc::new(made)).handle())
    })
}

struct Functions {
    context: Opaque,
    allocate_code: unsafe extern "C" fn(*mut c_void, usize, u32, u32, *const c_char) -> *mut u8,
    allocate_data: unsafe extern "C" fn(*mut c_void, usize, u32, u32, *const c_char, i32) -> *mut u8,
    finalize: unsafe extern "C" fn(*mut c_void, *mut *mut c_char) -> i32,
    destroy: unsafe extern "C" fn(*mut c_void),
}

impl Drop for Functions {
    fn drop(&mut self) {
        // SAFETY: the client's function with its context, once.
        linking(|| unsafe { (self.destroy)(self.context.0) });
    }
}

struct Sections(Arc<Functions>);

impl MemoryManager for Sections {
    fn span(&self, _: Placement) -> Result<Range<u64>, MemoryError> {
        Ok(0..i64::MAX as u64)
    }

    fn allocate(&self, demand: &Demand) -> Result<Box<dyn Allocation>, MemoryError> {
        let Functions { context, allocate_code, allocate_data, .. } = &*self.0;
        let mut places = [std::ptr::null_mut(); 3];
        for lane in Lane::ALL {
            let wanted = &demand.lanes[lane as usize];
            if wanted.size == 0 {
                continue;
            }
            let (size, id) = (wanted.size as usize, lane as u32);
            let align = u32::try_from(wanted.align)
                .map_err(|_| MemoryError::Unsatisfiable { size: wanted.size, align: wanted.align })?;
            // SAFETY: the client's functions with their context and what they are said to be given.
            let place = linking(|| unsafe {
                match lane {
                    Lane::Code => allocate_code(context.0, size, align, id, c".text".as_ptr()),
                    Lane::ReadOnly => allocate_data(context.0, size, align, id, c".rodata".as_ptr(), 1),
                    Lane::Data => allocate_data(context.0, size, align, id, c".data".as_ptr(), 0),
                }
            });
            if place.is_null() {
                let text = format!("the memory manager has no {size} bytes aligned to {align}");
                return Err(MemoryError::Other(Box::new(Failure::new(uruk_status::URUK_MEMORY, text))));
            }
            // SAFETY: so many bytes, as the client was asked for.
            unsafe { place.write_bytes(0, size) };
            places[lane as usize] = place;
        }
        Ok(Box::new(Given { functions: self.0.clone(), demand: *demand, places }))
    }

    fn release(&self, _: &[Segment]) {}
}

struct Given {
    functions: Arc<Functions>,
    demand: Demand,
    /// By lane.
    places: [*mut u8; 3],
}

// SAFETY: the memory is this allocation's alone, as the client promises.
unsafe impl Send for Given {}

impl Allocation for Given {
    fn address(&self, lane: Lane) -> u64 {
        self.places[lane as usize].addr() as u64
    }

    fn working(&mut self) -> [&mut [u8]; 3] {
        Lane::ALL.map(|lane| {
            let (place, wanted) = (self.places[lane as usize], &self.demand.lanes[lane as usize]);
            if wanted.size == 0 {
                return &mut [][..];
            }
            // SAFETY: so many bytes were asked for and cleared, and are this allocation's alone.
            unsafe { std::slice::from_raw_parts_mut(place, (wanted.size - wanted.zero_fill) as usize) }
        })
    }

    fn finalize(self: Box<Self>) -> Result<(), MemoryError> {
        let Functions { context, finalize, .. } = &*self.functions;
        // SAFETY: the client's function with its context and a place for a message.
        let call = |message| unsafe { finalize(context.0, message) };
        linking(|| answer("`finalize` of the memory manager", call))
            .map_err(|failure| MemoryError::Other(Box::new(failure)))
    }
}
