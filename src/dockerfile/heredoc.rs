//! [`Heredoc`]: text that follows an instruction.

/// A text that follows a `RUN`, `COPY` or `ADD` (Dockerfile 1.4: "Here-documents").
///
/// Needs an engine of API 1.42 or newer (Docker 23) with BuildKit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Heredoc {
    /// The word that begins and ends it; for a `COPY` also the file's name, where the destination
    /// is a directory.
    pub name: String,
    /// The text, each line with its end.
    pub content: String,
    /// Whether variables in it are replaced, which a quoted name prevents. Default: yes.
    pub expand: bool,
    /// Whether tabs at the beginning of its lines go (`<<-`). Default: no.
    pub strip_tabs: bool,
}

impl Heredoc {
    /// A text in which variables are replaced. Its last line gets an end if it has none. A name that
    /// is also a line of the text gets underscores until it is none.
    pub fn new(name: impl Into<String>, content: impl Into<String>) -> Heredoc {
        let (mut name, mut content) = (name.into(), content.into());
        if !content.is_empty() && !content.ends_with('\n') {
            content.push('\n');
        }
        while content.lines().any(|line| line == name) {
            name.push('_');
        }
        Heredoc { name, content, expand: true, strip_tabs: false }
    }

    /// Nothing in it is replaced.
    #[must_use]
    pub fn literal(mut self) -> Heredoc {
        self.expand = false;
        self
    }

    /// The word that stands for it in its instruction.
    pub(super) fn word(&self) -> String {
        let dash = if self.strip_tabs { "-" } else { "" };
        let quote = if self.expand { "" } else { "'" };
        format!("<<{dash}{quote}{}{quote}", self.name)
    }

    /// Whether it can be written, and read again as it is.
    pub(super) fn is_writable(&self) -> bool {
        let name = &self.name;
        let plain =
            |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.' | '/');
        let ends = |line: &str| {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let line = if self.strip_tabs { line.trim_start_matches('\t') } else { line };
            line == name
        };
        !name.is_empty()
            && name.chars().all(plain)
            && (self.content.is_empty() || self.content.ends_with('\n'))
            && !self.content.split_terminator('\n').any(ends)
    }

    /// What the engine makes of it: the content, without tabs where they go.
    #[must_use]
    pub fn text(&self) -> String {
        if !self.strip_tabs {
            return self.content.clone();
        }
        self.content.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
    }
}
