//! On this architecture no code for Darwin runs.

/// What the process has for code for Darwin: a name, as C has it, and an address.
pub fn overrides() -> [(&'static str, usize); 0] {
    []
}
