//! Any bytes, read as a COFF object or an import, and linked, give bytes or a typed error.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uruk_fuzz::coff::coff_reader(data));
