//! The value of the `Authorization` header: the login itself, or a token for it.
//!
//! Docker Registry v2 authentication: the registry names a token server in its challenge.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::Registry;
use super::call::Call;
use super::challenge::{Challenge, challenges};
use super::client::Credential;
use super::transport::{self, Limits};
use super::url;
use crate::error::{Error, ErrorKind, Result};

/// Limit for a token server's answer, in bytes.
const LIMIT: usize = 1 << 20;

#[derive(Deserialize)]
struct Tokens {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// Returns the header that answers the registry's challenge; `None` without a login for it, or
    /// if the challenge is of an unknown scheme.
    pub(super) async fn authorize(&self, headers: &HeaderMap) -> Result<Option<String>> {
        let asked = challenges(headers);
        if let Some(bearer) = asked.iter().find(|challenge| challenge.scheme == "bearer") {
            return self.token_for(bearer).await.map(Some);
        }
        if !asked.iter().any(|challenge| challenge.scheme == "basic") {
            return Ok(None);
        }
        match &self.credential {
            Some(Credential::Password { .. }) if !self.trusts(&self.base()?) => {
                Err(self.unsafe_place(&self.host))
            }
            Some(Credential::Password { user, password }) => Ok(Some(basic(user, password))),
            Some(Credential::IdentityToken(_)) => {
                let message = format!("{} takes a user and a password, and no token", self.host);
                Err(Error::new(ErrorKind::ImageDenied, message))
            }
            None => Ok(None),
        }
    }

    async fn token_for(&self, bearer: &Challenge) -> Result<String> {
        let senseless = || {
            let message =
                format!("{} requires a token but names no token server (realm)", self.host);
            Error::new(ErrorKind::Protocol, message)
        };
        let realm = bearer.param("realm").and_then(url::parse).ok_or_else(senseless)?;
        if self.credential.is_some() && !self.trusts(&realm) {
            return Err(self.unsafe_place(&url::authority(&realm)));
        }
        let parameters = ["service", "scope"].into_iter();
        let parameters = parameters.filter_map(|name| Some((name, bearer.param(name)?)));
        let (call, url, header) = match &self.credential {
            Some(Credential::IdentityToken(token)) => {
                let form = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs([("grant_type", "refresh_token"), ("client_id", "castoff")])
                    .extend_pairs(parameters)
                    .append_pair("refresh_token", token)
                    .finish();
                let body = ("application/x-www-form-urlencoded".to_owned(), Bytes::from(form));
                let call = Call::get("").method(Method::POST);
                (Call { body: Some(body), ..call }, realm, None)
            }
            credential => {
                let url = with_query(realm, parameters);
                let header = match credential {
                    Some(Credential::Password { user, password }) => Some(basic(user, password)),
                    _ => None,
                };
                (Call::get(""), url, header)
            }
        };
        let request = call.request(&url, header.as_deref())?;
        let limits = Limits::bytes(LIMIT);
        let answer = transport::send(request, &self.certificates, limits).await?;
        if answer.status != 200 {
            return Err(self.refused("a token", &answer));
        }
        let tokens: Tokens = serde_json::from_slice(&answer.body).map_err(|error| {
            let message = format!("invalid token response from {}", url::authority(&url));
            Error::new(ErrorKind::Protocol, message).with_source(error)
        })?;
        let token = tokens.token.or(tokens.access_token).filter(|token| !token.is_empty());
        token.map(|token| format!("Bearer {token}")).ok_or_else(senseless)
    }

    fn unsafe_place(&self, host: &str) -> Error {
        let message = format!("the login for {} is not sent to {host} without TLS", self.host);
        Error::new(ErrorKind::ImageDenied, message).with_hint("`with_insecure_http` allows it")
    }
}

/// Adds pairs to the query of a URL; without any, it stays as it is.
fn with_query<'a>(mut url: Url, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Url {
    let mut pairs = pairs.peekable();
    if pairs.peek().is_some() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    url
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}
