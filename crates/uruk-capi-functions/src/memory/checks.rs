//! What is looked at in an answer, of whichever kind of manager: that it is aligned, ends, and is in reach of the rest.

use crate::error::{Failure, uruk_status};
use std::ops::Range;
use uruk::memory::{Demand, Lane, LaneDemand};

/// What messages call a segment.
pub fn segment_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Code => "code",
        Lane::ReadOnly => "read-only",
        Lane::Data => "data",
    }
}

/// The addresses of a segment that is to run there.
pub fn target(lane: Lane, start: u64, wanted: &LaneDemand) -> Result<Range<u64>, Failure> {
    let range = range(lane, start, wanted.size)?;
    if !start.is_multiple_of(wanted.align) {
        let text =
            format!("the {} segment is at {start:#x}, not at a multiple of {}", segment_name(lane), wanted.align);
        return Err(Failure::new(uruk_status::URUK_BAD_ALIGNMENT, text));
    }
    Ok(range)
}

/// The addresses of a segment, wherever it starts.
pub fn range(lane: Lane, start: u64, size: u64) -> Result<Range<u64>, Failure> {
    let end = start.checked_add(size).ok_or_else(|| {
        let text = format!("the {} segment at {start:#x} would end beyond the last address", segment_name(lane));
        Failure::new(uruk_status::URUK_PAST_END, text)
    })?;
    Ok(start..end)
}

/// Errors if instructions do not reach from each segment to each other.
pub fn reach(demand: &Demand, targets: &[Range<u64>]) -> Result<(), Failure> {
    let first = targets.iter().map(|target| target.start).min().unwrap_or(0);
    let last = targets.iter().map(|target| target.end).max().unwrap_or(0);
    let spread = last - first;
    match demand.reach() {
        Some(reach) if reach < spread => {
            let text =
                format!("its segments are {spread:#x} bytes apart; {reach:#x} is the most that instructions reach");
            Err(Failure::new(uruk_status::URUK_OUT_OF_REACH, text))
        }
        _ => Ok(()),
    }
}
