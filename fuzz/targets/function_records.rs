//! Any bytes, taken apart as Windows' function records, lose those of functions that have gone, or give a typed error.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uruk_fuzz::coff::function_records(data));
