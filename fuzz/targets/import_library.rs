//! Any bytes, read as an import library of either form, give its imports or a typed error.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uruk_fuzz::coff::import_library(data));
