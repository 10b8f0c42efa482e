//! x86-64: instruction fetch is coherent with stores, and notices stores to fetched code by itself.

use std::ops::Range;

/// Whether code that was never there before needs the barrier, too.
pub(in crate::sys) const FRESH_CODE_NEEDS_BARRIER: bool = false;

/// Code that returns a number, for a trial whether what is written by force is executed: that needs none here.
pub(in crate::sys) const RETURNS: Option<fn(u8) -> [u32; 2]> = None;

pub(in crate::sys) fn publish(_: &Range<u64>) {}
