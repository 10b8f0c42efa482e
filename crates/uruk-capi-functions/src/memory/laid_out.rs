//! Stock memory that maps nothing: where things lie, and their bytes.

use super::*;
use crate::call::{Reach, enter};
use crate::error::{Failure, uruk_status};
use crate::handle::Handle;
use crate::raw::Out;
use uruk::memory::{Segment, Slab};

impl Manager {
    fn laid_out(&self) -> Result<&Slab, Failure> {
        let text = "this uruk_memory_manager keeps no bytes; one that was made with `URUK_STOCK_LAY_OUT` does";
        self.laid_out.as_deref().ok_or_else(|| Failure::invalid(text))
    }
}

/// What lies in the memory of a manager that was made with `URUK_STOCK_LAY_OUT`, in order of addresses: as many runs as there is room
/// for, and in `count` how many there are. `runs` may be null if `room` is 0.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_manager_runs(
    manager: Handle<uruk_memory_manager>,
    runs: Out<uruk_memory_run>,
    room: usize,
    count: Out<usize>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        count.check("count")?;
        let found = filled(manager.get()?.laid_out()?);
        let run = |segment: &Segment| {
            let (kind, protection) = kind_and_protection(segment.lane);
            uruk_memory_run { kind, protection, target: segment.address, size: segment.size }
        };
        runs.put_all(found[..room.min(found.len())].iter().map(run))?;
        count.put(found.len())
    })
}

/// Copies `size` bytes that lie at a target address in the memory of a manager that was made with `URUK_STOCK_LAY_OUT`. They are all
/// of one run, and final.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_memory_manager_read(
    manager: Handle<uruk_memory_manager>,
    target: u64,
    buffer: Out<u8>,
    size: usize,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        let manager = manager.get()?;
        buffer.check("buffer")?;
        let slab = manager.laid_out()?;
        // Only so much is allocated as there may be.
        let room = |run: &Segment| run.size.checked_sub(target.checked_sub(run.address)?);
        let fits = filled(slab).iter().filter_map(room).any(|room| size as u64 <= room);
        let mut bytes = vec![0; if fits { size } else { 0 }];
        if !fits || !slab.read(target, &mut bytes) {
            return Err(Failure::invalid(format!("no run has {size} final bytes at {target:#x}")));
        }
        buffer.put_all(bytes.into_iter())
    })
}

/// The runs that have bytes.
fn filled(slab: &Slab) -> Vec<Segment> {
    slab.segments().into_iter().filter(|segment| segment.size != 0).collect()
}
