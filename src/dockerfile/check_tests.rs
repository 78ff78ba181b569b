//! Problems of a file as a whole, and those that BuildKit finds at a step.

use super::*;

/// Returns the messages of the problems, each after `error` or `warning`.
fn found(text: &str) -> Vec<String> {
    let severity = |found: &Diagnostic| match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let parsed = Dockerfile::parse(text);
    parsed.diagnostics.iter().map(|found| format!("{} {found}", severity(found))).collect()
}

#[test]
fn what_looks_like_something_else_is_told() {
    for (text, part) in [
        ("FROM a\nRUN cat <<- EOF\n", "warning line 2: `<<- EOF` is no heredoc"),
        ("FROM a AS Base\nFROM Base", "error line 2: FROM: BuildKit has no stage `Base`"),
        ("FROM a AS base\nFROM BASE", "write `base`"),
        ("FROM a\nCOPY --from=$X a b", "error line 2: COPY: --from can't have variables"),
        ("FROM a\nONBUILD COPY --from=$X a b", "warning line 2: COPY: --from can't have"),
    ] {
        assert!(found(text).iter().any(|found| found.contains(part)), "{text}: {:?}", found(text));
    }
    for text in ["FROM a AS Base\nFROM base", "FROM a AS Base\nFROM b\nCOPY --from=BASE a b"] {
        assert!(found(text).is_empty(), "{text}: {:?}", found(text));
    }
    let stage = || Stage::from_image("a").named("Base");
    for (file, part) in [
        (Dockerfile::new().stage(stage()).stage(Stage::from_image("Base")), "lower case"),
        (Dockerfile::new().stage(stage().copy_from("$X", "a", "b")), "can't have variables"),
    ] {
        let error = file.render().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn what_buildkit_refuses_at_a_step_is_an_error() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let url = "https://example.com/a";
    for text in [
        "FROM a AS one\nCOPY --from=one a b".to_owned(),
        "FROM a AS one\nCOPY --from=0 a b".to_owned(),
        "FROM a\nCOPY --from=1 a b".to_owned(),
        "FROM a\nRUN --mount=from=two,target=/x y\nFROM a AS two\nCOPY --from=0 a b".to_owned(),
        "FROM a\nEXPOSE 70000".to_owned(),
        "FROM a\nEXPOSE 80/icmp".to_owned(),
        "FROM a\nEXPOSE 90-80".to_owned(),
        "FROM a\nSTOPSIGNAL SIGNOPE".to_owned(),
        "FROM a\nSTOPSIGNAL 0".to_owned(),
        "FROM a\nCOPY --chmod=99999 a b".to_owned(),
        "FROM a\nADD --chmod=u:x a b".to_owned(),
        format!("FROM a\nADD --checksum=sha256:12 {url} b"),
        format!("FROM a\nADD --checksum=md5:{} {url} b", "0".repeat(32)),
        "FROM --platform=linux/arm/v7/x a".to_owned(),
        "FROM --platform=$NOTHING a".to_owned(),
        "FROM --platform=nothing a".to_owned(),
        "FROM $NOTHING".to_owned(),
        "FROM a:$NOTHING".to_owned(),
        "FROM a\nRUN --mount=type=cache,target=/ x".to_owned(),
    ] {
        let parsed = Dockerfile::parse(&text);
        assert!(parsed.has_errors(), "{text}: {:?}", parsed.diagnostics);
    }
    for text in [
        "ARG X\nFROM $X".to_owned(),
        "ARG X=a\nFROM --platform=$BUILDPLATFORM $X:${Y:-1}".to_owned(),
        "FROM a$NOTHING".to_owned(),
        "FROM a\nEXPOSE 80 0-65535/UDP 5000/sctp 127.0.0.1::80 8080:80 $x".to_owned(),
        "FROM a\nSTOPSIGNAL rtmin+3".to_owned(),
        "FROM a\nSTOPSIGNAL SIGRTMAX-14".to_owned(),
        "FROM a\nCOPY --chmod=0755 a b\nCOPY --chmod=u=rwX,go+rX a b\nCOPY --chmod=$m a b"
            .to_owned(),
        format!("FROM a\nADD --checksum={digest} {url} b"),
        format!("FROM a\nADD --checksum={} {url}.git#v1 b", "0a".repeat(20)),
        "FROM --platform=linux/arm/v7 a\nFROM --platform=amd64 b".to_owned(),
        "FROM a AS one\nFROM b\nCOPY --from=one a b\nCOPY --from=0 a b\nCOPY --from=c:1 a b"
            .to_owned(),
    ] {
        let parsed = Dockerfile::parse(&text);
        assert!(!parsed.has_errors(), "{text}: {:?}", parsed.diagnostics);
    }
}

#[test]
fn an_error_in_a_stage_that_is_not_needed_is_a_warning() {
    let text = "FROM a AS bad\nEXPOSE 70000\nENV A=\"x\n\
        FROM a AS good\nFROM bad AS worse\nRUN x\nFROM a\nCOPY --from=good a b\n";
    let parsed = Dockerfile::parse(text);
    assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
    let told = found(text);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|told| told.starts_with("warning") && told.contains("doesn't need")));
    assert!(parsed.has_errors_for("bad") && parsed.has_errors_for("Worse"));
    assert!(!parsed.has_errors_for("GOOD") && !parsed.has_errors_for("3"));
    assert!(parsed.has_errors_for("none"));
    for text in [
        "FROM a AS bad\nEXPOSE 70000\nFROM a\nRUN --mount=from=bad,target=/x y",
        "FROM a AS bad\nEXPOSE 70000\nFROM a\nCOPY --from=0 a b",
        "ARG base\nFROM a AS bad\nEXPOSE 70000\nFROM $base",
        // These are errors whatever is built.
        "FROM a AS bad\nCOPY --nothing a b\nFROM a",
        "FROM a AS bad\nCOPY --from=$X a b\nFROM a",
        "FROM $NOTHING AS bad\nFROM a",
    ] {
        let parsed = Dockerfile::parse(text);
        assert!(parsed.has_errors(), "{text}: {:?}", parsed.diagnostics);
    }
}

#[test]
fn a_file_of_many_stages_and_of_values_that_double_is_checked_at_once() {
    let doubled = |number: usize| format!("ARG a{}=$a{number}$a{number}\n", number + 1);
    let args: String = (0..100).map(doubled).collect();
    let stages: String =
        (0..10_000).map(|n| format!("FROM $a100 AS s{n}\nCOPY --from=s{} a b\n", n / 2)).collect();
    let parsed = Dockerfile::parse(&format!("ARG a0=x\n{args}{stages}"));
    assert_eq!(parsed.stages.len(), 10_000);
    assert_eq!(parsed.diagnostics.len(), 1, "{:?}", parsed.diagnostics[1]);
}
