//! Any bytes, read as an executor reads its controller's, end the connection or give messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uruk_fuzz::remote::executor_messages(data));
