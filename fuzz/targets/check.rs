//! Any bytes, read as rules of the check language and as instructions, give values or errors.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uruk_fuzz::check::check(data));
