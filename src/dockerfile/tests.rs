//! Any value that is written is read back as it was.

use proptest::prelude::*;

use super::*;
use crate::spec::Healthcheck;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~äß漢]{0,12}",
        "[a-z/.]{1,8}",
        Just("$x".to_owned()),
        Just("\\".to_owned()),
        Just("'\"`".to_owned()),
        Just(" ".to_owned()),
        Just("<<EOF".to_owned()),
    ]
}

fn word() -> impl Strategy<Value = Word> {
    let variable = ("[a-zA-Z_][a-zA-Z0-9_]{0,6}", proptest::option::of((0u8..8, text(), text())))
        .prop_map(|(name, modifier)| {
            let modifier = modifier.map(|(kind, text, other)| {
                let (word, other) = (Word::literal(text.clone()), Word::literal(other));
                let pattern = Word::literal(text.replace('\\', ""));
                match kind {
                    0 => Modifier::Default { empty: true, word },
                    1 => Modifier::Default { empty: false, word },
                    2 => Modifier::Alternate { empty: true, word },
                    3 => Modifier::Required { empty: false, word },
                    4 => Modifier::TrimStart {
                        longest: !text.starts_with('#'),
                        pattern: plain(pattern),
                    },
                    5 => Modifier::TrimEnd {
                        longest: !text.starts_with('%'),
                        pattern: plain(pattern),
                    },
                    6 => Modifier::Replace { all: true, pattern: plain(pattern), with: other },
                    _ => Modifier::Alternate { empty: false, word },
                }
            });
            Part::Variable(Variable { name, modifier })
        });
    let part = prop_oneof![text().prop_map(Part::Text), variable];
    proptest::collection::vec(part, 0..4).prop_map(|parts| {
        let mut word = Word::default();
        for part in parts {
            match part {
                Part::Text(text) => word.push_text(&text),
                part => word.parts.push(part),
            }
        }
        word
    })
}

/// Removes what a pattern of `#`, `%` and `/` can't have: a beginning that doubles the sign, or a
/// dollar.
fn plain(word: Word) -> Word {
    let text = word.as_literal().unwrap_or_default().replace(['#', '%', '/', '$'], "");
    Word::literal(format!("x{text}"))
}

fn some_word() -> impl Strategy<Value = Word> {
    word().prop_filter("not empty", |word| !word.parts().is_empty())
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        "[ -~ä]{1,30}".prop_map(Command::shell),
        proptest::collection::vec(text(), 1..4).prop_map(Command::exec),
    ]
}

fn copies() -> impl Strategy<Value = CopyFiles> {
    let words = proptest::collection::vec(some_word(), 1..4);
    (words, some_word(), proptest::option::of(some_word()), any::<(bool, bool)>()).prop_map(
        |(sources, target, chown, (link, parents))| {
            let mut copy = CopyFiles::new(sources, target);
            (copy.chown, copy.link, copy.parents) = (chown, link, parents);
            copy
        },
    )
}

/// Generates paths other than the root, where nothing can be mounted.
fn place() -> impl Strategy<Value = Word> {
    word().prop_filter("a place", |word| word.as_literal() != Some("/"))
}

fn mounts() -> impl Strategy<Value = RunMount> {
    prop_oneof![
        (place(), word(), any::<u16>()).prop_map(|(target, id, uid)| {
            RunMount::cache(target).id(id).owner(uid.into(), 7).mode(0o750).into()
        }),
        word().prop_map(|id| RunMount::secret(id).required().env("X").into()),
        word().prop_map(|target| RunMount::ssh().target(target).into()),
        (place(), word()).prop_map(|(target, from)| RunMount::bind(target).from_stage(from).into()),
        (place(), any::<u32>())
            .prop_map(|(target, size)| RunMount::tmpfs(target).size(size.into()).into()),
    ]
}

