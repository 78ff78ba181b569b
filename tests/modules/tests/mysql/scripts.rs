//! What init scripts may contain, and what becomes of one that fails; for MariaDB and MySQL.

/// The tests of one of the two.
#[macro_export]
macro_rules! scripts {
    ($module:expr) => {
        #[tokio::test]
        #[ignore = "needs a container engine"]
        async fn a_script_has_delimiters_and_any_length() -> Outcome {
            let routine = "DELIMITER //\n\
                CREATE PROCEDURE fill () BEGIN INSERT INTO item VALUES ('a'); SELECT 1; END//\n\
                DELIMITER ;\nCALL fill();";
            // 20 MiB in rows of which none is too long for the server.
            let row = format!("INSERT INTO item VALUES ('{}');\n", "x".repeat(1 << 20));
            let server = $module
                .with_init_sql("CREATE TABLE item (t LONGTEXT)")
                .with_init_sql(routine)
                .with_init_sql(row.repeat(20))
                .start()
                .await?;
            let mut conn = connect(&server.url()).await?;
            let length = "SELECT CAST(SUM(LENGTH(t)) AS SIGNED) FROM item";
            assert_eq!(number(&mut conn, length).await?, 1 + (20 << 20));
            Ok(())
        }

        #[tokio::test]
        #[ignore = "needs a container engine"]
        async fn a_script_may_begin_with_a_byte_order_mark() -> Outcome {
            let script = "\u{feff}CREATE TABLE item (t TEXT);\nINSERT INTO item VALUES ('ü');";
            let server =
                $module.with_init_sql(script).with_init_script("more.SQL.sql", script.replace("item", "more"));
            let server = server.start().await?;
            let mut conn = connect(&server.url()).await?;
            assert_eq!(number(&mut conn, "SELECT COUNT(*) FROM item, more").await?, 1);
            Ok(())
        }

        #[tokio::test]
        #[ignore = "needs a container engine"]
        async fn a_script_that_fails_in_the_middle_ends_the_start() -> Outcome {
            let script = "CREATE TABLE item (t TEXT);\nINSERT INTO nowhere VALUES (1);\nSELECT 1;";
            let error = $module.with_init_sql(script).start().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Exited, "{error:?}");
            let told = format!("{error:?}");
            assert!(told.contains("nowhere") && told.contains("doesn't exist"), "{told}");
            assert!(told.contains("001-init.sql"), "{told}");
            Ok(())
        }
    };
}
