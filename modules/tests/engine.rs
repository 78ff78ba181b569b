//! The modules on a real engine, through the clients that users connect with.
//!
//! One binary: `cargo xtask test` runs it against the test images, `--registry` against the
//! official ones.

/// The `Debug` of any error tells what is wrong.
#[cfg(any(feature = "postgres", feature = "redis"))]
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[cfg(feature = "postgres")]
mod postgres {
    use super::Outcome;
    use castoff::{ErrorKind, Network};
    use castoff_modules::Postgres;
    use tokio_postgres::{Client, NoTls};

    async fn client(url: &str) -> Outcome<Client> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn text(client: &Client, query: &str) -> Outcome<String> {
        Ok(client.query_one(query, &[]).await?.try_get(0)?)
    }

    #[tokio::test]
    #[ignore = "needs a container engine"]
    async fn the_first_connection_finds_a_fast_server_with_data_in_memory() -> Outcome {
        let pg = Postgres::new().start().await?;
        let db = client(&pg.url()).await?;
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            assert_eq!(text(&db, &format!("SHOW {setting}")).await?, "off");
        }
        assert_eq!(text(&db, "SHOW data_directory").await?, "/var/lib/postgresql/data");
        let mounts = pg.container().exec(["cat", "/proc/mounts"]).await?.ok()?;
        assert!(mounts.stdout_text().contains("tmpfs /var/lib/postgresql/data tmpfs"));
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs a container engine"]
    async fn names_passwords_settings_and_scripts_arrive_whatever_they_contain() -> Outcome {
        let pg = Postgres::new()
            .with_user("ann@home")
            .with_password("p@ss/w:rd %?#&=+ü")
            .with_database("my shop/2")
            .with_config("work_mem", "8MB")
            .with_init_sql("CREATE TABLE item (name text)")
            .with_init_sql("INSERT INTO item VALUES ('first')")
            .with_init_script("seed.sh", b"psql -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\" -c \"INSERT INTO item VALUES ('second')\"")
            .start()
            .await?;
        let db = client(&pg.url()).await?;
        assert_eq!(text(&db, "SELECT current_user::text").await?, "ann@home");
        assert_eq!(text(&db, "SELECT current_database()::text").await?, "my shop/2");
        assert_eq!(text(&db, "SHOW work_mem").await?, "8MB");
        assert_eq!(text(&db, "SELECT string_agg(name, ',') FROM item").await?, "first,second");
        db.batch_execute("CREATE DATABASE other").await?;
        let other = client(&pg.url_for("other")).await?;
        assert_eq!(text(&other, "SELECT current_database()::text").await?, "other");
        assert!(!format!("{pg:?}").contains("p@ss"));
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs a container engine"]
    async fn a_durable_server_keeps_its_data_over_a_restart() -> Outcome {
        let pg = Postgres::new().durable().start().await?;
        let db = client(&pg.url()).await?;
        assert_eq!(text(&db, "SHOW fsync").await?, "on");
        db.batch_execute("CREATE TABLE kept AS SELECT 'yes' AS answer").await?;
        pg.container().kill("SIGKILL").await?;
        pg.container().wait().await?;
        pg.container().start().await?;
        let db = client(&pg.url()).await?;
        assert_eq!(text(&db, "SELECT answer FROM kept").await?, "yes");
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs a container engine"]
    async fn a_script_that_fails_ends_the_start_with_its_log() {
        let error = Postgres::new().with_init_sql("SELEKT 1").start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exited, "{error:?}");
        assert!(error.log_tail().iter().any(|line| line.contains("SELEKT")), "{error:?}");
        assert!(error.condition().is_some_and(|text| text.contains("PostgreSQL")), "{error:?}");
    }

    #[tokio::test]
    #[ignore = "needs a container engine"]
    async fn another_container_reaches_it_in_a_network() -> Outcome {
        let net = Network::create().await?;
        let pg = Postgres::new().customize(|c| c.with_network(&net, "db")).start().await?;
        let peer = Postgres::new().customize(|c| c.with_network(&net, ())).start().await?;
        let url = "postgres://postgres:postgres@db:5432/postgres";
        let psql = peer.container().exec(["psql", url, "-Atc", "SELECT inet_server_addr()"]);
        let addr = psql.await?.ok()?.stdout_text().trim().to_owned();
        assert_eq!(addr, pg.container().ip(&net)?.to_string());
        Ok(())
    }
}

#[cfg(feature = "redis")]
mod redis {
    use super::Outcome;
    use castoff::ErrorKind;
    use castoff_modules::{Redis, RedisServer};
    use redis::AsyncCommands;
    use redis::aio::MultiplexedConnection;
    use std::time::Duration;

    async fn client(server: &RedisServer) -> Outcome<MultiplexedConnection> {
        let client = redis::Client::open(server.url())?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    #[tokio::test]
    #[ignore = "needs a container engine"]
    async fn the_first_connection_finds_a_server_with_data_in_memory() -> Outcome {
        let server = Redis::new().start().await?;
        let mut cache = client(&server).await?;
        cache.set::<_, _, ()>("greeting", "hello").await?;
        assert_eq!(cache.get::<_, String>("greeting").await?, "hello");
        let save = server.container().exec(["redis-cli", "config", "get", "save"]).await?.ok()?;
        assert_eq!(save.stdout_text(), "save\n\n");
        let mounts = server.container().exec(["cat", "/proc/mounts"]).await?.ok()?;
        assert!(mounts.stdout_text().contains("tmpfs /data tmpfs"));
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs a container engine"]
    async fn a_password_and_settings_arrive_whatever_they_contain() -> Outcome {
        let password = "p@ss/w:rd \"%?#&=+ü";
        let server = Redis::new().with_password(password).with_config("maxmemory", "64mb");
        let server = server.start().await?;
        let mut cache = client(&server).await?;
        let (_, limit): (String, u64) =
            redis::cmd("CONFIG").arg("GET").arg("maxmemory").query_async(&mut cache).await?;
        assert_eq!(limit, 64 << 20);
        let stranger = server.container().exec(["redis-cli", "ping"]).await?;
        assert!(stranger.stdout_text().starts_with("NOAUTH"));
        assert!(!format!("{server:?}").contains("p@ss"));
        Ok(())
    }

    #[tokio::test]
    #[ignore = "needs a container engine"]
    async fn a_setting_that_it_does_not_know_ends_the_start_with_its_log() {
        let server = Redis::new().with_config("no-such-setting", "1");
        let error = server.start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Exited, "{error:?}");
        assert!(error.log_tail().iter().any(|line| line.contains("no-such-setting")), "{error:?}");
    }

    #[tokio::test]
    #[ignore = "needs a container engine"]
    async fn a_wait_that_can_not_come_true_shows_what_the_server_answered() {
        let error = Redis::new()
            .with_password("wanted")
            .customize(|container| {
                container
                    .with_command(["redis-server", "--requirepass", "another"])
                    .with_startup_timeout(Duration::from_secs(2))
            })
            .start()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WaitTimeout, "{error:?}");
        assert!(error.last_probe().is_some_and(|seen| seen.contains("-WRONGPASS")), "{error:?}");
    }
}
