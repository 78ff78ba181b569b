//! OpenLDAP, through the crate `ldap3`.

use castoff_conformance::{Fixture, Outcome, Sibling, conformance};
use castoff_modules::castoff::ErrorKind;
use castoff_modules::{OpenLdap, OpenLdapServer};
use ldap3::{Ldap, LdapConnAsync, Scope, SearchEntry};

const PASSWORD: &str = "p@ss/w:rd \"%?#&=+ü'\\";

struct OpenLdapFixture;

conformance!(OpenLdapFixture);

async fn bind(server: &OpenLdapServer, password: &str) -> Outcome<Ldap> {
    let (connection, mut ldap) = LdapConnAsync::new(&server.url()).await?;
    ldap3::drive!(connection);
    ldap.simple_bind(&server.admin_dn(), password).await?.success()?;
    Ok(ldap)
}

impl Fixture for OpenLdapFixture {
    type Module = OpenLdap;
    type Client = (Ldap, String);

    fn module() -> OpenLdap {
        OpenLdap::new().with_domain("shop.example").with_admin_password(PASSWORD)
    }

    fn tagged(tag: &str) -> OpenLdap {
        Self::module().with_tag(tag).with_env("CASTOFF_TOLD", "yes")
    }

    fn bad() -> (OpenLdap, &'static str) {
        (OpenLdap::new().with_ldif("dn: cn=x\nobjectClass: noSuchClass\ncn: x\n"), "cn=x")
    }

    async fn connect(server: &OpenLdapServer) -> Outcome<(Ldap, String)> {
        Ok((bind(server, PASSWORD).await?, server.base_dn().to_owned()))
    }

    async fn operate((ldap, base): &mut (Ldap, String), n: usize) -> Outcome {
        // Another process may be at it as well.
        let ou = format!("n{n}-{}", std::process::id());
        let name = format!("ou={ou},{base}");
        ldap.add(&name, vec![("objectClass", ["organizationalUnit"].into())]).await?.success()?;
        let (found, _) = ldap.search(&name, Scope::Base, "(ou=*)", vec!["ou"]).await?.success()?;
        let entry = found.into_iter().next().map(SearchEntry::construct).ok_or("not found")?;
        assert_eq!(entry.attrs["ou"], [ou]);
        ldap.delete(&name).await?.success()?;
        Ok(())
    }

    async fn intrude(server: &OpenLdapServer) -> Option<Outcome> {
        Some(bind(server, "wrong").await.map(drop))
    }

    fn sibling(server: &OpenLdapServer) -> Sibling {
        let (url, admin) = (server.network_url(), server.admin_dn());
        Sibling::command(
            &["ldapwhoami", "-x", "-H", &url, "-D", &admin, "-w", PASSWORD],
            "cn=admin",
        )
    }
}

#[tokio::test]
#[ignore = "needs a container engine"]
async fn entries_from_the_beginning_units_and_searches() -> Outcome {
    let people = "dn: ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\n";
    let ann =
        "dn: cn=ann,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\ncn: ann\nsn: lee\n";
    let server = OpenLdap::new()
        .with_organization("Ännchen & Co: \"x\"")
        .with_ldif(people)
        .with_ldif(ann)
        .start()
        .await?;
    assert!(server.search("(cn=ann)").await?.contains("sn: lee"));
    let mut ldap = bind(&server, "admin").await?;
    let (found, _) =
        ldap.search(server.base_dn(), Scope::Base, "(o=*)", vec!["o"]).await?.success()?;
    let base = found.into_iter().next().map(SearchEntry::construct).ok_or("no base")?;
    assert_eq!(base.attrs["o"], ["Ännchen & Co: \"x\""]);

    let (one, two) = (server.unit().await?, server.unit().await?);
    for unit in [&one, &two] {
        let bob = format!("dn: cn=bob,{unit}\nobjectClass: inetOrgPerson\ncn: bob\nsn: b\n");
        server.add(bob).await?;
    }
    assert_eq!(server.search("(cn=bob)").await?.matches("dn: cn=bob").count(), 2);
    let (found, _) = ldap.search(&one, Scope::Subtree, "(cn=bob)", vec!["cn"]).await?.success()?;
    assert_eq!(found.len(), 1);
    let again = server.add(format!("dn: {one}\nobjectClass: organizationalUnit\n")).await;
    let again = again.unwrap_err();
    assert!(format!("{again:?}").contains("exists"), "{again:?}");
    let error = OpenLdap::new().with_domain("not a domain").start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    Ok(())
}
