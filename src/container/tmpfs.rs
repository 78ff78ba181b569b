//! Copies into and out of a tmpfs, or another mount in the container's own mount namespace. It
//! exists only while the container runs, and the engine's archive calls see the directory under it.
//! So commands in the container make the copies.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use tokio::io::AsyncWriteExt;

use super::copy::{Content, split_target};
use super::kept::kept;
use super::pack;
use super::{CopySource, unpack};
use crate::engine::{Client, ExecOutput, ExecRequest, ExecSession, OUTPUT_LIMIT, Way};
use crate::error::{Error, ErrorKind, Result};
use crate::tar_stream::TarStream;

/// Prints the kind of a name in a directory, and the deepest existing part of that directory.
const LOOK: &str = r#"d=$1; while [ ! -e "$d" ] && [ ! -L "$d" ]; do d=${d%/*}; [ -n "$d" ] || d=/; done
t=$1/$2; k=none
if [ -L "$t" ]; then k=link; elif [ -d "$t" ]; then k=directory; elif [ -e "$t" ]; then k=file; fi
[ -d "$d" ] || k=blocked
printf '%s %s' "$k" "$d""#;

/// Unpacks into a directory, creating it if it is missing.
const UNPACK: &str = r#"mkdir -p "$1" && exec tar -xpf - -C "$1""#;

/// Packs a path; the exit code tells the failure.
const SEND: &str = r#"[ -e "$1/$2" ] || [ -L "$1/$2" ] || exit 44; exec tar -cf - -C "$1" -- "$2""#;

/// As [`SEND`], but packs the target of links.
const SEND_FOLLOWED: &str = r#"[ -e "$1/$2" ] || exit 44; to=$(readlink -f "$1/$2") || exit
in=${to%/*}; exec tar -cf - -C "${in:-/}" -- "${to##*/}""#;

/// Prints the first bytes of a file; the exit code tells the failure.
const READ: &str = r#"[ -e "$1" ] || [ -L "$1" ] || exit 44; [ -f "$1" ] || exit 45
exec head -c "$2" "$1""#;

/// Prints `1` for each path that is a directory and no link, else `0`.
const DIRECTORIES: &str =
    r#"for d; do if [ -d "$d" ] && [ ! -L "$d" ]; then printf 1; else printf 0; fi; done"#;

/// Limit for the paths that are passed to one command.
const PATHS: usize = 256;

const NOTHING_THERE: i64 = 44;
const NO_FILE: i64 = 45;

fn as_root(script: &str, arguments: &[&str], stdin: bool) -> ExecRequest {
    let shell = ["sh", "-c", script, "sh"];
    let command = shell.iter().chain(arguments).map(|&part| part.to_owned()).collect();
    // By number, as the image may have no user database.
    ExecRequest { command, user: Some("0".to_owned()), stdin, ..ExecRequest::default() }
}

/// Adds the hint for a path in a tmpfs that can't be reached.
fn no_way_in(error: Error) -> Error {
    error.with_hint(
        "the path is in a tmpfs, or one is mounted below it: it is reached while the container runs, \
         by `sh` and `tar` in it; where there are none, mount a volume in place of the tmpfs",
    )
}

fn done(output: ExecOutput, what: &str) -> Result<ExecOutput> {
    if output.success() {
        return Ok(output);
    }
    let message = format!("failed to {what} a tmpfs of the container: {}", output.summary());
    Err(no_way_in(Error::new(ErrorKind::Io, message)))
}

async fn run(engine: &Client, id: &str, request: &ExecRequest, what: &str) -> Result<ExecOutput> {
    done(engine.exec_output(id, request).await.map_err(no_way_in)?, what)
}

