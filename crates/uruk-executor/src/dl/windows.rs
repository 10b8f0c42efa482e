//! Linked code on Windows has no `dlopen`, and `LoadLibrary` knows files only: nobody asks for a session's dylibs.

mod directory;

pub use directory::{AddressInfo, DylibDirectory, DylibHandle};
