//! Contexts: BuildKit compares its copy with the current files, and requests those that differ.
//!
//! The protocol is `moby.filesync.v1.FileSync/DiffCopy` of fsutil: this side sends the state of
//! every file in order, and the other side requests contents by number. Empty data ends a file, and
//! two `FIN`s end the transfer.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSync;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::super::{CAPABILITY, Content, Tree, TreeEntry};
use super::follow;
use super::session::Never;

/// The size of the pieces of a file, and of the batches of pieces that threads exchange: a packet
/// at a time would cost more than reading a small file.
const PIECE: usize = 128 * 1024;
const BATCH: usize = 256 * 1024;
/// Limit for the batches in flight.
const UNDER_WAY: usize = 4;
/// The size that a packet counts for in addition to its data.
const PACKET: usize = 128;

/// The trees that BuildKit may ask for, by name.
pub(super) struct Trees(pub(super) BTreeMap<String, Arc<Tree>>);

#[tonic::async_trait]
impl FileSync for Trees {
    type DiffCopyStream = Pin<Box<dyn Stream<Item = Result<Packet, Status>> + Send>>;

    async fn diff_copy(
        &self,
        request: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::DiffCopyStream>, Status> {
        let name = request.metadata().get("dir-name").and_then(|name| name.to_str().ok());
        let tree = self.0.get(name.unwrap_or_default()).cloned();
        let tree = tree.ok_or_else(|| {
            Status::not_found(format!("the build has no context `{}`", name.unwrap_or_default()))
        })?;
        let paths = follow::paths(request.metadata());
        let (wanted, queue) = std::sync::mpsc::channel();
        let (packets, sent) = mpsc::channel(UNDER_WAY);
        tokio::task::spawn_blocking(move || {
            let numbers = paths.and_then(|paths| follow::wanted(&tree, &paths));
            let numbers = numbers.unwrap_or_else(|| (0..tree.entries().len()).collect());
            serve(&told(&tree, &numbers), &queue, packets);
        });
        tokio::spawn(listen(request.into_inner(), wanted));
        let batches = stream::unfold(sent, |mut sent: mpsc::Receiver<Vec<_>>| async move {
            Some((stream::iter(sent.recv().await?), sent))
        });
        Ok(Response::new(Box::pin(batches.flatten())))
    }

    type TarStreamStream = Never<Packet>;

    async fn tar_stream(
        &self,
        _: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("tar_stream"))
    }
}

/// Forwards the requests of the other side; its end, for whatever reason, ends the serving thread.
async fn listen(mut incoming: Streaming<Packet>, wanted: std::sync::mpsc::Sender<Option<u32>>) {
    while let Ok(Some(packet)) = incoming.message().await {
        let request = match packet.r#type() {
            PacketType::PacketReq => Some(packet.id),
            PacketType::PacketFin => None,
            PacketType::PacketErr => {
                let reason = String::from_utf8_lossy(&packet.data).into_owned();
                tracing::debug!(reason, "the builder does not take the context");
                return;
            }
            _ => continue,
        };
        if wanted.send(request).is_err() {
            return;
        }
    }
}

/// Packets for the other side, handed over in batches. Methods return whether the receiver still
/// exists.
struct Packets {
    sender: mpsc::Sender<Vec<Result<Packet, Status>>>,
    batch: Vec<Result<Packet, Status>>,
    bytes: usize,
}

impl Packets {
    fn push(&mut self, packet: Packet) -> bool {
        self.bytes += PACKET + packet.data.len();
        self.batch.push(Ok(packet));
        self.bytes < BATCH || self.flush()
    }

    fn fail(&mut self, error: Status) {
        self.batch.push(Err(error));
        self.flush();
    }

    fn flush(&mut self) -> bool {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        batch.is_empty() || self.sender.blocking_send(batch).is_ok()
    }
}

/// A file as it is announced: a later name of a file is a link to its first one.
struct Told<'a> {
    entry: &'a TreeEntry,
    link: Option<&'a str>,
}

/// Returns the entries to announce. The first announced name of a file stands for its content.
fn told<'a>(tree: &'a Tree, numbers: &[usize]) -> Vec<Told<'a>> {
    let mut first: HashMap<usize, &str> = HashMap::new();
    let told = |number: &usize| {
        let entry = &tree.entries()[*number];
        let file = tree.link(*number).unwrap_or(*number);
        let link = first.get(&file).copied();
        if link.is_none() && entry.is_file() {
            first.insert(file, &entry.path);
        }
        Told { entry, link }
    };
    numbers.iter().map(told).collect()
}

