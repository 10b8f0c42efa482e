//! Rewriting of code before layout.

use crate::error::LinkError;
use crate::graph::*;
use crate::resolve::Targets;
use std::ops::Range;

/// Rewrites what may be rewritten.
pub fn rewrite(_: &mut LinkGraph, _: &Targets, _: &Range<u64>) -> Result<(), LinkError> {
    Ok(())
}