/// Copies into a tmpfs of a running container.
pub(super) async fn copy_in(
    engine: &Client,
    id: &str,
    source: CopySource,
    target: &str,
) -> Result<()> {
    let (directory, name) = split_target(&source, target)?;
    if let Some(tarball) = source.tarball() {
        let request = as_root(UNPACK, &[&directory], true);
        return feed(engine, id, &request, pack::as_it_is(tarball)).await;
    }
    let looked = run(engine, id, &as_root(LOOK, &[&directory, &name], false), "look into").await?;
    let found = looked.stdout_text().into_owned();
    let (kind, base) = found.split_once(' ').unwrap_or(("none", "/"));
    let is_directory = match &source.content {
        Content::Path(path) if source.follow => path.is_dir(),
        Content::Path(path) => path.symlink_metadata().is_ok_and(|it| it.is_dir()),
        _ => false,
    };
    let refused = match kind {
        "directory" => !is_directory,
        "file" | "link" => is_directory,
        "blocked" => {
            let message =
                format!("failed to copy into the container: a file is on the way to `{target}`");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        _ => false,
    };
    if refused {
        let message = format!("failed to copy into the container: a {kind} is at `{target}`");
        let hint = "a `/` at the end of the target copies into the directory that is there";
        return Err(Error::new(ErrorKind::Conflict, message).with_hint(hint));
    }
    let below = directory.strip_prefix(base).unwrap_or_default();
    let missing: Vec<String> =
        below.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let kept = match source.tree() {
        Some(tree) if kind == "directory" => {
            kept(Way::Command, engine, id, tree, &directory, &name).await?
        }
        _ => BTreeSet::new(),
    };
    let tar = pack::pack(source, &missing, &name, kept).await?;
    let request = as_root(r#"exec tar -xpf - -C "$1""#, &[base], true);
    feed(engine, id, &request, tar).await
}

/// Returns for each of these paths whether a directory, and not a link to one, exists there.
pub(super) async fn are_directories(
    engine: &Client,
    id: &str,
    places: &[String],
) -> Result<Vec<bool>> {
    let mut there = Vec::with_capacity(places.len());
    for some in places.chunks(PATHS) {
        let arguments: Vec<_> = some.iter().map(String::as_str).collect();
        let looked = run(engine, id, &as_root(DIRECTORIES, &arguments, false), "look into").await?;
        there.extend(looked.stdout.iter().map(|said| *said == b'1'));
    }
    Ok(there)
}

/// Runs a command with a stream as its standard input.
async fn feed(engine: &Client, id: &str, request: &ExecRequest, mut tar: TarStream) -> Result<()> {
    let session = engine.exec(id, request).await.map_err(no_way_in)?;
    let ExecSession { id: command, output: mut frames, mut input } = session;
    let sending = async {
        while let Some(piece) = tar.next().await {
            let piece = piece?;
            // A command that ended early reports the reason itself.
            if input.write_all(&piece).await.is_err() {
                return Ok(());
            }
        }
        let _ = input.shutdown().await;
        Ok::<(), Error>(())
    };
    let reading = async {
        let mut output = ExecOutput::default();
        while let Some(frame) = frames.next().await {
            output.push(&frame?, OUTPUT_LIMIT)?;
        }
        Ok::<ExecOutput, Error>(output)
    };
    let (_, mut output) = futures_util::future::try_join(sending, reading).await?;
    output.exit_code = engine.exec_code(&command).await?;
    done(output, "copy into").map(drop)
}

/// Returns the content of a file in a tmpfs, of at most `limit` bytes, following links.
pub(super) async fn read_file(
    engine: &Client,
    id: &str,
    path: &str,
    limit: u64,
) -> Result<Vec<u8>> {
    // One byte more shows whether the file is longer.
    let most = limit.saturating_add(1).min(i64::MAX as u64).to_string();
    let session = engine.exec(id, &as_root(READ, &[path, &most], false)).await;
    let ExecSession { id: command, output: mut frames, .. } = session.map_err(no_way_in)?;
    let mut output = ExecOutput::default();
    while let Some(frame) = frames.next().await {
        output.push(&frame?, usize::MAX)?;
    }
    output.exit_code = engine.exec_code(&command).await?;
    match output.exit_code {
        NOTHING_THERE => return Err(nothing_at(path)),
        NO_FILE => return Err(Error::new(ErrorKind::Io, format!("`{path}` is not a file"))),
        _ => {}
    }
    let output = done(output, "read a file in")?;
    if output.stdout.len() as u64 > limit {
        let message = format!(
            "`{path}` has more than the {limit} bytes that are read into memory; copy it to a file \
             with `copy_from`, or name a limit with `read_file_up_to`"
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(output.stdout)
}

fn nothing_at(path: &str) -> Error {
    let message = format!("there is nothing at `{path}` in the container");
    Error::new(ErrorKind::NotFound, message)
}

/// Returns the archive of a path in a tmpfs, or of the target of a link there, in the form of the
/// engine's own archives.
pub(super) fn download(
    engine: &Client,
    id: &str,
    path: &str,
    follow: bool,
) -> Result<unpack::Chunks> {
    if ["/proc/", "/sys/"].iter().any(|kernels| path.starts_with(kernels)) {
        // These files report no length, and would be packed as empty.
        let message = format!("`{path}` is the kernel's, and its files can't be packed");
        let hint = "read a single one with `read_file`";
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint));
    }
    let trimmed = path.trim_end_matches('/');
    let (parent, name) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
    let parent = if parent.is_empty() { "/" } else { parent };
    let script = if follow { SEND_FOLLOWED } else { SEND };
    let request = as_root(script, &[parent, name], false);
    let (engine, id, path) = (engine.clone(), id.to_owned(), path.to_owned());
    let frames = async move {
        let session = engine.exec(&id, &request).await.map_err(no_way_in)?;
        let state = Some((session.output, session.id, ExecOutput::default()));
        Ok::<_, Error>(stream::try_unfold(state, move |state| {
            let (engine, path) = (engine.clone(), path.clone());
            async move {
                let Some((mut frames, exec, mut output)) = state else { return Ok(None) };
                while let Some(frame) = frames.next().await {
                    let frame = frame?;
                    if frame.stream == crate::engine::LogStream::Stdout {
                        return Ok(Some((frame.bytes, Some((frames, exec, output)))));
                    }
                    output.push(&frame, OUTPUT_LIMIT)?;
                }
                // Only the exit code shows whether the archive is complete.
                output.exit_code = engine.exec_code(&exec).await?;
                if output.exit_code == NOTHING_THERE {
                    return Err(nothing_at(&path));
                }
                done(output, "copy out of")?;
                Ok(None)
            }
        }))
    };
    Ok(Box::pin(stream::once(frames).flat_map(|opened: Result<_>| match opened {
        Ok(chunks) => chunks.left_stream(),
        Err(error) => stream::once(std::future::ready(Err(error))).right_stream(),
    })))
}
