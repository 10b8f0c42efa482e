//! Any bytes, read as a controller reads an executor's, end the connection or give messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uruk_fuzz::remote::controller_messages(data));
