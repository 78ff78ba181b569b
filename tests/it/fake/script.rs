//! The scripts of a test for the fake engine: rules for requests, gates, pulls and execs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::gate::Gate;
use super::http::Request;
use super::state::{Shared, Stream};

type Predicate = Arc<dyn Fn(&Request) -> bool + Send + Sync>;
type Responder = Arc<dyn Fn(&Request) -> (u16, Value) + Send + Sync>;

/// The action in place of, or around, the engine's own answer.
#[derive(Clone, Default)]
pub(super) enum Action {
    #[default]
    Pass,
    With(Responder),
    Lines(Vec<Value>),
    Raw(Vec<u8>),
    Cut,
    CutAfter(usize),
    Hang,
}

/// The plan of a matching rule.
#[derive(Clone, Default)]
pub(super) struct Plan {
    pub(super) delay: Option<Duration>,
    pub(super) gate: Option<Gate>,
    pub(super) gate_answer: Option<Gate>,
    pub(super) effect: bool,
    pub(super) action: Action,
}

pub(super) struct Rule {
    method: String,
    path: String,
    when: Option<Predicate>,
    skip: usize,
    times: Option<usize>,
    plan: Plan,
}

impl Rule {
    /// Counts a match and returns the plan when it is this rule's turn.
    pub(super) fn take(&mut self, request: &Request) -> Option<Plan> {
        let fits = (self.method == "*" || self.method == request.method)
            && glob(&self.path, &request.path)
            && self.when.as_ref().is_none_or(|when| when(request));
        if !fits || self.times == Some(0) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.times = self.times.map(|n| n - 1);
        Some(self.plan.clone())
    }
}

/// A rule under construction. It takes effect when this value is dropped, at the statement's end.
///
/// Rules are tried in the order of their creation; the first that matches and has turns left
/// decides alone. Without an action the engine gives its normal answer.
pub(crate) struct On<'a> {
    shared: &'a Shared,
    rule: Option<Rule>,
}

impl<'a> On<'a> {
    pub(super) fn new(shared: &'a Shared, method: &str, path: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        let plan = Plan::default();
        Self { shared, rule: Some(Rule { method, path, when: None, skip: 0, times: None, plan }) }
    }

    fn edit(mut self, edit: impl FnOnce(&mut Rule)) -> Self {
        self.rule.as_mut().map(edit);
        self
    }

    fn action(self, action: Action) -> Self {
        self.edit(|rule| rule.plan.action = action)
    }

    /// Restricts the rule to requests for which this holds, too.
    pub(crate) fn when(self, test: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.edit(|rule| {
            let before = rule.when.take();
            rule.when = Some(Arc::new(move |request| {
                before.as_ref().is_none_or(|before| before(request)) && test(request)
            }));
        })
    }

    /// Restricts the rule to requests with this query parameter.
    pub(crate) fn query(self, key: &str, value: &str) -> Self {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.when(move |request| request.get(&key) == value)
    }

    /// Restricts the rule to `n` requests.
    pub(crate) fn times(self, n: usize) -> Self {
        self.edit(|rule| rule.times = Some(n))
    }

    /// Skips the first `n` matching requests.
    pub(crate) fn skip(self, n: usize) -> Self {
        self.edit(|rule| rule.skip = n)
    }

    /// Makes the engine handle the request, and then gives (or withholds) the scripted answer.
    pub(crate) fn with_effect(self) -> Self {
        self.edit(|rule| rule.plan.effect = true)
    }

    /// Answers with this JSON, without effect.
    pub(crate) fn respond(self, status: u16, body: Value) -> Self {
        self.respond_with(move |_| (status, body.clone()))
    }

    /// Answers `{"message": …}`, without effect.
    pub(crate) fn fail(self, status: u16, message: &str) -> Self {
        self.respond(status, json!({ "message": message }))
    }

    /// Answers with the closure's result for the request.
    pub(crate) fn respond_with(
        self,
        respond: impl Fn(&Request) -> (u16, Value) + Send + Sync + 'static,
    ) -> Self {
        self.action(Action::With(Arc::new(respond)))
    }

    /// Answers 200 with a stream of JSON lines.
    pub(crate) fn lines(self, lines: impl IntoIterator<Item = Value>) -> Self {
        self.action(Action::Lines(lines.into_iter().collect()))
    }

    /// Writes these bytes, including the status line, and closes.
    pub(crate) fn raw(self, bytes: impl AsRef<[u8]>) -> Self {
        self.action(Action::Raw(bytes.as_ref().to_vec()))
    }

    /// Waits this long before anything else.
    pub(crate) fn delay(self, delay: Duration) -> Self {
        self.edit(|rule| rule.plan.delay = Some(delay))
    }

    /// Closes the connection without an answer.
    pub(crate) fn cut(self) -> Self {
        self.action(Action::Cut)
    }

    /// Handles the request, and closes after this many bytes of the answer, including headers.
    pub(crate) fn cut_after(self, bytes: usize) -> Self {
        self.action(Action::CutAfter(bytes))
    }

