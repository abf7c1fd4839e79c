//! Which arguments of a command are keys, read off its row's key specifications.

use super::row::Row;
use super::spec::{Begin, Find, KeyFlags, KeySpec};
use crate::resp::Args;
use crate::stdx::number::parse_i64;

/// One key among the arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyArg {
    pub index: usize,
    /// What the command does with it.
    pub flags: KeyFlags,
}

/// Why a command line has no keys. The texts are those of COMMAND GETKEYS, after `ERR `.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeysError {
    #[error("The command has no key arguments")]
    NoKeyArguments,
    #[error("Invalid number of arguments specified for command")]
    WrongArity,
    #[error("Invalid arguments specified for command")]
    InvalidArguments,
}

/// The keys among `args`, whose first is the command's name, in the order of the specifications.
pub fn keys_of(row: &Row, args: Args<'_>) -> Result<Vec<KeyArg>, KeysError> {
    if !row.keys.iter().any(|spec| !spec.flags.has(KeyFlags::NOT_KEY)) {
        return Err(KeysError::NoKeyArguments);
    }
    if !row.arity.accepts(args.len()) {
        return Err(KeysError::WrongArity);
    }
    if let Some(keys) = migrated(row, args) {
        return if keys.is_empty() { Err(KeysError::InvalidArguments) } else { Ok(keys) };
    }
    let mut keys = Vec::new();
    for spec in row.keys.iter().filter(|spec| !spec.flags.has(KeyFlags::NOT_KEY)) {
        match find(spec, args) {
            Found::Keys { first, last, step } => {
                let flags = flags_in(row, spec, args);
                keys.extend((first..=last).step_by(step.max(1)).map(|index| KeyArg { index, flags }));
            }
            Found::Nothing => {}
            Found::Invalid => return Err(KeysError::InvalidArguments),
        }
    }
    if keys.is_empty() { Err(KeysError::InvalidArguments) } else { Ok(keys) }
}

/// The keys among `args` as far as they are known: of a line that is not valid, which its command refuses, some or none.
pub fn keys_named(row: &Row, args: Args<'_>) -> Vec<KeyArg> {
    if let Some(keys) = migrated(row, args) {
        return keys;
    }
    let specs = row.keys.iter().filter(|spec| !spec.flags.has(KeyFlags::NOT_KEY));
    let mut keys = Vec::new();
    for spec in specs {
        if let Found::Keys { first, last, step } = find(spec, args) {
            let flags = flags_in(row, spec, args);
            keys.extend((first..=last).step_by(step.max(1)).map(|index| KeyArg { index, flags }));
        }
    }
    keys
}

enum Found {
    Keys {
        first: usize,
        last: usize,
        step: usize,
    },
    /// The keyword is not there, or the command has keys where no specification describes.
    Nothing,
    Invalid,
}

fn find(spec: &KeySpec, args: Args<'_>) -> Found {
    let begin = match spec.begin {
        Begin::Index(index) => Some(index),
        Begin::Keyword("STREAMS", start_from) => find_streams(start_from, args),
        Begin::Keyword(keyword, start_from) if spec.flags.has(KeyFlags::OW) => {
            let start = usize::try_from(start_from).unwrap_or(0);
            find_destination(start, args).filter(|at| args.arg(at - 1).eq_ignore_ascii_case(keyword.as_bytes()))
        }
        Begin::Keyword(keyword, start_from) => find_keyword(keyword, start_from, args),
        Begin::Unknown if spec.flags.has(KeyFlags::OW) => {
            let found = find_destination(2, args);
            return found.map_or(Found::Nothing, |at| Found::Keys { first: at, last: at, step: 1 });
        }
        // The names of the other keys that no specification can place come from the data.
        Begin::Unknown => return Found::Nothing,
    };
    let Some(begin) = begin else { return Found::Nothing };
    let len = args.len() as i64;
    let begin = begin as i64;
    let (first, last, step) = match spec.find {
        // All arguments from there on, of which there may be none (`PFMERGE destkey`).
        Find::Range { last: -1, limit: 0, .. } if begin == len => return Found::Nothing,
        Find::Range { last, step, .. } if last >= 0 => (begin, begin + i64::from(last), step.into()),
        Find::Range { last, step, limit: 0 } => (begin, len + i64::from(last), step.into()),
        Find::Range { last, step, limit } => {
            (begin, begin + (len - begin) / i64::from(limit) + i64::from(last), step.into())
        }
        Find::KeyNum { number, first, step } => {
            let count = args.get(begin as usize + number).and_then(parse_i64);
            let Some(count) = count.filter(|count| (0..=len).contains(count)) else { return Found::Invalid };
            let first = begin + first as i64;
            (first, first + (count - 1) * (step as i64).max(1), step as i64)
        }
        Find::Unknown => return Found::Nothing,
    };
    if last >= len || last < first || first >= len {
        return Found::Invalid;
    }
    Found::Keys { first: first as usize, last: last as usize, step: step as usize }
}

