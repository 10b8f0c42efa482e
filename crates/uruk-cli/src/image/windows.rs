//! Images are ELF's so far, and made where that is.

use std::process::ExitCode;

use crate::args::Image;
use crate::fail;
use crate::plan::Plan;

/// Refuses.
pub fn execute(_plan: Plan, image: &Image) -> ExitCode {
    fail(&format!("{}: `uruk image` writes ELF files, on Linux", image.output.display()))
}
