//! ELF of other architectures than the host's.

use super::support::fixtures;

#[test]
fn rules_of_fixtures_hold() {
    for triple in ["aarch64-linux-gnu", "riscv64-linux-gnu", "riscv32-linux-gnu"] {
        fixtures(triple);
    }
}
