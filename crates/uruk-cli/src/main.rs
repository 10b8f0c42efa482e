//! The `uruk` command.

fn main() {}
