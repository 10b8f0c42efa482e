//! Any bytes, loaded step by step at any addresses, give images or a typed error.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| uruk_fuzz::load::load_by_hand(data));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    // libFuzzer's own mutations change sizes too.
    if seed % 2 == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    uruk_fuzz::mutate::mutate(&mut data[..size], seed);
    size
});
