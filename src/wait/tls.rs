//! TLS of HTTP waits: the trusted certificates.

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};

use crate::error::{Error, Result};

/// The TLS settings of an HTTP wait. A test usually knows the exact certificate of its container.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) trust: Trust,
    /// The name in the certificate, which is also the requested server name.
    pub(super) name: String,
}

#[derive(Clone, Debug)]
pub(super) enum Trust {
    Anybody,
    /// PEM certificates.
    Only(Bytes),
}

impl Tls {
    pub(super) fn new(trust: Trust) -> Self {
        Tls { trust, name: "localhost".to_owned() }
    }

    /// Returns a text that identifies the settings.
    pub(super) fn fingerprint(&self) -> String {
        format!("{self:?}")
    }

    /// Fails if the settings can't be used, before anything is created.
    pub(super) fn check(&self) -> Result<()> {
        self.config()?;
        self.server_name().map(drop)
    }

    pub(super) async fn connect(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = self.config().map_err(std::io::Error::other)?;
        let name = self.server_name().map_err(std::io::Error::other)?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    fn server_name(&self) -> Result<ServerName<'static>> {
        ServerName::try_from(self.name.clone()).map_err(|error| {
            let message = format!("`{}` is no name of a server", self.name);
            Error::invalid("wait", message).with_source(error)
        })
    }

    fn config(&self) -> Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::other("TLS can't be set up").with_source(error))?;
        Ok(match &self.trust {
            Trust::Anybody => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
                .with_no_client_auth(),
            Trust::Only(pem) => config.with_root_certificates(roots(pem)?).with_no_client_auth(),
        })
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore> {
    let invalid = |message: &str| Error::invalid("certificate", message.to_owned());
    let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| {
        invalid("it is no PEM").with_source(std::io::Error::other(error.to_string()))
    })?;
    if found.is_empty() {
        return Err(invalid("there is none in the PEM"));
    }
    let mut roots = RootCertStore::empty();
    for one in found {
        roots.add(one).map_err(|error| invalid("it can't be trusted").with_source(error))?;
    }
    Ok(roots)
}

/// A verifier that accepts every certificate: a server's readiness does not depend on trust in it.
/// Signatures are checked nevertheless, by rustls's functions.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        let known = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        let known = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
