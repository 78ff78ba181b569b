//! The floor: a client that knows just enough HTTP/1.1 for the calls that are measured.
//!
//! One connection per call over the engine's unix socket, no pool, no types, nothing shared with
//! castoff or bollard.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::Outcome;

/// What is read at once from a stream. A log frame is at most 16 KiB and some.
const BUFFER: usize = 64 * 1024;

/// An engine's socket.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    socket: PathBuf,
}

/// An answer whose head has been read.
#[derive(Debug)]
pub(crate) struct Answer {
    stream: UnixStream,
    pub(crate) status: u16,
    framing: Framing,
    /// Bytes that were read ahead, and how many of them are used up.
    rest: Vec<u8>,
    at: usize,
}

#[derive(Clone, Copy, Debug)]
enum Framing {
    /// So many bytes are left.
    Length(usize),
    /// So many are left of this chunk; 0 before a chunk's head.
    Chunked(usize),
    /// Until the other side closes.
    Close,
    Ended,
}

impl Raw {
    pub(crate) fn new(socket: &Path) -> Self {
        Raw { socket: socket.to_owned() }
    }

    /// Sends a head and a body, and reads the answer's head.
    pub(crate) async fn open(&self, method: &str, path: &str, body: &str) -> Outcome<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(head.as_bytes()).await?;
        Answer::read(stream).await
    }

    /// A call whose whole answer is wanted; a status from 400 on is an error.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Outcome<Vec<u8>> {
        let answer = self.open(method, path, body).await?;
        let status = answer.status;
        let bytes = answer.all().await?;
        if status >= 400 {
            let text = String::from_utf8_lossy(&bytes);
            return Err(format!("{method} {path}: {status} {text}").into());
        }
        Ok(bytes)
    }

    pub(crate) async fn json(&self, method: &str, path: &str, body: &str) -> Outcome<Value> {
        Ok(serde_json::from_slice(&self.call(method, path, body).await?)?)
    }

    /// Creates a container and returns its id.
    pub(crate) async fn create(&self, body: &str) -> Outcome<String> {
        let made = self.json("POST", "/containers/create", body).await?;
        Ok(made["Id"].as_str().ok_or("no id")?.to_owned())
    }

    pub(crate) async fn start(&self, id: &str) -> Outcome<()> {
        self.call("POST", &format!("/containers/{id}/start"), "").await.map(drop)
    }

    pub(crate) async fn remove(&self, id: &str) -> Outcome<()> {
        self.call("DELETE", &format!("/containers/{id}?force=1&v=1"), "").await.map(drop)
    }

    /// Opens a wait whose answer ends when the container has been removed.
    pub(crate) async fn removal(&self, id: &str) -> Outcome<Answer> {
        let path = format!("/containers/{id}/wait?condition=removed");
        self.open("POST", &path, "").await
    }

    /// Follows a log until a frame contains the text.
    pub(crate) async fn follow_until(&self, id: &str, text: &str) -> Outcome<()> {
        let path = format!("/containers/{id}/logs?follow=1&stdout=1&stderr=1");
        let mut answer = self.open("GET", &path, "").await?;
        let finder = memchr::memmem::Finder::new(text);
        let mut buffer = vec![0; BUFFER];
        let mut filled = 0;
        loop {
            let read = answer.some(&mut buffer[filled..]).await?;
            if read == 0 {
                return Err("the log ended".into());
            }
            filled += read;
            let mut at = 0;
            while let Some(head) = buffer[at..filled].first_chunk::<8>() {
                let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
                let Some(frame) = buffer[at..filled].get(8..8 + length) else { break };
                if finder.find(frame).is_some() {
                    return Ok(());
                }
                at += 8 + length;
            }
            buffer.copy_within(at..filled, 0);
            filled -= at;
        }
    }

    /// Runs a command and returns its exit code and output, frames and all.
    pub(crate) async fn exec(&self, id: &str, command: &[&str]) -> Outcome<(i64, Vec<u8>)> {
        let body = serde_json::json!({
            "AttachStdin": false, "AttachStdout": true, "AttachStderr": true, "Tty": false,
            "Cmd": command,
        });
        let path = format!("/containers/{id}/exec");
        let made = self.json("POST", &path, &body.to_string()).await?;
        let exec = made["Id"].as_str().ok_or("no id")?;
        let start = r#"{"Detach":false,"Tty":false}"#;
        let head = format!(
            "POST /exec/{exec}/start HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{start}",
            start.len()
        );
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(head.as_bytes()).await?;
        let output = Answer::read(stream).await?.all().await?;
        loop {
            let state = self.json("GET", &format!("/exec/{exec}/json"), "").await?;
            match (state["Running"].as_bool(), state["ExitCode"].as_i64()) {
                (Some(false), Some(code)) => return Ok((code, output)),
                _ => tokio::time::sleep(std::time::Duration::from_millis(1)).await,
            }
        }
    }

    /// Unpacks an archive of one file at the root of a container.
    pub(crate) async fn upload(
        &self,
        id: &str,
        name: &str,
        mut file: tokio::fs::File,
        size: u64,
    ) -> Outcome<()> {
        let tar = tar_head(name, size);
        let padding = (size.next_multiple_of(512) - size) as usize + 1024;
        let head = format!(
            "PUT /containers/{id}/archive?path=/ HTTP/1.1\r\nHost: localhost\r\n\
             Content-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
            512 + size + padding as u64
        );
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&tar).await?;
        let mut buffer = vec![0; 4 * BUFFER];
        loop {
            let read = file.read(&mut buffer).await?;
            if read == 0 {
                break;
            }
            stream.write_all(&buffer[..read]).await?;
        }
        stream.write_all(&vec![0; padding]).await?;
        let answer = Answer::read(stream).await?;
        match answer.status {
            200 => Ok(()),
            status => {
                Err(format!("{status} {}", String::from_utf8_lossy(&answer.all().await?)).into())
            }
        }
    }
}