    /// Leaves matching requests without an answer.
    pub(crate) fn hang(self) -> Self {
        self.action(Action::Hang)
    }

    /// Holds matching requests *before* their effect, which happens on release, with or without the
    /// client.
    pub(crate) fn gate(self) -> Gate {
        let gate = Gate::new();
        let held = gate.clone();
        drop(self.edit(|rule| rule.plan.gate = Some(held)));
        gate
    }

    /// Holds the *answer* of matching requests: their effect happens as they arrive.
    pub(crate) fn gate_answer(self) -> Gate {
        let gate = Gate::new();
        let held = gate.clone();
        drop(self.edit(|rule| rule.plan.gate_answer = Some(held)));
        gate
    }
}

impl Drop for On<'_> {
    fn drop(&mut self) {
        if let Some(rule) = self.rule.take() {
            self.shared.update(|state| state.rules.push(rule));
        }
    }
}

impl fmt::Debug for On<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On").finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
pub(super) enum PullOutcome {
    Ok,
    Error(String),
    Status(u16, String),
    Hang,
}

/// The outcomes of pulls of one image.
#[derive(Clone, Debug)]
pub(crate) struct PullScript {
    outcomes: Vec<(PullOutcome, usize)>,
    pub(super) layers: usize,
    pub(super) config: Value,
}

impl PullScript {
    fn new(outcome: PullOutcome) -> Self {
        Self { outcomes: vec![(outcome, usize::MAX)], layers: 2, config: json!({}) }
    }

    /// Streams its progress and adds the image.
    pub(crate) fn ok() -> Self {
        Self::new(PullOutcome::Ok)
    }

    /// Answers 200 and fails inside the stream.
    pub(crate) fn error(message: &str) -> Self {
        Self::new(PullOutcome::Error(message.into()))
    }

    /// Answers with an HTTP error.
    pub(crate) fn status(status: u16, message: &str) -> Self {
        Self::new(PullOutcome::Status(status, message.into()))
    }

    /// Streams a first line, and nothing more.
    pub(crate) fn hang() -> Self {
        Self::new(PullOutcome::Hang)
    }

    /// Restricts the outcome to the next `n` pulls; then that of `then` follows, or success.
    pub(crate) fn times(mut self, n: usize) -> Self {
        if let Some(last) = self.outcomes.last_mut() {
            last.1 = n;
        }
        self
    }

    pub(crate) fn then(mut self, next: PullScript) -> Self {
        self.outcomes.extend(next.outcomes);
        self
    }

    pub(crate) fn layers(mut self, layers: usize) -> Self {
        self.layers = layers;
        self
    }

    /// Sets the `Config` of the pulled image.
    pub(crate) fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    pub(super) fn next(&mut self) -> PullOutcome {
        let Some((outcome, left)) = self.outcomes.iter_mut().find(|(_, left)| *left > 0) else {
            return PullOutcome::Ok;
        };
        *left -= 1;
        outcome.clone()
    }
}

/// The output of a command run by exec, and its end.
#[derive(Clone, Debug)]
pub(crate) struct ExecScript {
    pub(super) output: Vec<(Stream, Vec<u8>)>,
    pub(super) code: i64,
    pub(super) hang: bool,
    pub(super) echo: bool,
    pub(super) lingers: usize,
    pub(super) times: usize,
}

impl ExecScript {
    /// Creates a script that ends with this code.
    pub(crate) fn exit(code: i64) -> Self {
        let (output, times) = (Vec::new(), usize::MAX);
        Self { output, code, hang: false, echo: false, lingers: 0, times }
    }

    /// Creates a script that prints this and succeeds.
    pub(crate) fn ok(stdout: impl AsRef<[u8]>) -> Self {
        Self::exit(0).stdout(stdout)
    }

    /// Creates a script that copies its stdin to stdout, until its end.
    pub(crate) fn echo() -> Self {
        Self { echo: true, ..Self::exit(0) }
    }

    pub(crate) fn stdout(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.output.push((Stream::Stdout, bytes.as_ref().to_vec()));
        self
    }

    pub(crate) fn stderr(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.output.push((Stream::Stderr, bytes.as_ref().to_vec()));
        self
    }

    /// Makes it run until its container exits.
    pub(crate) fn hang(mut self) -> Self {
        self.hang = true;
        self
    }

    /// Makes the first `n` inspects after the end of its output report that it still runs.
    pub(crate) fn lingers(mut self, n: usize) -> Self {
        self.lingers = n;
        self
    }

    /// Restricts it to `n` execs; then the next matching script follows.
    pub(crate) fn times(mut self, n: usize) -> Self {
        self.times = n;
        self
    }
}

/// Returns whether `text` matches a pattern in which `*` stands for any characters.
pub(super) fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or("");
    for part in parts {
        let Some(at) = text.find(part) else { return false };
        text = &text[at + part.len()..];
    }
    text.ends_with(last)
}
