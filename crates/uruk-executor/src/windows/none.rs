//! On this architecture no code for Windows runs.

/// What objects for Windows need to run in this process: names and addresses.
pub fn functions() -> [(&'static str, usize); 0] {
    []
}
