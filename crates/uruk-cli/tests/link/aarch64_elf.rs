//! ELF AArch64: fixtures.

use super::support::fixtures;

#[test]
fn rules_of_fixtures_hold() {
    fixtures("aarch64-linux-gnu");
}
