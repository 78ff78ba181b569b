//! [`CopyFiles`] and [`Add`]: the instructions that put files into an image.

use super::{Heredoc, Word};

/// A source of a [`CopyFiles`] or an [`Add`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A path, in which `*`, `?` and `[..]` are wildcards; for [`Add`] also a URL.
    Path(Word),
    /// A text that follows the instruction.
    Heredoc(Heredoc),
}

/// A `COPY` instruction: from the context, or with [`from_stage`](Self::from_stage) from a stage or
/// image.
///
/// ```
/// use castoff::dockerfile::CopyFiles;
///
/// let copy = CopyFiles::new(["dist", "package.json"], "/app/")
///     .from_stage("builder")
///     .chown("1000:1000");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CopyFiles {
    /// The sources.
    pub sources: Vec<Source>,
    /// The target: a directory if it ends in a slash or there are several sources.
    pub target: Word,
    /// The stage, image or named context to copy from. Default: the build's context.
    pub from: Option<Word>,
    /// User and group, by name or number. Default: `0:0`.
    pub chown: Option<Word>,
    /// The mode (BuildKit). Default: the source's.
    pub chmod: Option<Word>,
    /// Whether the layer does not depend on those below it (Dockerfile 1.4).
    pub link: bool,
    /// Whether parent directories are kept (Dockerfile 1.20).
    pub parents: bool,
    /// Patterns of files to leave out (Dockerfile 1.19).
    pub exclude: Vec<Word>,
}

impl CopyFiles {
    /// Creates a copy of sources to a target.
    pub fn new(sources: impl IntoWords, target: impl Into<Word>) -> CopyFiles {
        CopyFiles {
            sources: sources.into_words().into_iter().map(Source::Path).collect(),
            target: target.into(),
            from: None,
            chown: None,
            chmod: None,
            link: false,
            parents: false,
            exclude: Vec::new(),
        }
    }

    /// Creates a copy of a text to a file (Dockerfile 1.4).
    pub fn text(heredoc: Heredoc, target: impl Into<Word>) -> CopyFiles {
        let mut copy = CopyFiles::new(Vec::<Word>::new(), target);
        copy.sources.push(Source::Heredoc(heredoc));
        copy
    }

    /// Sets the stage, image or named context to copy from.
    #[must_use]
    pub fn from_stage(mut self, stage: impl Into<Word>) -> CopyFiles {
        self.from = Some(stage.into());
        self
    }

    /// Sets the user and group, by name or number.
    #[must_use]
    pub fn chown(mut self, owner: impl Into<Word>) -> CopyFiles {
        self.chown = Some(owner.into());
        self
    }

    /// Sets the mode, such as `0755` (BuildKit).
    #[must_use]
    pub fn chmod(mut self, mode: impl Into<Word>) -> CopyFiles {
        self.chmod = Some(mode.into());
        self
    }

    /// Makes the layer independent of those below it (Dockerfile 1.4).
    #[must_use]
    pub fn link(mut self) -> CopyFiles {
        self.link = true;
        self
    }

    /// Keeps parent directories (Dockerfile 1.20).
    #[must_use]
    pub fn parents(mut self) -> CopyFiles {
        self.parents = true;
        self
    }

    /// Adds a pattern of files to leave out (Dockerfile 1.19).
    #[must_use]
    pub fn exclude(mut self, pattern: impl Into<Word>) -> CopyFiles {
        self.exclude.push(pattern.into());
        self
    }
}

/// An `ADD` instruction: unpacks archives of the context, and fetches URLs and git repositories.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Add {
    /// The sources.
    pub sources: Vec<Source>,
    /// The target: a directory if it ends in a slash or there are several sources.
    pub target: Word,
    /// User and group, by name or number. Default: `0:0`.
    pub chown: Option<Word>,
    /// The mode (BuildKit). Default: the source's.
    pub chmod: Option<Word>,
    /// Whether the layer does not depend on those below it (Dockerfile 1.4).
    pub link: bool,
    /// The digest that a URL's content must have (Dockerfile 1.6).
    pub checksum: Option<Word>,
    /// Whether a git repository keeps its `.git` (Dockerfile 1.1).
    pub keep_git_dir: bool,
    /// Whether archives are unpacked (Dockerfile 1.17). Default: those of the context, but not
    /// those of URLs.
    pub unpack: Option<bool>,
    /// Patterns of files to leave out (Dockerfile 1.19).
    pub exclude: Vec<Word>,
}

impl Add {
    /// Creates an instruction that adds sources to a target.
    pub fn new(sources: impl IntoWords, target: impl Into<Word>) -> Add {
        Add {
            sources: sources.into_words().into_iter().map(Source::Path).collect(),
            target: target.into(),
            chown: None,
            chmod: None,
            link: false,
            checksum: None,
            keep_git_dir: false,
            unpack: None,
            exclude: Vec::new(),
        }
    }

    /// Sets the user and group, by name or number.
    #[must_use]
    pub fn chown(mut self, owner: impl Into<Word>) -> Add {
        self.chown = Some(owner.into());
        self
    }

    /// Sets the mode, such as `0755` (BuildKit).
    #[must_use]
    pub fn chmod(mut self, mode: impl Into<Word>) -> Add {
        self.chmod = Some(mode.into());
        self
    }

    /// Makes the layer independent of those below it (Dockerfile 1.4).
    #[must_use]
    pub fn link(mut self) -> Add {
        self.link = true;
        self
    }

    /// Sets the digest that a URL's content must have, such as `sha256:..` (Dockerfile 1.6).
    #[must_use]
    pub fn checksum(mut self, digest: impl Into<Word>) -> Add {
        self.checksum = Some(digest.into());
        self
    }

    /// Keeps the `.git` of a git repository.
    #[must_use]
    pub fn keep_git_dir(mut self) -> Add {
        self.keep_git_dir = true;
        self
    }

    /// Adds a pattern of files to leave out (Dockerfile 1.19).
    #[must_use]
    pub fn exclude(mut self, pattern: impl Into<Word>) -> Add {
        self.exclude.push(pattern.into());
        self
    }
}

/// One or several [`Word`]s: a string, or an array or `Vec` of strings.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a word nor a list of words",
    label = "expected a string, or an array or `Vec` of strings"
)]
pub trait IntoWords: sealed::Sealed {
    /// Converts it into words.
    fn into_words(self) -> Vec<Word>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! single {
    ($($of:ty),*) => { $(
        impl sealed::Sealed for $of {}
        impl IntoWords for $of {
            fn into_words(self) -> Vec<Word> {
                vec![self.into()]
            }
        }
    )* };
}
single!(&str, String, &String, Word);

impl<W: Into<Word>, const N: usize> sealed::Sealed for [W; N] {}
impl<W: Into<Word>, const N: usize> IntoWords for [W; N] {
    fn into_words(self) -> Vec<Word> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<W: Into<Word>> sealed::Sealed for Vec<W> {}
impl<W: Into<Word>> IntoWords for Vec<W> {
    fn into_words(self) -> Vec<Word> {
        self.into_iter().map(Into::into).collect()
    }
}
