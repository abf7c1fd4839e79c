//! One migration's talk with the other server: who we are, which database, then the keys, each of which is answered.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};

use super::link::Link;
use crate::commands::{CommandError, MigratedKey, Migration};

/// Keys that may be under way without an answer. A server that reads no further before its answers are read would
/// otherwise wait for us as we wait for it.
const UNANSWERED_MAX: usize = 512;

/// What a migration came to.
pub struct Outcome {
    /// The keys that the other server has now.
    pub(super) acknowledged: Vec<Box<[u8]>>,
    pub(super) result: Result<(), CommandError>,
    /// For the next migration, where it is in order.
    pub(super) link: Option<Link>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Writing,
    Reading,
}

#[derive(Debug)]
struct Failure {
    step: Step,
    /// Whether a fresh link may do better.
    may_retry: bool,
}

impl Step {
    fn failed(self, error: &io::Error) -> Failure {
        Failure { step: self, may_retry: !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) }
    }

    fn error(self) -> CommandError {
        CommandError::text(match self {
            Step::Writing => "IOERR error or timeout writing to target instance",
            Step::Reading => "IOERR error or timeout reading to target instance",
        })
    }
}

/// What is known of a migration so far.
#[derive(Default)]
struct Progress {
    acknowledged: Vec<Box<[u8]>>,
    /// The first error that the other server answered.
    refusal: Option<CommandError>,
    /// Whether it has answered for any key: then nothing is sent a second time.
    answered: bool,
}

/// Hands everything over, by a link from an earlier migration if there is one. Waits for the other server; whoever calls
/// this has nothing else to do.
pub fn run(mut migration: Migration, cached: Option<Link>) -> Outcome {
    let mut progress = Progress::default();
    let mut cached = cached.filter(Link::is_usable);
    let mut may_retry = true;
    loop {
        let link = match cached.take() {
            Some(link) => Ok(link),
            None => Link::connect(&migration.host, &migration.port, migration.timeout),
        };
        let Ok(mut link) = link else {
            let error = CommandError::text("IOERR error or timeout connecting to the client");
            return Outcome { acknowledged: Vec::new(), result: Err(error), link: None };
        };
        let failure = match transfer(&mut migration, &mut link, &mut progress, may_retry) {
            Ok(()) => {
                let result = progress.refusal.map_or(Ok(()), Err);
                link.selected_db = result.is_ok().then_some(migration.target_db);
                return Outcome { acknowledged: progress.acknowledged, result, link: Some(link) };
            }
            Err(failure) => failure,
        };
        // Most often the other server has closed a link that we kept.
        if may_retry && !progress.answered && progress.refusal.is_none() && failure.may_retry {
            may_retry = false;
            continue;
        }
        let error = progress.refusal.unwrap_or(failure.step.error());
        return Outcome { acknowledged: progress.acknowledged, result: Err(error), link: None };
    }
}

fn transfer(
    migration: &mut Migration,
    link: &mut Link,
    progress: &mut Progress,
    may_retry: bool,
) -> Result<(), Failure> {
    let writing = |error: io::Error| Step::Writing.failed(&error);
    link.set_write_timeout(migration.timeout).map_err(writing)?;
    prepare(migration, link, progress)?;
    if progress.refusal.is_some() {
        return Ok(());
    }
    let mut unanswered = VecDeque::new();
    for index in 0..migration.keys.len() {
        let age = migration.packed_at.elapsed();
        let item = &mut migration.keys[index];
        let Some(ttl_ms) = remaining_ms(item, age) else { continue };
        restore(link, item, ttl_ms, migration.replaces_target).map_err(writing)?;
        if progress.answered || !may_retry {
            item.payload = Vec::new();
        }
        unanswered.push_back(index);
        if unanswered.len() >= UNANSWERED_MAX {
            read_answer(migration, link, &mut unanswered, progress)?;
        }
    }
    while !unanswered.is_empty() {
        read_answer(migration, link, &mut unanswered, progress)?;
    }
    link.flush().map_err(writing)
}

