//! COMMAND and COMMAND INFO: what clients and proxies need to route a command.

use crate::commands::framework::{Begin, CommandTable, Find, Flags, KeySpec, LegacyRange, Row, categories_of};
use crate::resp::Reply;

/// Writes the ten fields of one command, its subcommands' within the last.
pub fn write(reply: &mut Reply, table: &CommandTable, row: &Row) {
    let command = table.command(row.id);
    let range = LegacyRange::of(command.keys);
    reply.array(10);
    reply.bulk(&*row.full_name);
    reply.integer(command.arity.number().into());
    let movable = if range.movable_keys { Flags::MOVABLE_KEYS } else { Flags::NONE };
    write_names(reply, row.flags.or(movable).names());
    reply.integer(range.first.into());
    reply.integer(range.last.into());
    reply.integer(range.step.into());
    let categories: Vec<String> = categories_of(row).map(|category| format!("@{category}")).collect();
    write_names(reply, categories.iter().map(String::as_str));
    reply.set(command.tips.len());
    for tip in command.tips {
        reply.bulk(tip);
    }
    reply.set(command.keys.len());
    for spec in command.keys {
        write_key_spec(reply, spec);
    }
    if row.subcommands.is_empty() {
        reply.set(0);
        return;
    }
    reply.array(row.subcommands.len());
    for subcommand in &row.subcommands {
        write(reply, table, table.row(*subcommand));
    }
}

/// Writes a set of words as simple strings.
pub fn write_names<'a>(reply: &mut Reply, names: impl Iterator<Item = &'a str>) {
    let names: Vec<_> = names.collect();
    reply.set(names.len());
    for name in names {
        reply.simple(name);
    }
}

fn write_key_spec(reply: &mut Reply, spec: &KeySpec) {
    reply.map(if spec.notes.is_empty() { 3 } else { 4 });
    if !spec.notes.is_empty() {
        reply.bulk("notes");
        reply.bulk(spec.notes);
    }
    reply.bulk("flags");
    write_names(reply, spec.flags.names());
    reply.bulk("begin_search");
    match spec.begin {
        Begin::Index(index) => {
            write_search(reply, "index", 1);
            write_number(reply, "index", index as i64);
        }
        Begin::Keyword(keyword, start_from) => {
            write_search(reply, "keyword", 2);
            reply.bulk("keyword");
            reply.bulk(keyword);
            write_number(reply, "startfrom", start_from.into());
        }
        Begin::Unknown => write_search(reply, "unknown", 0),
    }
    reply.bulk("find_keys");
    match spec.find {
        Find::Range { last, step, limit } => {
            write_search(reply, "range", 3);
            write_number(reply, "lastkey", last.into());
            write_number(reply, "keystep", step.into());
            write_number(reply, "limit", limit.into());
        }
        Find::KeyNum { number, first, step } => {
            write_search(reply, "keynum", 3);
            write_number(reply, "keynumidx", number as i64);
            write_number(reply, "firstkey", first as i64);
            write_number(reply, "keystep", step as i64);
        }
        Find::Unknown => write_search(reply, "unknown", 0),
    }
}

/// Opens a way to search: its name, and a map of so many figures, which follow.
fn write_search(reply: &mut Reply, name: &str, figures: usize) {
    reply.map(2);
    reply.bulk("type");
    reply.bulk(name);
    reply.bulk("spec");
    reply.map(figures);
}

fn write_number(reply: &mut Reply, name: &str, number: i64) {
    reply.bulk(name);
    reply.integer(number);
}
