#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| qm_hostile::package_signature(input));
