//! Doing again what another server has recorded, so that this one comes to hold the same data.

use crate::keyspace::{ExpiryPolicy, Group, Place, Record};
use crate::resp::{Args, ArgsBuf};
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;

/// A record that could not be repeated: the data of both servers differ now.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{} was answered by {answer}", args.as_args().iter().map(|arg| arg.escape_ascii().to_string()).collect::<Vec<_>>().join(" "))]
pub struct RepeatError {
    pub args: ArgsBuf,
    pub answer: String,
}

impl Executor {
    /// Repeats the records of a group as `client`, which has no connection and serves nothing else. Keys and fields past
    /// their expiry are as all others meanwhile: when they go, a record says so.
    pub fn repeat(&mut self, client: ClientKey, group: &Group) -> Result<(), RepeatError> {
        let policy = self.keyspace.expiry_policy();
        self.keyspace.set_expiry_policy(ExpiryPolicy::Ignore);
        let result = group.records.iter().try_for_each(|record| self.repeat_record(client, record));
        self.keyspace.set_expiry_policy(policy);
        self.after_command();
        result
    }

    fn repeat_record(&mut self, client: ClientKey, record: &Record) -> Result<(), RepeatError> {
        let now_ms = self.clock.latest().unix_ms;
        match record {
            Record::Removed { db, key } => {
                self.keyspace.remove_given_away(Place { db: *db, key }, false);
                Ok(())
            }
            Record::FieldsRemoved { db, key, fields } => {
                let name: [&[u8]; 2] = [b"HDEL", key];
                let args: ArgsBuf = name.into_iter().chain(fields.iter().map(|field| &**field)).collect();
                self.repeat_command(client, *db, args.as_args())
            }
            Record::Flushed { db: Some(db) } => {
                self.keyspace.flush(*db, false, now_ms);
                Ok(())
            }
            Record::Flushed { db: None } => {
                self.keyspace.flush_all(false, now_ms);
                Ok(())
            }
            Record::Swapped { first, second } => {
                self.keyspace.swap(*first, *second, now_ms);
                Ok(())
            }
            Record::Command { db, args } => self.repeat_command(client, *db, args.as_args()),
        }
    }

    fn repeat_command(&mut self, client: ClientKey, db: usize, args: Args<'_>) -> Result<(), RepeatError> {
        self.clients.get_mut(client).session.db = db;
        self.replay(client, args)
            .map_err(|answer| RepeatError { args: args.to_buf(), answer: answer.escape_ascii().to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::simulation::Machine;
    use crate::stdx::HashSeed;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn machine() -> Machine {
        let mut machine = Machine::new(HashSeed { k0: 1, k1: 2 }, 1);
        machine.set_time(NOW_MS, std::time::Duration::ZERO);
        machine
    }

    fn args(line: &str) -> ArgsBuf {
        line.split(' ').collect()
    }

    fn command(line: &str) -> Record {
        Record::Command { db: 0, args: args(line) }
    }

    #[test]
    fn every_kind_of_record_is_repeated() {
        let mut machine = machine();
        let records = vec![
            command("SET a 1"),
            command("HSET h f 1 g 2 k 3"),
            Record::Command { db: 2, args: args("SET b 2") },
            Record::Removed { db: 0, key: (*b"a").into() },
            Record::FieldsRemoved { db: 0, key: (*b"h").into(), fields: vec![(*b"f").into(), (*b"k").into()] },
            Record::Swapped { first: 0, second: 1 },
            Record::Flushed { db: Some(2) },
        ];
        assert_eq!(machine.repeat(&Group { records }), Ok(()));
        assert_eq!(machine.run("DBSIZE"), b":0\r\n");
        assert_eq!(machine.run("SELECT 1"), b"+OK\r\n");
        assert_eq!(machine.run("HGETALL h"), b"*2\r\n$1\r\ng\r\n$1\r\n2\r\n");
        assert_eq!(machine.repeat(&Group { records: vec![Record::Flushed { db: None }] }), Ok(()));
        assert_eq!(machine.run("DBSIZE"), b":0\r\n");
    }

    #[test]
    fn what_is_past_its_expiry_is_as_all_else_for_records_and_hidden_from_clients() {
        let mut machine = machine();
        machine.hide_expired();
        let records = vec![command("SET a 1"), command("PEXPIREAT a 1000"), command("APPEND a 2")];
        assert_eq!(machine.repeat(&Group { records }), Ok(()));
        assert_eq!(machine.run("GET a"), b"$-1\r\n");
        assert_eq!(machine.repeat(&Group { records: vec![command("PERSIST a")] }), Ok(()));
        assert_eq!(machine.run("GET a"), b"$2\r\n12\r\n");
    }

    #[test]
    fn a_record_that_fails_is_reported() {
        let mut machine = machine();
        let mut error_of = |line| machine.repeat(&Group { records: vec![command(line)] }).unwrap_err().to_string();
        assert!(error_of("NONE a").starts_with("NONE a was answered by ERR unknown command"));
        assert_eq!(error_of("SET a"), "SET a was answered by a wrong number of arguments");
        assert!(error_of("INCRBY a x").contains("was answered by -ERR value is not an integer"));
    }
}
