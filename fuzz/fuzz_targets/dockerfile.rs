//! No text makes the parser panic, and what it reads without an error it writes so that it reads the
//! same.
//!
//! `cargo fuzz run dockerfile fuzz/corpus/dockerfile tests/dockerfiles/accepted
//! tests/dockerfiles/buildkit`, with a nightly compiler.

#![no_main]

use castoff::dockerfile::Dockerfile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let parsed = Dockerfile::parse(text);
    for span in parsed.stages.iter().flat_map(|stage| &stage.instructions) {
        assert!(text.get(span.bytes()).is_some(), "{span:?}");
    }
    if parsed.has_errors() {
        return;
    }
    if let Ok(written) = parsed.dockerfile.render() {
        let again = Dockerfile::parse(&written);
        assert_eq!(again.dockerfile, parsed.dockerfile, "{written}");
    }
});
