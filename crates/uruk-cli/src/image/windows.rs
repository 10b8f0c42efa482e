//! Images are ELF's so far, and made where that is.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::args::{Image, Request};
use crate::fail;
use crate::plan::Plan;

/// Refuses.
pub fn execute(_plan: Plan, image: &Image) -> ExitCode {
    fail(&format!("{}: `uruk image` writes ELF files, on Linux", image.output.display()))
}

/// Nothing is an image here.
pub fn to_run(_request: &Request) -> Option<Vec<PathBuf>> {
    None
}

/// Refuses.
pub fn run(_request: &Request, images: &[PathBuf]) -> ExitCode {
    show(&images[0], None)
}

/// Refuses.
pub fn show(path: &Path, _other: Option<&Path>) -> ExitCode {
    fail(&format!("{}: images are ELF's, and looked at on Linux", path.display()))
}
