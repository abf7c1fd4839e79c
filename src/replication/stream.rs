//! Changes as the commands that replicas are sent.

use crate::keyspace::{Group, Record};
use crate::resp::Args;

/// Writes changes as commands, each group as a transaction where it is more than one command.
#[derive(Debug, Default)]
pub struct StreamWriter {
    /// The database that whoever reads the stream has selected, if it is known.
    db: Option<usize>,
}

impl StreamWriter {
    /// The database that the stream has selected last (`repl-stream-db` of a dump).
    pub fn db(&self) -> Option<usize> {
        self.db
    }

    /// Selects a database before the next command, whichever was selected: a reader begins here who knows of none.
    pub fn select_anew(&mut self) {
        self.db = None;
    }

    /// Appends the commands that come to the same as a group.
    pub fn write(&mut self, group: &Group, out: &mut Vec<u8>) {
        if let [Record::Command { args, .. }] = &*group.records
            && args.as_args().arg(0).eq_ignore_ascii_case(b"DEBUG")
        {
            // DEBUG POPULATE: a stock replica would not run it, and in Redis replicas do not hear of it either.
            return;
        }
        // Keys that have expired or were evicted go one by one here too: nobody relies on their going together.
        let is_whole = group.records.len() > 1 && !group.records.iter().all(is_removal);
        if is_whole {
            // What is selected within a transaction stays selected behind it; before it is clearer to read.
            if let Some(db) = group.records.first().and_then(database) {
                self.select(db, out);
            }
            write_words(out, [&b"MULTI"[..]]);
        }
        for record in &group.records {
            self.write_record(record, out);
        }
        if is_whole {
            write_words(out, [&b"EXEC"[..]]);
        }
    }

    fn write_record(&mut self, record: &Record, out: &mut Vec<u8>) {
        match (database(record), self.db) {
            (Some(db), _) => self.select(db, out),
            // A reader that begins here may expect a database to be selected by the first command.
            (None, None) => self.select(0, out),
            (None, Some(_)) => {}
        }
        match record {
            Record::Command { args, .. } => write_args(out, args.as_args()),
            Record::Removed { key, .. } => write_words(out, [b"DEL", &**key]),
            Record::FieldsRemoved { key, fields, .. } => {
                let name: [&[u8]; 2] = [b"HDEL", key];
                write_words(out, name.into_iter().chain(fields.iter().map(|field| &**field)).collect::<Vec<_>>());
            }
            Record::Flushed { db: Some(_) } => write_words(out, [&b"FLUSHDB"[..]]),
            Record::Flushed { db: None } => write_words(out, [&b"FLUSHALL"[..]]),
            Record::Swapped { first, second } => {
                write_words(out, [&b"SWAPDB"[..], first.to_string().as_bytes(), second.to_string().as_bytes()]);
            }
        }
    }

    fn select(&mut self, db: usize, out: &mut Vec<u8>) {
        if self.db != Some(db) {
            self.db = Some(db);
            write_words(out, [&b"SELECT"[..], itoa::Buffer::new().format(db).as_bytes()]);
        }
    }
}

fn is_removal(record: &Record) -> bool {
    matches!(record, Record::Removed { .. } | Record::FieldsRemoved { .. })
}

/// The database that a record is about, if it is about one.
fn database(record: &Record) -> Option<usize> {
    match record {
        Record::Command { db, .. } | Record::Removed { db, .. } | Record::FieldsRemoved { db, .. } => Some(*db),
        Record::Flushed { db } => *db,
        Record::Swapped { .. } => None,
    }
}

/// Appends a command to a stream.
pub fn write_words<'w, Words>(out: &mut Vec<u8>, words: Words)
where
    Words: IntoIterator<Item = &'w [u8]>,
    Words::IntoIter: ExactSizeIterator,
{
    let words = words.into_iter();
    header(out, b'*', words.len());
    words.for_each(|word| write_word(out, word));
}

fn write_args(out: &mut Vec<u8>, args: Args<'_>) {
    header(out, b'*', args.len());
    args.iter().for_each(|word| write_word(out, word));
}

fn write_word(out: &mut Vec<u8>, word: &[u8]) {
    header(out, b'$', word.len());
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

fn header(out: &mut Vec<u8>, kind: u8, len: usize) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::ArgsBuf;

    fn command(db: usize, line: &str) -> Record {
        let args: ArgsBuf = line.split(' ').collect();
        Record::Command { db, args }
    }

    /// The commands of a stream, one a line.
    fn written(writer: &mut StreamWriter, records: Vec<Record>) -> String {
        let mut out = Vec::new();
        writer.write(&Group { records }, &mut out);
        let text = String::from_utf8(out).expect("text");
        let words = text.split("\r\n").filter(|line| !line.starts_with('$') && !line.is_empty());
        words.map(|word| if word.starts_with('*') { "\n".to_owned() } else { format!("{word} ") }).collect()
    }

    #[test]
    fn a_group_of_one_goes_bare_and_of_more_as_a_transaction() {
        let mut writer = StreamWriter::default();
        assert_eq!(written(&mut writer, vec![command(0, "SET a 1")]), "\nSELECT 0 \nSET a 1 ");
        assert_eq!(written(&mut writer, vec![command(0, "SET a 2")]), "\nSET a 2 ");
        let records = vec![command(3, "SET a 1"), Record::Removed { db: 3, key: (*b"b").into() }, command(1, "INCR n")];
        assert_eq!(written(&mut writer, records), "\nSELECT 3 \nMULTI \nSET a 1 \nDEL b \nSELECT 1 \nINCR n \nEXEC ");
        assert_eq!(writer.db(), Some(1));
    }

    #[test]
    fn what_the_keyspace_does_by_itself_is_a_command_too() {
        let mut writer = StreamWriter::default();
        let fields = vec![(*b"f").into(), (*b"g").into()];
        assert_eq!(
            written(&mut writer, vec![Record::FieldsRemoved { db: 0, key: (*b"h").into(), fields }]),
            "\nSELECT 0 \nHDEL h f g "
        );
        assert_eq!(written(&mut writer, vec![Record::Flushed { db: Some(0) }]), "\nFLUSHDB ");
        assert_eq!(written(&mut writer, vec![Record::Swapped { first: 0, second: 2 }]), "\nSWAPDB 0 2 ");
        writer.select_anew();
        assert_eq!(written(&mut writer, vec![Record::Flushed { db: None }]), "\nSELECT 0 \nFLUSHALL ");
        assert_eq!(written(&mut writer, vec![Record::Removed { db: 0, key: (*b"k").into() }]), "\nDEL k ");
    }

    #[test]
    fn keys_that_expire_together_go_one_by_one_and_debug_is_no_part_of_the_stream() {
        let mut writer = StreamWriter::default();
        let removed = |key: &[u8]| Record::Removed { db: 0, key: key.into() };
        assert_eq!(written(&mut writer, vec![removed(b"a"), removed(b"b")]), "\nSELECT 0 \nDEL a \nDEL b ");
        assert_eq!(written(&mut writer, vec![command(0, "DEBUG POPULATE 10 key 3")]), "");
    }
}
