//! The library's own memory with choices.

use super::*;
use crate::call::{Reach, enter};
use crate::error::{Failure, uruk_status};
use crate::handle::{self, Handle};
use crate::raw::{List, Out};
use crate::sized;
use uruk::memory::{InProcessMemory, Options, Place, Slab};
use uruk_executor::memory::page_bytes;

/// Fills in options for stock memory: none. `size` is `sizeof` the structure.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_options_init(options: Out<uruk_memory_options>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(options, size))
}

/// Makes a manager of the library's own memory, which packs what is linked, and gives it back. `options` may be null.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_manager_create_stock(
    options: List<uruk_memory_options>,
    manager: Out<Handle<uruk_memory_manager>>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        manager.check("manager")?;
        let made = match options.first("options")? {
            Some(_) => make(&sized::copy(options)?)?,
            None => Manager::new(Arc::new(InProcessMemory::new(Options::default()))),
        };
        manager.put(handle::put::<uruk_memory_manager>(made).handle())
    })
}

fn make(options: &uruk_memory_options) -> Result<Arc<Manager>, Failure> {
    if options.flags & URUK_STOCK_LAY_OUT == 0 {
        return Ok(Manager::new(Arc::new(InProcessMemory::new(choices(options)?))));
    }
    let uruk_memory_options { flags, reserved, start, size, .. } = *options;
    let (page, end) = (page_bytes(), start.saturating_add(size));
    let alone = flags == URUK_STOCK_LAY_OUT | URUK_STOCK_AT && reserved == 0;
    if !alone || start == 0 || !start.is_multiple_of(page) || size == 0 || end - start != size {
        let text = format!(
            "uruk_memory_options: `LAY_OUT` needs `AT`, a first address that is a multiple of {page}, a size, and nothing else"
        );
        return Err(Failure::invalid(text));
    }
    let slab = Arc::new(Slab::new(start..end, page));
    Ok(Arc::new(Manager { memory: slab.clone(), reports: Arc::default(), laid_out: Some(slab) }))
}

fn choices(options: &uruk_memory_options) -> Result<Options, Failure> {
    let has = |flag| options.flags & flag != 0;
    let known = URUK_STOCK_STRICT | URUK_STOCK_LOW | URUK_STOCK_AT | URUK_STOCK_HUGE_PAGES;
    if options.flags & !known != 0 || options.reserved != 0 {
        return Err(Failure::invalid(format!("uruk_memory_options: {:#x} has unknown flags", options.flags)));
    }
    let place = match (has(URUK_STOCK_LOW), has(URUK_STOCK_AT)) {
        (true, true) => return Err(Failure::invalid("uruk_memory_options: `LOW` and `AT` are two places; take one")),
        (true, false) => Place::Low,
        (false, true) => Place::At { start: options.start, size: options.size },
        (false, false) => Place::AsDemanded,
    };
    Ok(Options { strict: has(URUK_STOCK_STRICT), place, huge_pages: has(URUK_STOCK_HUGE_PAGES) })
}