/// Says to the other server who we are and where the keys go, and waits until it has agreed: no key may come to be
/// in another database.
fn prepare(migration: &Migration, link: &mut Link, progress: &mut Progress) -> Result<(), Failure> {
    let writing = |error: io::Error| Step::Writing.failed(&error);
    let mut answers = 0;
    if let Some(credentials) = &migration.credentials {
        let words = [Some(&b"AUTH"[..]), credentials.user.as_deref(), Some(&credentials.password)];
        link.begin_command(words.iter().flatten().count()).map_err(writing)?;
        for word in words.into_iter().flatten() {
            link.argument(word).map_err(writing)?;
        }
        answers += 1;
    }
    if link.selected_db != Some(migration.target_db) {
        link.begin_command(2).map_err(writing)?;
        link.argument(b"SELECT").map_err(writing)?;
        link.argument(migration.target_db.to_string().as_bytes()).map_err(writing)?;
        answers += 1;
    }
    for _ in 0..answers {
        if let Err(error) = read_reply(migration, link)? {
            progress.refusal.get_or_insert(error);
        }
    }
    Ok(())
}

/// How long a key has to live yet; `None` if its time is over. Zero means for ever.
fn remaining_ms(item: &MigratedKey, age: std::time::Duration) -> Option<u64> {
    let Some(time_to_live) = item.time_to_live else { return Some(0) };
    time_to_live.checked_sub(age).map(|left| (left.as_millis() as u64).max(1))
}

fn restore(link: &mut Link, item: &MigratedKey, ttl_ms: u64, replace: bool) -> io::Result<()> {
    link.begin_command(4 + usize::from(replace))?;
    link.argument(b"RESTORE")?;
    link.argument(&item.key)?;
    link.argument(ttl_ms.to_string().as_bytes())?;
    link.begin_argument(item.payload.iter().map(Vec::len).sum())?;
    for piece in &item.payload {
        link.write(piece)?;
    }
    link.end_argument()?;
    if replace { link.argument(b"REPLACE") } else { Ok(()) }
}

/// Reads the answer for the key that was sent first of those that have none.
fn read_answer(
    migration: &mut Migration,
    link: &mut Link,
    unanswered: &mut VecDeque<usize>,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let reply = read_reply(migration, link)?;
    progress.answered = true;
    if let Some(index) = unanswered.pop_front() {
        match reply {
            Ok(()) => progress.acknowledged.push(std::mem::take(&mut migration.keys[index].key)),
            Err(error) => drop(progress.refusal.get_or_insert(error)),
        }
    }
    Ok(())
}

/// Reads one reply: a consent, or the error that our client is answered.
fn read_reply(migration: &Migration, link: &mut Link) -> Result<Result<(), CommandError>, Failure> {
    link.flush().map_err(|error| Step::Writing.failed(&error))?;
    let line = link.read_line(migration.timeout).map_err(|error| Step::Reading.failed(&error))?;
    match line.split_first() {
        Some((b'+', _)) => Ok(Ok(())),
        Some((b'-', error)) => {
            Ok(Err(CommandError::Bytes([b"ERR Target instance replied with error: ", error].concat())))
        }
        // Whatever this is, it is no server of our kind, and nothing is deleted on its word.
        _ => Err(Failure { step: Step::Reading, may_retry: false }),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_time_to_live_runs_on_while_a_key_waits_to_be_sent() {
        let item = |time_to_live| MigratedKey { key: Box::default(), payload: Vec::new(), time_to_live };
        let seconds = Duration::from_secs;
        assert_eq!(remaining_ms(&item(None), seconds(9)), Some(0));
        assert_eq!(remaining_ms(&item(Some(seconds(9))), seconds(2)), Some(7000));
        assert_eq!(remaining_ms(&item(Some(seconds(9))), seconds(9)), Some(1));
        assert_eq!(remaining_ms(&item(Some(seconds(9))), seconds(10)), None);
    }
}
