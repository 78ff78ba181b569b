//! Tar streams, generated while they are sent.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_util::{StreamExt, stream};
use tar::{Builder, EntryType, Header};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::CopySource;
use super::copy::Content;
use super::tarball::Tarball;
use super::without_target::WithoutTarget;
use crate::error::Result;
use crate::exactly::Exactly;
use crate::tar_stream::{PIECE, Pipe, TarStream, written};

/// The properties of each packed file besides its content.
struct Marks {
    mode: Option<u32>,
    owner: (u64, u64),
    /// Whether files keep their mtime; else it is 0.
    times: bool,
    /// Whether the targets of links are packed in their place.
    follow: bool,
    /// Directories without an entry of their own; their contents are packed.
    kept: BTreeSet<String>,
}

impl Marks {
    fn look(&self, at: &Path) -> io::Result<std::fs::Metadata> {
        if self.follow { std::fs::metadata(at) } else { std::fs::symlink_metadata(at) }
    }
}

/// Packs a source without mtimes, so that equal content gives equal archives.
pub(super) async fn pack_timeless(source: CopySource) -> Result<TarStream> {
    pack_with(source, &[], "shared", false, BTreeSet::new()).await
}

/// Packs a source under `name`, below the new directories `dirs`. Its own directories in `kept`
/// exist already and get no entry.
pub(super) async fn pack(
    source: CopySource,
    dirs: &[String],
    name: &str,
    kept: BTreeSet<String>,
) -> Result<TarStream> {
    pack_with(source, dirs, name, true, kept).await
}

async fn pack_with(
    source: CopySource,
    dirs: &[String],
    name: &str,
    times: bool,
    kept: BTreeSet<String>,
) -> Result<TarStream> {
    let CopySource { content, mode, owner, follow, identity: _ } = source;
    let mut head = Builder::new(Vec::new());
    let mut path = String::new();
    for dir in dirs {
        path.push_str(dir);
        path.push('/');
        let mut header = header(EntryType::Directory, 0o755, owner, 0);
        head.append_data(&mut header, &path, io::empty())?;
    }
    path.push_str(name);
    match content {
        Content::Bytes(bytes) => {
            let mut header =
                header(EntryType::Regular, mode.unwrap_or(0o644), owner, bytes.len() as u64);
            head.append_data(&mut header, &path, bytes.as_ref())?;
            let tar = Bytes::from(head.into_inner()?);
            Ok(Box::pin(stream::once(std::future::ready(Ok(tar)))))
        }
        Content::Reader { reader, length } => {
            let mut header = header(EntryType::Regular, mode.unwrap_or(0o644), owner, length);
            // Only the header: the content follows from the reader.
            head.append_data(&mut header, &path, io::empty())?;
            let head = Bytes::from(std::mem::take(head.get_mut()));
            let reader = reader.into_inner().unwrap_or_else(PoisonError::into_inner);
            Ok(Box::pin(stream::once(std::future::ready(Ok(head))).chain(body(reader, length))))
        }
        Content::Tar(tarball) => Ok(as_it_is(tarball)),
        Content::Path(from) => {
            let head = std::mem::take(head.get_mut());
            let marks = Marks { mode, owner, times, follow, kept };
            Ok(pack_path(from.as_path(), head, path, marks).await?)
        }
    }
}

/// Packs directories, each nested in the one before.
pub(super) fn directories(names: &[String]) -> Result<TarStream> {
    let mut tar = Builder::new(Vec::new());
    let mut path = String::new();
    for name in names {
        path.push_str(name);
        path.push('/');
        let mut header = header(EntryType::Directory, 0o755, (0, 0), 0);
        tar.append_data(&mut header, &path, io::empty())?;
    }
    let tar = Bytes::from(tar.into_inner()?);
    Ok(Box::pin(stream::once(std::future::ready(Ok(tar)))))
}

/// Sends an archive unchanged, except for its entry of the target itself.
pub(super) fn as_it_is(tarball: Tarball) -> TarStream {
    written(&[], move |pipe| {
        let (bytes, length) = tarball.open()?;
        let bytes = BufReader::with_capacity(PIECE, Exactly::new(bytes, length, tarball.name()));
        io::copy(&mut WithoutTarget::new(bytes), pipe).map(drop)
    })
}

fn header(kind: EntryType, mode: u32, owner: (u64, u64), size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner.0);
    header.set_gid(owner.1);
    header.set_size(size);
    header.set_mtime(seconds(SystemTime::now()));
    header
}

