//! Any bytes, read as a Mach-O object or a universal file, give objects or a typed error.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uruk_fuzz::bodies::macho_reader(data));