fn instruction() -> impl Strategy<Value = Instruction> {
    let pairs = || proptest::collection::vec((some_word(), word()), 1..3);
    let simple = prop_oneof![
        (command(), proptest::collection::vec(mounts(), 0..2)).prop_map(|(command, mounts)| {
            let mut run = Run::exec([""; 1]);
            (run.command, run.mounts) = (command, mounts);
            Instruction::Run(run)
        }),
        "[ -~\n\t]{0,40}".prop_map(|text| Instruction::Run(Run::script(text))),
        command().prop_map(Instruction::Cmd),
        command().prop_map(Instruction::Entrypoint),
        copies().prop_map(Instruction::Copy),
        ("[ -~\n]{0,30}", "[a-z/]{1,9}").prop_map(|(text, target)| {
            Instruction::Copy(CopyFiles::text(Heredoc::new("file", text), target.as_str()))
        }),
        pairs().prop_map(Instruction::Env),
        pairs().prop_map(Instruction::Label),
        (some_word(), proptest::option::of(word()))
            .prop_map(|(name, default)| Instruction::Arg(vec![Arg { name, default }])),
        proptest::collection::vec(any::<u16>(), 1..3).prop_map(|ports| {
            Instruction::Expose(ports.iter().map(|port| Word::literal(port.to_string())).collect())
        }),
        "[a-z_]{1,9}".prop_map(|name| {
            Instruction::Expose(vec![Word::variable(name.clone()), Word::variable(name)])
        }),
        proptest::collection::vec(some_word(), 1..3).prop_map(Instruction::Volume),
        some_word().prop_map(Instruction::User),
        some_word().prop_map(Instruction::Workdir),
        prop_oneof![Just(Word::literal("SIGINT")), "[a-z_]{1,9}".prop_map(Word::variable)]
            .prop_map(Instruction::StopSignal),
        proptest::collection::vec(text(), 1..3).prop_map(Instruction::Shell),
        (1u64..100_000, 1u32..9).prop_map(|(millis, retries)| {
            let check = Healthcheck::shell("curl -f http://localhost/ || exit 1");
            let interval = std::time::Duration::from_millis(millis);
            Instruction::Healthcheck(check.with_interval(interval).with_retries(retries))
        }),
    ];
    (simple, any::<bool>()).prop_map(|(instruction, trigger)| {
        if trigger { Instruction::OnBuild(Trigger::of(instruction)) } else { instruction }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_written_reads_the_same(
        instructions in proptest::collection::vec(instruction(), 0..4),
        backtick in any::<bool>(),
    ) {
        let mut stage = Stage::scratch().named("one");
        stage.instructions = instructions;
        let mut file = Dockerfile::of(stage);
        if backtick {
            file = file.escape('`');
        }
        // A value that can't be written is an error, and never becomes text that means something
        // else.
        if let Ok(text) = file.render() {
            let parsed = Dockerfile::parse(&text);
            prop_assert!(!parsed.has_errors(), "{:?}\n{}", parsed.diagnostics, text);
            prop_assert_eq!(&parsed.dockerfile, &file, "{}", text);
        }
    }

    #[test]
    fn any_text_of_one_line_can_be_written(text in "[^\r\n]{0,40}", variable in "[a-z_]{1,8}") {
        let mut word = Word::literal(text);
        word.parts.extend(Word::variable(variable).parts);
        let stage = Stage::scratch().with(Instruction::Env(vec![("A".into(), word)]));
        prop_assert!(Dockerfile::of(stage).render().is_ok());
    }

    #[test]
    fn a_shell_sees_the_words_that_were_given(
        words in proptest::collection::vec("[^\0\r\n]{0,12}|[ -~]{0,12}", 1..5),
        backtick in any::<bool>(),
    ) {
        let mut file = Dockerfile::of(Stage::scratch().run(Run::shell_words(&words)));
        if backtick {
            file = file.escape('`');
        }
        let parsed = Dockerfile::parse(&file.render().unwrap()).into_dockerfile().unwrap();
        let Instruction::Run(run) = &parsed.stages[0].instructions[0] else { panic!() };
        let Command::Shell(text) = &run.command else { panic!("{run:?}") };
        let script = format!("printf '%s\\0' {text}");
        let printed = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        let seen = String::from_utf8(printed.stdout).unwrap();
        let seen: Vec<&str> = seen.split_terminator('\0').collect();
        prop_assert_eq!(seen, words, "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(?s)\\PC{0,200}|[A-Z #=\\\\`'\"$<>{}\n\r\t-]{0,200}") {
        let parsed = Dockerfile::parse(&text);
        for stage in &parsed.stages {
            prop_assert!(text.get(stage.from.bytes()).is_some());
        }
        if !parsed.has_errors() && let Ok(again) = parsed.dockerfile.render() {
            prop_assert_eq!(Dockerfile::parse(&again).dockerfile, parsed.dockerfile, "{}", again);
        }
    }

    #[test]
    fn instructions_of_any_text_read_the_same_again(
        keyword in "RUN|CMD|COPY|ADD|ENV|LABEL|ARG|EXPOSE|USER|WORKDIR|VOLUME|HEALTHCHECK|ONBUILD RUN|ONBUILD COPY",
        rest in "[ -~]{0,60}",
    ) {
        let parsed = Dockerfile::parse(&format!("FROM scratch\n{keyword} {rest}\n"));
        if !parsed.has_errors() && let Ok(again) = parsed.dockerfile.render() {
            prop_assert_eq!(Dockerfile::parse(&again).dockerfile, parsed.dockerfile, "{}", again);
        }
    }
}

#[test]
fn a_file_of_everything() {
    let text = "\u{feff}# syntax=docker/dockerfile:1\r\n# escape=\\\r\n# a comment\r\n\
        ARG TAG=3 # not a comment\r\n\
        from --platform=$BUILDPLATFORM alpine:${TAG:-1} as Build\r\n\
        ENV old style value\r\n\
        ENV A=1 B=\"two words\" C='$raw' \\\r\n  # in between\r\n  D=a\\ b\r\n\
        COPY --from=base --chown=1:2 [\"a b\", \"c/\"]\r\n\
        RUN --mount=type=cache,target=/c,sharing=locked --network=none apt-get update && \\\r\n\
        \x20   apt-get install\r\n\
        HEALTHCHECK --interval=1m30s CMD [\"true\"]\r\n\
        CMD [ 'single' ]\r\n\
        ONBUILD COPY . /app\r\n\
        RUN cat <<EOF > /x && <<'END' sh\r\nhello $A\r\nEOF\r\nexit 0\r\nEND\r\n\
        STOPSIGNAL SIGINT";
    let parsed = Dockerfile::parse(text);
    let messages: Vec<_> = parsed.diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(messages, Vec::<String>::new());
    let file = &parsed.dockerfile;
    assert_eq!(file.stages[0].name.as_deref(), Some("Build"));
    let shown: Vec<_> = file.stages[0].instructions.iter().map(Instruction::keyword).collect();
    assert_eq!(
        shown,
        ["ENV", "ENV", "COPY", "RUN", "HEALTHCHECK", "CMD", "ONBUILD", "RUN", "STOPSIGNAL"]
    );
    assert_eq!(
        file.stages[0].instructions[1],
        Instruction::Env(vec![
            ("A".into(), "1".into()),
            ("B".into(), "two words".into()),
            ("C".into(), Word::literal("$raw")),
            ("D".into(), "a b".into()),
        ]),
    );
    assert_eq!(
        file.stages[0].instructions[5],
        Instruction::Cmd(Command::Shell("[ 'single' ]".into()))
    );
    assert_eq!(parsed.stages[0].instructions[3].lines(), 11..=12);
    let Instruction::Run(run) = &file.stages[0].instructions[7] else { panic!() };
    assert_eq!(run.heredocs.len(), 2);
    assert_eq!(run.heredocs[0].content, "hello $A\r\n");
}

#[test]
fn what_an_engine_refuses_is_told_with_its_line() {
    for (text, line, part) in [
        ("", 1, "no stage"),
        ("RUN x\nFROM a", 1, "before the first FROM"),
        ("FROM a\nFOO bar", 2, "no such instruction"),
        ("FROM a b", 1, "AS"),
        ("FROM a\nCOPY x", 2, "source and a target"),
        ("FROM a\nENV A", 2, "no value"),
        ("FROM a\nENV A=1 B", 2, "`B` has no `=`"),
        ("FROM a\nENV A=\"x", 2, "never closed"),
        ("FROM a\nSHELL /bin/sh", 2, "JSON"),
        ("FROM a\nCMD [1]", 2, "strings only"),
        ("FROM a\nRUN --mount=type=secret x", 2, "target"),
        ("FROM a\nRUN --mont=x y", 2, "--mont"),
        ("FROM a\nHEALTHCHECK --interval=x CMD y", 2, "duration"),
        ("FROM a\nONBUILD FROM x", 2, "trigger"),
        ("FROM a\nRUN <<EOF\nx", 2, "never ended"),
        ("# escape=x\nFROM a", 1, "backtick"),
    ] {
        let parsed = Dockerfile::parse(text);
        let found = &parsed.diagnostics[0];
        assert!(parsed.has_errors() && *found.span.lines().start() == line, "{text}: {found}");
        assert!(found.message.contains(part), "{text}: {found}");
        let error = parsed.into_dockerfile().unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn what_no_text_can_say_is_refused() {
    for (stage, part) in [
        (Stage::scratch().env("A", "a\nb"), "line break"),
        (Stage::scratch().cmd("[\"a\"]"), "JSON"),
        (Stage::scratch().run("echo \\"), "escape character"),
        (Stage::scratch().run(Run::shell("cat <<EOF")), "heredocs"),
        (Stage::scratch().with(CopyFiles::text(Heredoc::new("a b", "x"), "/d/")), "blank"),
        (Stage::scratch().named("a b"), "name"),
        (Stage::scratch().env("A=B", "c"), "`=`"),
        (Stage::scratch().with(CopyFiles::new(Vec::<Word>::new(), "/")), "no value"),
    ] {
        let error = Dockerfile::of(stage).render().unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

/// A stack of two megabytes overflows at a thousand levels, which ends the process.
#[test]
fn deep_nesting_is_an_error_and_not_an_overflow() {
    let nested = |depth: usize| format!("{}x{}", "${a:-".repeat(depth), "}".repeat(depth));
    let file = |depth| {
        Dockerfile::parse(&format!("FROM a\nENV b={}\nRUN {}", nested(depth), nested(depth)))
    };
    assert!(!file(100).has_errors());
    let deep = file(6_000);
    assert!(deep.diagnostics.iter().any(|found| found.message.contains("more than 100 deep")));
    assert_eq!(Word::from(nested(6_000).as_str()).as_literal(), Some(nested(6_000).as_str()));
    let quoted = format!("FROM a\nENV b=\"{}\"\nRUN <<{}", nested(6_000), nested(6_000));
    assert!(Dockerfile::parse(&quoted).has_errors());
}

/// Each shift used to search all the lines that follow.
#[test]
fn thousands_of_shifts_are_read_at_once() {
    let text = format!("FROM a\n{}", "RUN echo $((1 << 4))\n".repeat(20_000));
    let parsed = Dockerfile::parse(&text);
    assert!(!parsed.has_errors());
    let line = format!("FROM a\nRUN : {}\n{}", "$((1 << 4)) ".repeat(5_000), "# x\n".repeat(5_000));
    assert!(!Dockerfile::parse(&line).has_errors());
}

#[test]
fn a_backslash_in_a_flag_stays_where_a_backtick_escapes() {
    let text = "# escape=`\nFROM a\nRUN --mount=type=cache,target=C:\\cache dir\n\
        COPY --chown=DOM\\user a b\n";
    let parsed = Dockerfile::parse(text);
    assert!(!parsed.has_errors(), "{:?}", parsed.diagnostics);
    let told = |found: &&Diagnostic| found.message.contains("before Docker 28");
    assert_eq!(parsed.diagnostics.iter().filter(told).count(), 2);
    let [Instruction::Run(run), Instruction::Copy(copy)] =
        parsed.dockerfile.stages[0].instructions.as_slice()
    else {
        panic!()
    };
    let RunMount::Cache(cache) = &run.mounts[0] else { panic!() };
    assert_eq!(cache.target.as_literal(), Some("C:\\cache"));
    assert_eq!(copy.chown.as_ref().and_then(Word::as_literal), Some("DOM\\user"));
    let written = parsed.dockerfile.render().unwrap();
    assert!(written.contains("target=C:\\cache ") && written.contains("DOM\\user"), "{written}");
    assert_eq!(Dockerfile::parse(&written).dockerfile, parsed.dockerfile);
    // With a backslash as escape it is one, in flags as elsewhere.
    let text = "FROM a\nCOPY --chown=DOM\\user a b\n";
    assert!(Dockerfile::parse(text).diagnostics.is_empty());
    let Instruction::Copy(copy) = &Dockerfile::parse(text).dockerfile.stages[0].instructions[0]
    else {
        panic!()
    };
    assert_eq!(copy.chown.as_ref().and_then(Word::as_literal), Some("DOMuser"));
}

#[test]
fn what_can_be_read_can_be_written() {
    for text in [
        "ENV X=${A/''/z}",
        "ENV X=${A//\"\"/z}",
        "ENV X=${a#'#'x}${a%%'%'}${a##'#'}",
        "RUN echo a\\\\",
        "CMD a\\\\",
        "HEALTHCHECK CMD a\\\\",
        "RUN echo a\rb",
        "ENV A=\"a\rb\"",
        "COPY [\"a\\rb\", \"c\"]",
        "EXPOSE \\ 8",
        "EXPOSE 8 \"\"",
        "ONBUILD COPY <<EOF /x\na\nEOF",
        "ONBUILD COPY <<\"E F\" /x\na\nE F",
    ] {
        let parsed = Dockerfile::parse(&format!("FROM a\n{text}\n"));
        assert!(!parsed.has_errors(), "{text:?}: {:?}", parsed.diagnostics);
        let written =
            parsed.dockerfile.render().unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(Dockerfile::parse(&written).dockerfile, parsed.dockerfile, "{written:?}");
    }
}

#[test]
fn what_could_not_be_read_keeps_its_text_when_written() {
    for text in [
        "FROM a\nCOPY <<EOF\nRUN no\nEOF\nRUN yes\n",
        "FROM a\nCOPY --nothing=1 <<A /b\none\nA\nRUN yes\n",
        "FROM a\nONBUILD COPY --no <<A /b\none\nA\nRUN yes\n",
    ] {
        let parsed = Dockerfile::parse(text);
        let written = parsed.dockerfile.render().unwrap();
        let again = Dockerfile::parse(&written).dockerfile;
        assert_eq!(again, parsed.dockerfile, "{written}");
        assert_eq!(again.stages[0].instructions.len(), 2, "{written}");
    }
}

#[test]
fn doubled_signs_count_in_quotes_and_colons_before_them_are_refused() {
    let word = |text: &str| lex::word(text, '\\').map(|word| word.expand(|_| Some("xax".into())));
    assert_eq!(word("${a#'#'*x}").unwrap().unwrap(), "");
    assert_eq!(word("${a#*x}").unwrap().unwrap(), "ax");
    assert_eq!(word("${a%%x*}${a%x}").unwrap().unwrap(), "xa");
    for text in ["${a:#x}", "${a:##x}", "${a:%x}", "${a:%%x}"] {
        assert!(word(text).is_err(), "{text}");
        assert!(Dockerfile::parse(&format!("FROM a\nENV b={text}")).has_errors(), "{text}");
    }
}
