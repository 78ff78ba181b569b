//! Claims a numbered database that nobody else has.
//!
//! The container's lock marks a database as taken, so neither a restart of the server nor a test
//! that ends all connections releases it. The server is asked as well: it lists its connections
//! with their databases, and one transaction (`MULTI`) selects a database and reads that list. So
//! there is no key that a `FLUSHALL` or an eviction could remove, no clock matters, and the end of
//! a process, for whatever reason, releases its databases. A database that still has a connected
//! client counts as taken, so no client of an earlier test writes into it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use castoff::{Container, ContainerLock, Error, ErrorKind, Result};

use super::resp::Session;

/// The name of the connection in the server's list.
const NAME: &str = "castoff-database";

/// Limit for waiting for a database when all are taken: one that was just dropped is free as soon
/// as the server has noticed.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(20);

/// Selects a database that nobody holds or is connected to, and empties it.
pub(super) async fn claim(
    server: &Container,
    session: &mut Session,
) -> Result<(u32, ContainerLock)> {
    let began = Instant::now();
    loop {
        let all = match attempt(server, session).await? {
            Ok(claimed) => return Ok(claimed),
            Err(all) => all,
        };
        if began.elapsed() > PATIENCE {
            let message = format!("all {all} databases of the server for tests are in use");
            return Err(Error::new(ErrorKind::Conflict, message)
                .with_hint("drop some, or raise the server's setting `databases`"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns the database, or the number of databases if all are taken.
async fn attempt(
    server: &Container,
    session: &mut Session,
) -> Result<std::result::Result<(u32, ContainerLock), u32>> {
    let replies = session
        .ask(&[
            &["CLIENT", "SETNAME", NAME],
            &["CLIENT", "ID"],
            &["CONFIG", "GET", "databases"],
            &["CLIENT", "LIST"],
        ])
        .await?;
    let [_, id, count, list] = replies.as_slice() else { return Err(unclear()) };
    let id: u64 = id.text().parse().map_err(|_| unclear())?;
    let count = count.members().get(1).and_then(|count| count.text().parse().ok());
    let count: u32 = count.ok_or_else(unclear)?;
    let taken = selected_by_others(list.text(), id);
    for number in candidates(id, count).filter(|number| !taken.contains(number)) {
        let key = format!("castoff redis database {number}");
        let Some(lock) = server.try_lock(key).await? else { continue };
        let select = number.to_string();
        let replies = session
            .ask(&[&["MULTI"], &["SELECT", &select], &["CLIENT", "LIST"], &["EXEC"]])
            .await?;
        let executed = replies.last().map(|reply| reply.members()).unwrap_or_default();
        let [selected, list] = executed else { return Err(unclear()) };
        if selected.text() != "OK" {
            return Err(unclear());
        }
        if !selected_by_others(list.text(), id).contains(&number) {
            session.ask(&[&["FLUSHDB"]]).await?;
            return Ok(Ok((number, lock)));
        }
    }
    Ok(Err(count.saturating_sub(1)))
}

fn unclear() -> Error {
    Error::other("the server answered otherwise than Redis does")
}

/// Returns all databases but the first, which is the clients' default. Connections are numbered, so
/// each starts at a different database, and one that was returned is reused as late as possible.
fn candidates(id: u64, count: u32) -> impl Iterator<Item = u32> {
    let all = count.saturating_sub(1);
    let start = id.checked_rem(all.into()).and_then(|start| u32::try_from(start).ok());
    let start = start.unwrap_or(0);
    (0..all).map(move |step| 1 + (start + step) % all)
}

/// Returns the databases of all connections but this one, from the output of `CLIENT LIST`: a line
/// for each, with `name=value` between spaces.
fn selected_by_others(list: &str, id: u64) -> BTreeSet<u32> {
    let own = format!("id={id}");
    let others = list.lines().filter(|line| line.split(' ').next() != Some(&own));
    let databases = others.filter_map(|line| {
        line.split(' ').find_map(|field| field.strip_prefix("db=")?.parse().ok())
    });
    databases.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_database_but_the_first_is_a_candidate() {
        assert_eq!(candidates(1, 4).collect::<Vec<_>>(), [2, 3, 1]);
        assert_eq!(candidates(u64::MAX, 16).collect::<BTreeSet<_>>(), (1..16).collect());
        assert_eq!(candidates(7, 1).count(), 0);
        assert_eq!(candidates(7, 0).count(), 0);
    }

    #[test]
    fn a_connection_is_no_obstacle_to_itself() {
        let list = "id=1 addr=a:1 name= db=3 cmd=get\nid=12 name=db=9 db=4\nid=2 db=5\n";
        assert_eq!(selected_by_others(list, 2), BTreeSet::from([3, 4]));
        assert_eq!(selected_by_others(list, 1), BTreeSet::from([4, 5]));
        assert_eq!(selected_by_others("", 1), BTreeSet::new());
    }
}