/// Returns the time since 1970 in whole seconds; 0 for earlier times, as in Docker.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

/// Returns the content of a reader, the padding to a whole block, and the archive's end.
fn body(
    reader: Pin<Box<dyn AsyncRead + Send>>,
    length: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let end =
        Bytes::from(vec![0; length.next_multiple_of(512).wrapping_sub(length) as usize + 1024]);
    let content = stream::try_unfold((reader, length), |(mut reader, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut piece = BytesMut::with_capacity(left.min(PIECE as u64) as usize);
        let read = (&mut reader).take(left).read_buf(&mut piece).await?;
        if read == 0 {
            let message = format!("the reader ended {left} bytes before its given length");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        Ok(Some((piece.freeze(), (reader, left - read as u64))))
    });
    content.chain(stream::once(std::future::ready(Ok(end))))
}

/// Packs a path, reading it on a thread for blocking work.
async fn pack_path(
    from: &Path,
    head: Vec<u8>,
    path: String,
    marks: Marks,
) -> io::Result<TarStream> {
    // Fails before anything is sent, naming the missing path.
    let looked = match marks.follow {
        true => tokio::fs::metadata(from).await,
        false => tokio::fs::symlink_metadata(from).await,
    };
    looked.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", from.display())))?;
    let from = from.to_owned();
    Ok(written(&head, move |pipe| walk(pipe, &from, &path, &marks)))
}

fn walk(pipe: &mut Pipe, from: &Path, path: &str, marks: &Marks) -> io::Result<()> {
    let mut tar = Builder::new(pipe);
    append(&mut tar, from, path, marks, &mut Vec::new())?;
    tar.finish()
}

/// Appends a file, a link, or a directory with its contents, sorted by name. `around` are the
/// directories that contain it, if links are followed.
fn append(
    tar: &mut Builder<&mut Pipe>,
    from: &Path,
    path: &str,
    marks: &Marks,
    around: &mut Vec<PathBuf>,
) -> io::Result<()> {
    let Marks { mode, owner, times, follow, .. } = *marks;
    let told =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
    let metadata = marks.look(from).map_err(told)?;
    let kind = metadata.file_type();
    let modified = match times {
        true => seconds(metadata.modified().unwrap_or(SystemTime::now())),
        false => 0,
    };
    if kind.is_symlink() {
        let mut header = header(EntryType::Symlink, 0o777, owner, 0);
        header.set_mtime(modified);
        return tar.append_link(&mut header, path, std::fs::read_link(from).map_err(told)?);
    }
    if kind.is_dir() {
        if follow {
            let real = std::fs::canonicalize(from).map_err(told)?;
            if around.contains(&real) {
                let why = "a link that leads to a directory that it is in can't be followed";
                return Err(told(io::Error::new(io::ErrorKind::InvalidInput, why)));
            }
            around.push(real);
        }
        if !marks.kept.contains(path) {
            let mut header = header(EntryType::Directory, mode_of(&metadata), owner, 0);
            header.set_mtime(modified);
            tar.append_data(&mut header, format!("{path}/"), io::empty())?;
        }
        let entries: io::Result<Vec<_>> = std::fs::read_dir(from).map_err(told)?.collect();
        let mut entries = entries.map_err(told)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| {
                told(io::Error::new(io::ErrorKind::InvalidData, "a name in it is no UTF-8"))
            })?;
            append(tar, &entry.path(), &format!("{path}/{name}"), marks, around)?;
        }
        around.pop();
        return Ok(());
    }
    if !kind.is_file() {
        return Err(told(io::Error::new(
            io::ErrorKind::Unsupported,
            "neither a file, nor a directory, nor a link",
        )));
    }
    let file = File::open(from).map_err(told)?;
    let size = file.metadata().map_err(told)?.len();
    let mut header = header(EntryType::Regular, mode.unwrap_or(mode_of(&metadata)), owner, size);
    header.set_mtime(modified);
    let content = BufReader::with_capacity(PIECE, file);
    tar.append_data(&mut header, path, Exactly::new(content, size, from.display().to_string()))
}

#[cfg(unix)]
fn mode_of(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o7777
}

#[cfg(not(unix))]
fn mode_of(metadata: &std::fs::Metadata) -> u32 {
    if metadata.is_dir() { 0o755 } else { 0o644 }
}
