//! Values that BuildKit refuses when it reaches an instruction, because they don't exist.
//!
//! Only values without variables can be checked.

use super::{Instruction, RunMount, Source, Word};

pub(super) fn problems(instruction: &Instruction) -> Vec<String> {
    let literal = |word: &Option<Word>| word.as_ref().and_then(Word::as_literal).map(str::to_owned);
    match instruction {
        Instruction::Expose(ports) => {
            ports.iter().filter_map(Word::as_literal).filter_map(port).collect()
        }
        Instruction::StopSignal(word) => word.as_literal().and_then(signal).into_iter().collect(),
        Instruction::Copy(copy) => {
            literal(&copy.chmod).and_then(|mode| chmod(&mode)).into_iter().collect()
        }
        Instruction::Add(add) => {
            let mode = literal(&add.chmod).and_then(|mode| chmod(&mode));
            let digest = literal(&add.checksum).and_then(|digest| checksum(&digest, &add.sources));
            mode.into_iter().chain(digest).collect()
        }
        Instruction::Run(run) => run.mounts.iter().filter_map(mount).collect(),
        _ => Vec::new(),
    }
}

/// Checks a port: `80`, `53/udp`, `8000-8010`, optionally after an address and a port of the host.
fn port(text: &str) -> Option<String> {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let known = ["tcp", "udp", "sctp"].iter().any(|known| known.eq_ignore_ascii_case(protocol));
    let mut parts = numbers.rsplit(':');
    let container = parts.next().unwrap_or_default();
    let host = parts.next().filter(|host| !host.is_empty());
    // An empty port is ignored.
    if text.is_empty() || (known && range(container) && host.is_none_or(range)) {
        return None;
    }
    Some(format!("`{text}` is no port: they go up to 65535, as in `80`, `53/udp` or `8000-8010`"))
}

fn range(text: &str) -> bool {
    let port = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { text.parse::<u16>().ok() } else { None }
    };
    match text.split_once('-') {
        Some((first, last)) => {
            port(first).zip(port(last)).is_some_and(|(first, last)| first <= last)
        }
        None => port(text).is_some(),
    }
}

/// The signals of Linux, without `SIG`.
const SIGNALS: &str = "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR \
    QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN \
    RTMAX";

fn signal(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let beyond = |sign: &str, most: u32| {
        let number = name.strip_prefix(sign).filter(|rest| !rest.starts_with(['0', '+']));
        number.and_then(|rest| rest.parse().ok()).is_some_and(|number| (1..=most).contains(&number))
    };
    let known = match text.parse::<i64>() {
        Ok(number) => number != 0,
        Err(_) => {
            SIGNALS.split_whitespace().any(|known| known == name)
                || beyond("RTMIN+", 15)
                || beyond("RTMAX-", 14)
        }
    };
    if known { None } else { Some(format!("`{text}` is no signal, such as SIGINT or 9")) }
}

/// Checks a mode: octal digits, or as in `u=rwX,go=rX` (Dockerfile 1.14).
fn chmod(text: &str) -> Option<String> {
    let octal = u32::from_str_radix(text, 8).is_ok_and(|mode| mode <= 0o7777);
    let clause = |clause: &str| {
        let rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
        let permissions = |char: char| "+-=rwxXstugo".contains(char);
        rest.starts_with(['+', '-', '=']) && rest.chars().all(permissions)
    };
    if octal || text.is_empty() || text.split(',').all(clause) {
        return None;
    }
    Some(format!("--chmod={text}: a mode is octal, up to 7777, or like `u=rwX,go=rX`"))
}

/// Checks a checksum: the digest of a URL's content, or a git repository's commit.
fn checksum(text: &str, sources: &[Source]) -> Option<String> {
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let digest = match text.split_once(':') {
        Some(("sha256", digits)) => digits.len() == 64 && hex(digits),
        Some(("sha384", digits)) => digits.len() == 96 && hex(digits),
        Some(("sha512", digits)) => digits.len() == 128 && hex(digits),
        Some(_) => false,
        None => text.is_empty() || (hex(text) && sources.iter().any(may_be_git)),
    };
    let expected = "a checksum is `sha256:` and 64 digits of lower-case hex";
    if digest { None } else { Some(format!("--checksum={text}: {expected}")) }
}

fn may_be_git(source: &Source) -> bool {
    let Source::Path(word) = source else { return false };
    let git = |text: &str| {
        let web = text.starts_with("http://") || text.starts_with("https://");
        !web || text.contains(".git") || text.contains('#')
    };
    word.as_literal().is_none_or(git)
}

fn mount(mount: &RunMount) -> Option<String> {
    let target = match mount {
        RunMount::Bind(mount) => &mount.target,
        RunMount::Cache(mount) => &mount.target,
        RunMount::Tmpfs(mount) => &mount.target,
        _ => return None,
    };
    let root = target.as_literal() == Some("/");
    root.then(|| "a mount's target can't be `/`".to_owned())
}
