//! Contexts: BuildKit compares what it has with what there is, and asks for what differs.
//!
//! The protocol is `moby.filesync.v1.FileSync/DiffCopy` of fsutil: this side tells every file's
//! state in order; the other side asks for contents by number; empty data ends a file, and two `FIN`s
//! the whole.

use std::collections::BTreeMap;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;

use bollard_buildkit_proto::fsutil::types::packet::PacketType;
use bollard_buildkit_proto::fsutil::types::{Packet, Stat};
use bollard_buildkit_proto::moby::filesync::v1::file_sync_server::FileSync;
use futures_util::{Stream, stream};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

use super::super::{Content, Tree, TreeEntry};
use super::session::Never;

/// The size of the pieces of a file, and how many packets may be under way.
const PIECE: usize = 128 * 1024;
const UNDER_WAY: usize = 16;

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
        let (wanted, queue) = std::sync::mpsc::channel();
        let (packets, sent) = mpsc::channel(UNDER_WAY);
        tokio::task::spawn_blocking(move || serve(&tree, &queue, &packets));
        tokio::spawn(listen(request.into_inner(), wanted));
        let answers =
            stream::unfold(sent, |mut sent| async move { Some((sent.recv().await?, sent)) });
        Ok(Response::new(Box::pin(answers)))
    }

    type TarStreamStream = Never<Packet>;

    async fn tar_stream(
        &self,
        _: Request<Streaming<Packet>>,
    ) -> Result<Response<Self::TarStreamStream>, Status> {
        Err(Status::unimplemented("tar_stream"))
    }
}

/// Passes on what the other side wants; its end, however it comes, ends the thread that serves.
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

type Packets = mpsc::Sender<Result<Packet, Status>>;

/// Reads files on a thread for blocking work.
fn serve(tree: &Tree, queue: &std::sync::mpsc::Receiver<Option<u32>>, packets: &Packets) {
    for entry in tree.entries() {
        if packets.blocking_send(Ok(stat(Some(entry)))).is_err() {
            return;
        }
    }
    if packets.blocking_send(Ok(stat(None))).is_err() {
        return;
    }
    let mut buffer = vec![0; PIECE];
    while let Ok(request) = queue.recv() {
        let served = match request {
            None => {
                let _ = packets.blocking_send(Ok(packet(PacketType::PacketFin, 0, Vec::new())));
                return;
            }
            Some(id) => tree
                .entries()
                .get(id as usize)
                .is_none_or(|entry| file(entry, id, &mut buffer, packets)),
        };
        if !served {
            return;
        }
    }
}

/// Sends a file's content; says whether there is somebody to send more to.
fn file(entry: &TreeEntry, id: u32, buffer: &mut [u8], packets: &Packets) -> bool {
    let failed = |error: std::io::Error| {
        let text = format!("{}: {error}", entry.path);
        let _ = packets.blocking_send(Err(Status::unknown(text)));
        false
    };
    let mut content = match entry.open() {
        Ok(content) => content,
        Err(error) => return failed(error),
    };
    loop {
        match content.read(buffer) {
            Ok(0) => break,
            Ok(read) => {
                let data = packet(PacketType::PacketData, id, buffer[..read].to_vec());
                if packets.blocking_send(Ok(data)).is_err() {
                    return false;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return failed(error),
        }
    }
    packets.blocking_send(Ok(packet(PacketType::PacketData, id, Vec::new()))).is_ok()
}

fn packet(kind: PacketType, id: u32, data: Vec<u8>) -> Packet {
    Packet { r#type: kind.into(), stat: None, id, data }
}

/// The state of a file, or the end of all.
fn stat(entry: Option<&TreeEntry>) -> Packet {
    let stat = entry.map(|entry| {
        let (kind, linkname) = match &entry.content {
            Content::Directory => (GO_DIRECTORY, String::new()),
            Content::Link(target) => (GO_LINK, target.clone()),
            _ => (0, String::new()),
        };
        Stat {
            path: entry.path.clone(),
            mode: kind | go_mode(entry.mode),
            size: i64::try_from(entry.size).unwrap_or(i64::MAX),
            mod_time: entry.modified,
            linkname,
            ..Stat::default()
        }
    });
    Packet { r#type: PacketType::PacketStat.into(), stat, id: 0, data: Vec::new() }
}

/// Bits of Go's `os.FileMode`.
const GO_DIRECTORY: u32 = 1 << 31;
const GO_LINK: u32 = 1 << 27;

fn go_mode(mode: u32) -> u32 {
    let bit = |unix: u32, go: u32| if mode & unix == 0 { 0 } else { 1 << go };
    (mode & 0o777) | bit(0o4000, 23) | bit(0o2000, 22) | bit(0o1000, 20)
}
