//! The laws of the table: what rows say of themselves fits together.

use super::docs::KeySpecs;
use super::syntax::{self, Argument, Kind};
use crate::commands::framework::{Arity, Begin, CommandTable, Flags, KeyFlags, Row, keys_of};
use crate::resp::ArgsBuf;

fn arguments_of(table: &CommandTable, row: &Row) -> Vec<Argument> {
    syntax::parse(table.command(row.id).syntax, &row.full_name)
        .unwrap_or_else(|error| panic!("the syntax of {}: {error}", row.full_name))
}

#[test]
fn every_syntax_is_well_formed_and_agrees_with_the_arity() {
    let table = CommandTable::new();
    for row in table.rows().iter().filter(|row| !row.is_container && row.subcommands.is_empty()) {
        let arguments = arguments_of(&table, row);
        let names = 1 + usize::from(row.parent.is_some());
        let min = names + arguments.iter().map(Argument::words_min).sum::<usize>();
        let max = arguments.iter().try_fold(names, |sum, argument| Some(sum + argument.words_max()?));
        let arity = row.arity;
        // A row may let more through than its syntax says, where the handler answers with an error of its own.
        assert!(arity.accepts(min), "{}: its syntax has {min} words or more, its arity is {arity:?}", row.full_name);
        match max {
            Some(max) if max == min && arity == Arity::exactly(min as i32) => {}
            _ => assert!(
                arity.number() < 0,
                "{}: its syntax has {min} to {max:?} words, its arity is {arity:?}",
                row.full_name
            ),
        }
        let least = arity.number().unsigned_abs() as usize;
        assert!(least <= min, "{}: its syntax has {min} words or more, its arity is {arity:?}", row.full_name);
    }
}

#[test]
fn keys_in_the_syntax_fall_under_key_specifications() {
    fn key_arguments(arguments: &[Argument], specs: &mut KeySpecs<'_>, found: &mut Vec<Option<usize>>) {
        for argument in arguments {
            let index = specs.index_of(argument);
            if argument.kind == Kind::Key {
                found.push(index);
            }
            key_arguments(&argument.children, specs, found);
        }
    }
    let table = CommandTable::new();
    for row in table.rows() {
        let keys = row.keys;
        let mut found = Vec::new();
        key_arguments(&arguments_of(&table, row), &mut KeySpecs::new(keys), &mut found);
        let real = keys.iter().filter(|spec| !spec.flags.has(KeyFlags::NOT_KEY)).count();
        let named = found.iter().filter(|index| index.is_some()).count();
        assert_eq!(
            real > 0,
            named > 0,
            "{}: the row has {real} key specifications, and its syntax names {named} keys",
            row.full_name
        );
        assert!(found.iter().flatten().max().is_none_or(|last| *last < keys.len()), "{}", row.full_name);
    }
}

#[test]
fn every_key_specification_says_what_the_command_does_with_the_key() {
    let modes = [KeyFlags::RO, KeyFlags::RW, KeyFlags::OW, KeyFlags::RM];
    for row in CommandTable::new().rows() {
        for spec in row.keys.iter().filter(|spec| !spec.flags.has(KeyFlags::NOT_KEY)) {
            let named = modes.iter().filter(|mode| spec.flags.has(**mode)).count();
            assert_eq!(named, 1, "{}: exactly one of RO, RW, OW, RM", row.full_name);
        }
    }
}

#[test]
fn every_command_with_keys_yields_them_from_its_shortest_form() {
    for row in CommandTable::new().rows().iter().filter(|row| !row.is_container) {
        if !row.keys.iter().any(|spec| !spec.flags.has(KeyFlags::NOT_KEY)) {
            continue;
        }
        // Where keys need not be there, one is added.
        let optional = usize::from(row.flags.has(Flags::NO_MANDATORY_KEYS));
        let words = row.arity.number().unsigned_abs() as usize + optional;
        let mut line = vec!["1"; words];
        for spec in row.keys {
            if let Begin::Keyword(keyword, from) = spec.begin
                && let Some(word) = usize::try_from(from).ok().and_then(|from| line.get_mut(from))
            {
                *word = keyword;
            }
        }
        let args: ArgsBuf = line.into_iter().collect();
        let keys = keys_of(row, args.as_args());
        assert!(keys.is_ok_and(|keys| keys.iter().all(|key| key.index < words)), "{}", row.full_name);
    }
}
