//! Everything that is automated.

fn main() {}