/// The header of a file in a tar archive.
fn tar_head(name: &str, size: u64) -> [u8; 512] {
    let mut head = [0; 512];
    let mut put =
        |at: usize, text: &str| head[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    head
}

impl Answer {
    async fn read(mut stream: UnixStream) -> Outcome<Answer> {
        let mut rest = Vec::with_capacity(4096);
        let end = loop {
            if stream.read_buf(&mut rest).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if let Some(at) = memchr::memmem::find(&rest, b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase();
        let status: u16 = head.split(' ').nth(1).ok_or("no status")?.parse()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let framing = match length {
            Some(length) => Framing::Length(length.parse()?),
            None if head.contains("transfer-encoding: chunked") => Framing::Chunked(0),
            None if status == 204 || status == 304 => Framing::Ended,
            None => Framing::Close,
        };
        Ok(Answer { stream, status, framing, rest, at: end })
    }

    /// Some bytes of the body; 0 at its end.
    pub(crate) async fn some(&mut self, buffer: &mut [u8]) -> Outcome<usize> {
        loop {
            match self.framing {
                Framing::Ended | Framing::Length(0) => return Ok(0),
                Framing::Close => return Ok(self.take(buffer).await?),
                Framing::Length(left) => {
                    let most = left.min(buffer.len());
                    let read = self.take(&mut buffer[..most]).await?;
                    self.framing = Framing::Length(left - read);
                    return Ok(read);
                }
                Framing::Chunked(0) => match self.chunk_size().await? {
                    0 => self.framing = Framing::Ended,
                    size => self.framing = Framing::Chunked(size),
                },
                Framing::Chunked(left) => {
                    let most = left.min(buffer.len());
                    let read = self.take(&mut buffer[..most]).await?;
                    self.framing = Framing::Chunked(left - read);
                    return Ok(read);
                }
            }
        }
    }

    /// The rest of the body.
    pub(crate) async fn all(mut self) -> Outcome<Vec<u8>> {
        let mut body = Vec::new();
        let mut piece = [0; 4096];
        loop {
            match self.some(&mut piece).await? {
                0 => return Ok(body),
                read => body.extend_from_slice(&piece[..read]),
            }
        }
    }

    /// The size of the next chunk; its head is read with the line end of the one before.
    async fn chunk_size(&mut self) -> Outcome<usize> {
        loop {
            let rest = &self.rest[self.at..];
            let from = if rest.starts_with(b"\r\n") { 2 } else { 0 };
            if let Some(length) = memchr::memmem::find(&rest[from..], b"\r\n") {
                let size = std::str::from_utf8(&rest[from..from + length])?;
                let size = usize::from_str_radix(size, 16)?;
                self.at += from + length + 2;
                return Ok(size);
            }
            self.rest.drain(..self.at);
            self.at = 0;
            self.rest.reserve(BUFFER);
            if self.stream.read_buf(&mut self.rest).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    async fn take(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.rest[self.at..];
        if rest.is_empty() {
            return self.stream.read(buffer).await;
        }
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}