/// Serves the requests for files, on a thread for blocking work.
fn serve(
    entries: &[Told<'_>],
    queue: &std::sync::mpsc::Receiver<Option<u32>>,
    sender: mpsc::Sender<Vec<Result<Packet, Status>>>,
) {
    let mut packets = Packets { sender, batch: Vec::new(), bytes: 0 };
    let told = entries.iter().all(|entry| packets.push(stat(Some(entry))));
    if !told || !packets.push(stat(None)) || !packets.flush() {
        return;
    }
    let mut buffer = vec![0; PIECE];
    loop {
        // Packets wait for a full batch only while there are more requests.
        let request = match queue.try_recv() {
            Ok(request) => request,
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
            Err(std::sync::mpsc::TryRecvError::Empty) if !packets.flush() => return,
            Err(std::sync::mpsc::TryRecvError::Empty) => match queue.recv() {
                Ok(request) => request,
                Err(_) => return,
            },
        };
        let served = match request {
            None => {
                packets.push(packet(PacketType::PacketFin, 0, Vec::new()));
                packets.flush();
                return;
            }
            Some(id) => entries
                .get(id as usize)
                .is_none_or(|told| file(told.entry, id, &mut buffer, &mut packets)),
        };
        if !served {
            return;
        }
    }
}

/// Sends a file's content. Returns whether the receiver still exists.
fn file(entry: &TreeEntry, id: u32, buffer: &mut [u8], packets: &mut Packets) -> bool {
    let mut content = match entry.open() {
        Ok(content) => content,
        Err(error) => {
            packets.fail(Status::unknown(format!("{}: {error}", entry.path)));
            return false;
        }
    };
    loop {
        match content.read(buffer) {
            Ok(0) => break,
            Ok(read) => {
                if !packets.push(packet(PacketType::PacketData, id, buffer[..read].to_vec())) {
                    return false;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                packets.fail(Status::unknown(format!("{}: {error}", entry.path)));
                return false;
            }
        }
    }
    packets.push(packet(PacketType::PacketData, id, Vec::new()))
}

fn packet(kind: PacketType, id: u32, data: Vec<u8>) -> Packet {
    Packet { r#type: kind.into(), stat: None, id, data }
}

/// Returns the packet with the state of a file, or the end of the list.
fn stat(told: Option<&Told<'_>>) -> Packet {
    let stat = told.map(|Told { entry, link }| {
        let (kind, target) = match &entry.content {
            Content::Directory => (GO_DIRECTORY, None),
            Content::Link(target) => (GO_LINK, Some(target.as_str())),
            Content::Pipe => (GO_PIPE, None),
            _ => (0, *link),
        };
        let size = if link.is_some() { 0 } else { entry.size };
        let capability = entry.capability().map(|value| (CAPABILITY.to_owned(), value.to_vec()));
        Stat {
            path: entry.path.clone(),
            mode: kind | go_mode(entry.mode),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            mod_time: entry.modified,
            linkname: target.unwrap_or_default().to_owned(),
            xattrs: capability.into_iter().collect(),
            ..Stat::default()
        }
    });
    Packet { r#type: PacketType::PacketStat.into(), stat, id: 0, data: Vec::new() }
}

/// Bits of Go's `os.FileMode`.
const GO_DIRECTORY: u32 = 1 << 31;
const GO_LINK: u32 = 1 << 27;
const GO_PIPE: u32 = 1 << 25;

fn go_mode(mode: u32) -> u32 {
    let bit = |unix: u32, go: u32| if mode & unix == 0 { 0 } else { 1 << go };
    (mode & 0o777) | bit(0o4000, 23) | bit(0o2000, 22) | bit(0o1000, 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_file_are_links_to_the_first_that_is_told() {
        let file = |path: &str| TreeEntry {
            path: path.to_owned(),
            mode: 0o755,
            modified: -1,
            size: 3,
            content: Content::File {
                path: path.into(),
                inode: Some((1, 2)),
                capability: Some(b"\x01\n"[..].into()),
            },
        };
        let pipe = TreeEntry { content: Content::Pipe, size: 0, ..file("p") };
        let tree = Tree::new(vec![file("c"), file("a"), pipe, file("b")]);
        let stats = |numbers: &[usize]| -> Vec<Stat> {
            let told = told(&tree, numbers);
            told.iter().filter_map(|told| stat(Some(told)).stat).collect()
        };
        let links = |stats: &[Stat]| -> Vec<(String, String, i64)> {
            let link = |stat: &Stat| (stat.path.clone(), stat.linkname.clone(), stat.size);
            stats.iter().map(link).collect()
        };
        let of = |path: &str, link: &str, size| (path.to_owned(), link.to_owned(), size);
        let all = stats(&[0, 1, 2, 3]);
        let whole = [of("a", "", 3), of("b", "a", 0), of("c", "a", 0), of("p", "", 0)];
        assert_eq!(links(&all), whole);
        assert_eq!(links(&stats(&[1, 2])), [of("b", "", 3), of("c", "b", 0)]);
        assert_eq!(all[0].xattrs[CAPABILITY], b"\x01\n");
        assert_eq!((all[0].mod_time, all[3].mode), (-1, 0o755 | 1 << 25));
    }
}