/// Where the argument behind `keyword` is, searched from `start_from`, or from the end backwards if that is negative.
fn find_keyword(keyword: &str, start_from: i32, args: Args<'_>) -> Option<usize> {
    let is_keyword = |index: &usize| args.arg(*index).eq_ignore_ascii_case(keyword.as_bytes());
    let place = match usize::try_from(start_from) {
        Ok(start) => (start..args.len()).find(is_keyword),
        Err(_) => {
            let end = (args.len() + 1).checked_sub(start_from.unsigned_abs() as usize)?;
            (1..end.min(args.len())).rev().find(is_keyword)
        }
    };
    place.map(|index| index + 1)
}

/// The key behind an option that may be anywhere from `start` on: `STORE destination` of SORT and GEORADIUS, whose other way
/// to say it is `STOREDIST`. The last one holds. What an option takes is none itself, even if it reads so.
fn find_destination(start: usize, args: Args<'_>) -> Option<usize> {
    let mut found = None;
    let mut index = start;
    while index + 1 < args.len() {
        let is = |word: &str| args.arg(index).eq_ignore_ascii_case(word.as_bytes());
        if is("STORE") || is("STOREDIST") {
            found = Some(index + 1);
            index += 1;
        } else if is("LIMIT") {
            index += 2;
        } else if is("BY") || is("GET") || is("COUNT") {
            index += 1;
        }
        index += 1;
    }
    found
}

/// Where the first key is of XREAD and XREADGROUP. A group and a consumer may be called STREAMS.
fn find_streams(start_from: i32, args: Args<'_>) -> Option<usize> {
    let mut index = usize::try_from(start_from).ok()?;
    loop {
        let option = args.get(index)?;
        let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
        index += match () {
            () if is("STREAMS") => return Some(index + 1),
            () if is("GROUP") => 3,
            () if is("COUNT") || is("BLOCK") => 2,
            () if is("NOACK") => 1,
            // The command refuses it.
            () => return None,
        };
    }
}

/// The keys of a MIGRATE: the one that it names in its place, or where that is empty all behind the first KEYS that is no
/// password. The specifications would see the last KEYS, which may be a key itself, and take the empty argument for a key
/// that says where the keys are.
fn migrated(row: &Row, args: Args<'_>) -> Option<Vec<KeyArg>> {
    if &*row.full_name != "migrate" {
        return None;
    }
    let flags = row.keys[0].flags;
    let one = || Some(vec![KeyArg { index: 3, flags }]);
    if !args.get(3)?.is_empty() {
        return one();
    }
    let mut index = 6;
    while let Some(option) = args.get(index) {
        let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
        index += match () {
            () if is("KEYS") => return Some((index + 1..args.len()).map(|index| KeyArg { index, flags }).collect()),
            () if is("AUTH") => 2,
            () if is("AUTH2") => 3,
            () => 1,
        };
    }
    one()
}

/// What the command does with the keys given these arguments: `SET` without `GET` only overwrites.
fn flags_in(row: &Row, spec: &KeySpec, args: Args<'_>) -> KeyFlags {
    let has_word = |word: &[u8], from: usize| args.tail(from).iter().any(|arg| arg.eq_ignore_ascii_case(word));
    match &*row.full_name {
        "set" if !has_word(b"GET", 3) => KeyFlags::OW.or(KeyFlags::UPDATE),
        "set" => KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE),
        "bitfield" if !has_word(b"SET", 2) && !has_word(b"INCRBY", 2) => KeyFlags::RO.or(KeyFlags::ACCESS),
        "bitfield" => KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE),
        _ => spec.flags,
    }
}

