//! [`Call`]: a request to a registry, with its challenges, redirects and errors.

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request, Url};
use serde::Deserialize;

use super::Registry;
use super::transport::{self, Answer, Limits};
use super::url;
use crate::error::{Error, ErrorKind, Result};

/// Limit for an answer in bytes: registries should accept manifests of this size ("Pushing
/// Manifests").
pub(super) const LIMIT: usize = 4 << 20;
const REDIRECTS: usize = 5;

/// A request, by its path or by a URL of the registry.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) accept: Option<&'static str>,
    /// Media type and content.
    pub(super) body: Option<(String, Bytes)>,
}

impl Call {
    pub(super) fn get(path: impl Into<String>) -> Call {
        Call { method: Method::GET, path: path.into(), accept: None, body: None }
    }

    pub(super) fn accept(self, media_types: &'static str) -> Call {
        Call { accept: Some(media_types), ..self }
    }

    pub(super) fn method(self, method: Method) -> Call {
        Call { method, ..self }
    }

    pub(super) fn request(&self, url: &Url, authorization: Option<&str>) -> Result<Request> {
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|error| {
                Error::invalid("registry", "a value can't be sent").with_source(error)
            })
        };
        let mut request = Request::new(self.method.clone(), url.clone());
        if let Some(accept) = self.accept {
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
        }
        if let Some(authorization) = authorization {
            let mut authorization = value(authorization)?;
            authorization.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        if let Some((media_type, content)) = &self.body {
            request.headers_mut().insert(CONTENT_TYPE, value(media_type)?);
            *request.body_mut() = Some(content.clone().into());
        }
        Ok(request)
    }
}

impl Registry {
    /// Sends a call, with the login if the registry asks for one, and follows redirects. reqwest's
    /// own redirects would not do: they keep the login where only TLS is lost, and answer no
    /// challenge on the way.
    pub(super) async fn call(&self, call: Call) -> Result<Answer> {
        let base = self.base()?;
        let mut url = url::join(&base, &call.path).ok_or_else(|| {
            Error::invalid("registry", format!("`{}` can't be asked for", call.path))
        })?;
        let mut authorization: Option<String> = None;
        let mut redirects = 0;
        loop {
            let own = url::same_origin(&url, &base);
            let shown = authorization.as_deref().filter(|_| own);
            let request = call.request(&url, shown)?;
            let limits = Limits::bytes(LIMIT);
            let answer = transport::send(request, &self.certificates, limits).await?;
            match answer.status {
                401 if own && authorization.is_none() => {
                    match self.authorize(&answer.headers).await? {
                        Some(given) => authorization = Some(given),
                        None => return Ok(answer),
                    }
                }
                301 | 302 | 303 | 307 | 308 if call.body.is_none() => {
                    redirects += 1;
                    let next = answer.header("location").and_then(|to| url::join(&url, to));
                    let Some(next) = next.filter(|_| redirects <= REDIRECTS) else {
                        let message = format!(
                            "the registry {} redirects more than {REDIRECTS} times, or to no URL",
                            self.host
                        );
                        return Err(Error::new(ErrorKind::Protocol, message));
                    };
                    if !self.trusts(&next) {
                        let (host, place) = (&self.host, url::authority(&next));
                        let message =
                            format!("the registry {host} redirects to {place} without TLS");
                        return Err(Error::new(ErrorKind::Protocol, message)
                            .with_hint("`with_insecure_http` allows it"));
                    }
                    url = next;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// Returns the error for an answer that refuses a request for `what`.
    pub(super) fn refused(&self, what: &str, answer: &Answer) -> Error {
        let host = &self.host;
        let told = told(&answer.body);
        let (kind, message) = match answer.status {
            401 | 403 => {
                (ErrorKind::ImageDenied, format!("the registry {host} refused access to {what}"))
            }
            404 => (ErrorKind::ImageNotFound, format!("the registry {host} has no {what}")),
            405 => (
                ErrorKind::Unsupported,
                format!("the registry {host} does not allow that for {what}"),
            ),
            status => {
                (ErrorKind::Other, format!("the registry {host} answered {status} for {what}"))
            }
        };
        let error = match told {
            Some(told) => Error::new(kind, format!("{message}: {told}")),
            None => Error::new(kind, message),
        };
        let error = error.with_status(answer.status);
        match answer.status {
            401 if self.credential.is_none() => error.with_hint("it was asked without a login"),
            _ => error,
        }
    }
}

/// Returns the errors in an answer (OCI Distribution, "Error Codes").
fn told(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    let lines: Vec<String> = told
        .errors
        .into_iter()
        .map(|one| format!("{} {}", one.message, one.code).trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}
