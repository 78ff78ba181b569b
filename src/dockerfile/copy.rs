//! [`CopyFiles`] and [`Add`]: what comes into an image.

use super::{Heredoc, Word};

/// What a [`CopyFiles`] or [`Add`] takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// A path, in which `*`, `?` and `[..]` are wildcards; for [`Add`] also a URL.
    Path(Word),
    /// A text that follows the instruction.
    Heredoc(Heredoc),
}

/// A `COPY` instruction: from the context, or with [`from_stage`](Self::from_stage) from a stage or image.
///
/// ```
/// use castoff::dockerfile::CopyFiles;
///
/// let copy = CopyFiles::new(["dist", "package.json"], "/app/").from_stage("builder").chown("1000:1000");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CopyFiles {
    /// What is copied.
    pub sources: Vec<Source>,
    /// Where to: a directory if it ends in a slash or there are several sources.
    pub target: Word,
    /// The stage, image or named context. Default: the build's context.
    pub from: Option<Word>,
    /// User and group, by name or number. Default: `0:0`.
    pub chown: Option<Word>,
    /// The mode (BuildKit). Default: the source's.
    pub chmod: Option<Word>,
    /// Whether the layer does not depend on those below it (Dockerfile 1.4).
    pub link: bool,
    /// Whether parent directories are kept (Dockerfile 1.20).
    pub parents: bool,
    /// What is left out (Dockerfile 1.19).
    pub exclude: Vec<Word>,
}

impl CopyFiles {
    /// Copies sources to a target.
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

    /// Makes a file of a text (Dockerfile 1.4).
    pub fn text(heredoc: Heredoc, target: impl Into<Word>) -> CopyFiles {
        let mut copy = CopyFiles::new(Vec::<Word>::new(), target);
        copy.sources.push(Source::Heredoc(heredoc));
        copy
    }

    /// The stage, image or named context to copy from.
    #[must_use]
    pub fn from_stage(mut self, stage: impl Into<Word>) -> CopyFiles {
        self.from = Some(stage.into());
        self
    }

    /// User and group, by name or number.
    #[must_use]
    pub fn chown(mut self, owner: impl Into<Word>) -> CopyFiles {
        self.chown = Some(owner.into());
        self
    }

    /// The mode, such as `0755` (BuildKit).
    #[must_use]
    pub fn chmod(mut self, mode: impl Into<Word>) -> CopyFiles {
        self.chmod = Some(mode.into());
        self
    }

    /// The layer does not depend on those below it (Dockerfile 1.4).
    #[must_use]
    pub fn link(mut self) -> CopyFiles {
        self.link = true;
        self
    }

    /// Parent directories are kept (Dockerfile 1.20).
    #[must_use]
    pub fn parents(mut self) -> CopyFiles {
        self.parents = true;
        self
    }

    /// Something to leave out (Dockerfile 1.19).
    #[must_use]
    pub fn exclude(mut self, pattern: impl Into<Word>) -> CopyFiles {
        self.exclude.push(pattern.into());
        self
    }
}

/// An `ADD` instruction: archives of the context are unpacked, URLs and git repositories fetched.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Add {
    /// What is added.
    pub sources: Vec<Source>,
    /// Where to: a directory if it ends in a slash or there are several sources.
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
    /// Whether archives are unpacked (Dockerfile 1.17). Default: those of the context are, those of
    /// URLs are not.
    pub unpack: Option<bool>,
    /// What is left out (Dockerfile 1.19).
    pub exclude: Vec<Word>,
}

impl Add {
    /// Adds sources to a target.
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

    /// User and group, by name or number.
    #[must_use]
    pub fn chown(mut self, owner: impl Into<Word>) -> Add {
        self.chown = Some(owner.into());
        self
    }

    /// The mode, such as `0755` (BuildKit).
    #[must_use]
    pub fn chmod(mut self, mode: impl Into<Word>) -> Add {
        self.chmod = Some(mode.into());
        self
    }

    /// The layer does not depend on those below it (Dockerfile 1.4).
    #[must_use]
    pub fn link(mut self) -> Add {
        self.link = true;
        self
    }

    /// The digest that a URL's content must have, such as `sha256:..` (Dockerfile 1.6).
    #[must_use]
    pub fn checksum(mut self, digest: impl Into<Word>) -> Add {
        self.checksum = Some(digest.into());
        self
    }

    /// A git repository keeps its `.git`.
    #[must_use]
    pub fn keep_git_dir(mut self) -> Add {
        self.keep_git_dir = true;
        self
    }

    /// Something to leave out (Dockerfile 1.19).
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
    /// The words.
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