/// The one range of keys that COMMAND INFO showed before there were key specifications.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LegacyRange {
    /// 0: there is none.
    pub first: i32,
    /// Negative: counted from the last argument.
    pub last: i32,
    pub step: i32,
    /// The range does not cover all keys.
    pub movable_keys: bool,
}

impl LegacyRange {
    /// Joins the ranges that follow one another without a gap; whatever else there is makes the keys movable.
    pub fn of(specs: &[KeySpec]) -> Self {
        let mut range = Self::default();
        for spec in specs {
            let (Begin::Index(first), Find::Range { last, step, .. }) = (spec.begin, spec.find) else {
                range.movable_keys = true;
                continue;
            };
            let first = first as i32;
            let alone = specs.len() == 1;
            if !alone && (step != 1 || (range.first != 0 && range.last != first - 1)) {
                range.movable_keys = true;
                continue;
            }
            range.movable_keys |= spec.flags.has(KeyFlags::INCOMPLETE);
            if range.first == 0 {
                range.first = first;
            }
            range.last = if last >= 0 { first + last } else { last };
            range.step = step;
        }
        range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: KeyFlags = KeyFlags::RO;

    fn indexes(spec: KeySpec, line: &str) -> Option<Vec<usize>> {
        let args: crate::resp::ArgsBuf = line.split(' ').collect();
        match find(&spec, args.as_args()) {
            Found::Keys { first, last, step } => Some((first..=last).step_by(step).collect()),
            Found::Nothing => Some(Vec::new()),
            Found::Invalid => None,
        }
    }

    #[test]
    fn ranges_count_from_the_first_key_or_from_the_end() {
        assert_eq!(indexes(KeySpec::first(ANY), "GET a"), Some(vec![1]));
        assert_eq!(indexes(KeySpec::rest(1, ANY), "DEL a b c"), Some(vec![1, 2, 3]));
        assert_eq!(indexes(KeySpec::range(1, -1, 2, ANY), "MSET a 1 b 2"), Some(vec![1, 3]));
        assert_eq!(indexes(KeySpec::range(1, -2, 1, ANY), "BLPOP a b 0"), Some(vec![1, 2]));
        assert_eq!(indexes(KeySpec::range(3, -2, 1, ANY), "X a b"), None);
    }

    #[test]
    fn keywords_are_searched_from_either_end() {
        let range = Find::Range { last: -1, step: 1, limit: 2 };
        let streams = KeySpec { begin: Begin::Keyword("STREAMS", 1), find: range, ..KeySpec::first(ANY) };
        assert_eq!(indexes(streams, "XREAD COUNT 2 STREAMS a b 0 0"), Some(vec![4, 5]));
        assert_eq!(indexes(streams, "XREAD COUNT 2"), Some(vec![]));
        assert_eq!(indexes(streams, "XREADGROUP GROUP g STREAMS STREAMS a >"), Some(vec![5]));
        assert_eq!(indexes(streams, "XREADGROUP NOACK COUNT 1 GROUP STREAMS STREAMS STREAMS a >"), Some(vec![8]));
        assert_eq!(indexes(streams, "XREAD WHAT STREAMS a 0"), Some(vec![]));
        let rest = Find::Range { last: -1, step: 1, limit: 0 };
        let migrate = KeySpec { begin: Begin::Keyword("KEYS", -2), find: rest, ..KeySpec::first(ANY) };
        assert_eq!(indexes(migrate, "MIGRATE h 1 KEYS 0 9 KEYS a b"), Some(vec![7, 8]));
        assert_eq!(indexes(migrate, "X"), Some(vec![]));
    }

    #[test]
    fn a_destination_may_stand_anywhere_behind_the_key() {
        let store = KeySpec { begin: Begin::Unknown, find: Find::Unknown, ..KeySpec::first(KeyFlags::OW) };
        assert_eq!(indexes(store, "SORT a DESC STORE b ALPHA"), Some(vec![4]));
        assert_eq!(indexes(store, "SORT a STORE b STORE c"), Some(vec![5]));
        assert_eq!(indexes(store, "SORT a GET STORE LIMIT STORE b BY STORE"), Some(vec![]));
        assert_eq!(indexes(store, "SORT a STORE"), Some(vec![]));
        assert_eq!(indexes(store, "SORT a STORE by STORE b"), Some(vec![5]));
        assert_eq!(indexes(store, "SORT a STORE limit STORE b STORE store"), Some(vec![7]));
    }

    #[test]
    fn of_several_destinations_of_a_search_the_last_is_the_key() {
        let range = Find::Range { last: 0, step: 1, limit: 0 };
        let spec = |word| KeySpec { begin: Begin::Keyword(word, 6), find: range, ..KeySpec::first(KeyFlags::OW) };
        for (line, store, distance) in [
            ("GEORADIUS a 0 0 1 km STORE b STORE c", vec![9], vec![]),
            ("GEORADIUS a 0 0 1 km STORE b STOREDIST c", vec![], vec![9]),
            ("GEORADIUS a 0 0 1 km STOREDIST b COUNT 1 STORE STORE ASC", vec![11], vec![]),
            ("GEORADIUS store 0 0 1 km", vec![], vec![]),
        ] {
            assert_eq!(indexes(spec("STORE"), line), Some(store), "{line}");
            assert_eq!(indexes(spec("STOREDIST"), line), Some(distance), "{line}");
        }
    }

    #[test]
    fn several_migrated_keys_stand_behind_the_first_keyword() {
        let table = crate::commands::CommandTable::new();
        let of = |words: &[&str]| {
            let args: crate::resp::ArgsBuf = words.iter().collect();
            let row = table.resolve(args.as_args()).expect("in the table");
            keys_of(row, args.as_args()).map(|keys| keys.iter().map(|key| key.index).collect::<Vec<_>>())
        };
        assert_eq!(of(&["migrate", "h", "1", "k", "0", "9", "COPY"]), Ok(vec![3]));
        assert_eq!(of(&["migrate", "h", "1", "keys", "0", "9", "COPY"]), Ok(vec![3]));
        assert_eq!(
            of(&["migrate", "h", "1", "", "0", "9", "AUTH", "keys", "KEYS", "a", "keys", "b"]),
            Ok(vec![9, 10, 11])
        );
        assert_eq!(of(&["migrate", "h", "1", "", "0", "9", "KEYS"]), Err(KeysError::InvalidArguments));
        assert_eq!(of(&["migrate", "h", "1", "", "0", "9"]), Ok(vec![3]));
        // Whoever asks what a user may do sees every key, and not only those behind the last word that reads KEYS.
        let args: crate::resp::ArgsBuf =
            "migrate h 1 _ 0 9 KEYS secret KEYS open".split(' ').map(|word| word.trim_matches('_')).collect();
        let row = table.resolve(args.as_args()).expect("in the table");
        let named: Vec<_> = keys_named(row, args.as_args()).iter().map(|key| key.index).collect();
        assert_eq!(named, [7, 8, 9]);
    }

    #[test]
    fn counted_keys_are_checked_against_their_number() {
        let counted = KeySpec::counted(1, ANY);
        assert_eq!(indexes(counted, "ZUNION 2 a b WEIGHTS"), Some(vec![2, 3]));
        assert_eq!(indexes(counted, "ZUNION 3 a b"), None);
        assert_eq!(indexes(counted, "ZUNION x a b"), None);
        assert_eq!(indexes(counted, "ZUNION 9223372036854775807 a b"), None);
        assert_eq!(indexes(counted, "ZUNION -1 a b"), None);
    }

    #[test]
    fn the_legacy_range_joins_neighbours_only() {
        let joined = LegacyRange::of(&[KeySpec::at(1, ANY), KeySpec::at(2, ANY)]);
        assert_eq!(joined, LegacyRange { first: 1, last: 2, step: 1, movable_keys: false });
        let counted = LegacyRange::of(&[KeySpec::at(1, ANY), KeySpec::counted(2, ANY)]);
        assert_eq!(counted, LegacyRange { first: 1, last: 1, step: 1, movable_keys: true });
        let all = LegacyRange::of(&[KeySpec::range(1, -1, 2, ANY)]);
        assert_eq!(all, LegacyRange { first: 1, last: -1, step: 2, movable_keys: false });
        assert_eq!(LegacyRange::of(&[]), LegacyRange::default());
    }
}
