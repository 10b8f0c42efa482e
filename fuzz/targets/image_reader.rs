//! Any bytes, read as the file of a mappable image whose digest is right, give a summary or a typed error.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uruk_fuzz::images::image(data));
