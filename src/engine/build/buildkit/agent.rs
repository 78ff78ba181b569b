//! Ssh agents: forwards the bytes of a step's connection to a socket of this machine, and back.

use std::collections::BTreeMap;
use std::pin::Pin;

use bollard_buildkit_proto::moby::sshforward::v1::ssh_server::Ssh;
use bollard_buildkit_proto::moby::sshforward::v1::{
    BytesMessage, CheckAgentRequest, CheckAgentResponse,
};
use futures_util::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::super::Agent;

/// The metadata key that names an agent.
const ID: &str = "buildkit.ssh.id";

pub(super) struct Agents(pub(super) BTreeMap<String, Agent>);

impl Agents {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn agent(&self, id: &str) -> Result<&Agent, Status> {
        let id = if id.is_empty() { "default" } else { id };
        let agent = self.0.get(id);
        agent.ok_or_else(|| Status::not_found(format!("the build was given no ssh agent `{id}`")))
    }
}

#[tonic::async_trait]
impl Ssh for Agents {
    async fn check_agent(
        &self,
        request: Request<CheckAgentRequest>,
    ) -> Result<Response<CheckAgentResponse>, Status> {
        self.agent(&request.into_inner().id)?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    type ForwardAgentStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get(ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        let agent = self.agent(id)?.clone();
        forward(&agent, request.into_inner()).await
    }
}

#[cfg(unix)]
async fn forward(
    agent: &Agent,
    mut incoming: Streaming<BytesMessage>,
) -> Result<Response<<Agents as Ssh>::ForwardAgentStream>, Status> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let failed = |error: std::io::Error| Status::unavailable(format!("the ssh agent: {error}"));
    let stream = tokio::net::UnixStream::connect(&agent.socket).await.map_err(failed)?;
    let (reader, mut writer) = stream.into_split();
    tokio::spawn(async move {
        // Ends with the step's connection, or with the session.
        while let Ok(Some(message)) = incoming.message().await {
            if writer.write_all(&message.data).await.is_err() {
                break;
            }
        }
        let _ = writer.shutdown().await;
    });
    let answers = futures_util::stream::unfold(reader, |mut reader| async move {
        let mut data = Vec::with_capacity(8192);
        match reader.read_buf(&mut data).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(BytesMessage { data }), reader)),
            Err(error) => Some((Err(Status::unavailable(error.to_string())), reader)),
        }
    });
    Ok(Response::new(Box::pin(answers)))
}

#[cfg(not(unix))]
async fn forward(
    _: &Agent,
    _: Streaming<BytesMessage>,
) -> Result<Response<<Agents as Ssh>::ForwardAgentStream>, Status> {
    Err(Status::unimplemented("ssh agents are reached by unix sockets"))
}
