#![no_main]
libfuzzer_sys::fuzz_target!(init: betwixt_fuzz::panics::note_only(), |bytes: &[u8]| {
    betwixt_fuzz::run_or_abort("presents", bytes);
});
