//! Certificates for servers that speak TLS: an authority and a certificate that it signed, for one
//! server.

use castoff::spec::ContainerSpec;
use castoff::{Container, ContainerBuilder, CopySource, Error, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// The directory of the certificates in a container.
pub(crate) const DIRECTORY: &str = "/castoff/tls";

/// An authority's certificate, and a server's certificate and key, in PEM.
pub(crate) struct Certificates {
    authority: String,
    certificate: String,
    key: String,
}

impl Certificates {
    /// Creates certificates for `localhost`, the loopback addresses, and these names.
    pub(crate) fn generate(names: &[String]) -> Result<Self> {
        generate(names).map_err(|error| {
            Error::other("the server's certificate can't be made").with_source(error)
        })
    }

    /// Puts `ca.crt`, `server.crt` and `server.key` into [`DIRECTORY`], owned by this user of the
    /// container, with the key readable only by that user.
    ///
    /// Whether two containers count as the same depends on `names`, but not on the certificates.
    pub(crate) fn copy_into(
        self,
        mut container: ContainerBuilder,
        names: &[String],
        (user, group): (u32, u32),
    ) -> ContainerBuilder {
        let files = [
            ("ca.crt", self.authority, 0o644),
            ("server.crt", self.certificate, 0o644),
            ("server.key", self.key, 0o600),
        ];
        for (name, text, mode) in files {
            let source = CopySource::bytes(text)
                .with_mode(mode)
                .with_owner(user, group)
                .with_identity(format!("certificates for {names:?}"));
            container = container.with_copy(source, format!("{DIRECTORY}/{name}"));
        }
        container
    }
}

/// The names that a certificate is for: those by which others in its networks reach the container,
/// as far as they are known before it is there, and further ones.
pub(crate) fn names(container: &ContainerSpec, further: &[String]) -> Vec<String> {
    let aliases = container.networks.iter().flat_map(|network| &network.aliases);
    let mut names: Vec<String> = Vec::new();
    for name in container.name.iter().chain(aliases).chain(further) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Returns the authority's certificate in a container, whichever process created it.
pub(crate) async fn authority(container: &Container) -> Result<String> {
    let bytes = container.read_file(format!("{DIRECTORY}/ca.crt")).await?;
    String::from_utf8(bytes).map_err(|error| Error::other("no PEM").with_source(error))
}

fn generate(names: &[String]) -> std::result::Result<Certificates, rcgen::Error> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "castoff test authority");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = ca.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(ca, ca_key);

    let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let all: Vec<String> = own.into_iter().chain(names.iter().cloned()).collect();
    let mut params = CertificateParams::new(all)?;
    params.distinguished_name.push(DnType::CommonName, "castoff test server");
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?.pem();
    Ok(Certificates { authority, certificate, key: key.serialize_pem() })
}

#[cfg(test)]
mod tests {
    use castoff::spec::Attachment;

    use super::*;

    #[test]
    fn a_certificate_is_for_the_containers_names_and_further_ones() {
        let mut spec = ContainerSpec::new("x");
        assert!(names(&spec, &[]).is_empty());
        spec.name = Some("mine".into());
        spec.networks = vec![Attachment::new("net").with_aliases(["db", "mine"])];
        let further = ["db", "db.example"].map(str::to_owned);
        assert_eq!(names(&spec, &further), ["mine", "db", "db.example"]);
    }
}
