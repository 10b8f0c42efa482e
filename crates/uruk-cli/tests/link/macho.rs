//! Mach-O: fixtures for both architectures. The limits of each relocation type are tested where it is read.

use super::support::fixtures;

#[test]
fn rules_of_fixtures_hold() {
    fixtures("x86_64-apple-macos13");
    fixtures("arm64-apple-macos13");
}
