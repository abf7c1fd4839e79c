//! COMMAND DOCS: what people and interactive clients read about a command.

use super::info::write_names;
use super::syntax::{self, Argument, Kind};
use crate::commands::framework::{Begin, CommandTable, KeyFlags, KeySpec, Row};
use crate::resp::Reply;

/// Writes the map about one command, its subcommands' within the last field.
pub fn write(reply: &mut Reply, table: &CommandTable, row: &Row) {
    let command = table.command(row.id);
    let arguments = syntax::parse(command.syntax, &row.full_name).unwrap_or_default();
    let deprecated = command.deprecated.is_some();
    let optional = [
        !command.complexity.is_empty(),
        !command.history.is_empty(),
        !arguments.is_empty(),
        !row.subcommands.is_empty(),
        // `doc_flags`, `deprecated_since` and `replaced_by`.
        deprecated,
        deprecated,
        deprecated,
    ];
    reply.map(3 + optional.into_iter().filter(|present| *present).count());
    for (name, value) in [("summary", command.summary), ("since", command.since), ("group", command.group.name())] {
        reply.bulk(name);
        reply.bulk(value);
    }
    if !command.complexity.is_empty() {
        reply.bulk("complexity");
        reply.bulk(command.complexity);
    }
    if let Some((since, replaced_by)) = command.deprecated {
        reply.bulk("doc_flags");
        write_names(reply, ["deprecated"].into_iter());
        reply.bulk("deprecated_since");
        reply.bulk(since);
        reply.bulk("replaced_by");
        reply.bulk(replaced_by);
    }
    if !command.history.is_empty() {
        reply.bulk("history");
        reply.set(command.history.len());
        for (version, change) in command.history {
            reply.array(2);
            reply.bulk(version);
            reply.bulk(change);
        }
    }
    if !arguments.is_empty() {
        reply.bulk("arguments");
        write_arguments(reply, &arguments, &mut KeySpecs { specs: command.keys, next: 0, unknown_used: false });
    }
    if !row.subcommands.is_empty() {
        reply.bulk("subcommands");
        reply.map(row.subcommands.len());
        for subcommand in &row.subcommands {
            let row = table.row(*subcommand);
            reply.bulk(&*row.full_name);
            write(reply, table, row);
        }
    }
}

/// Deals the key specifications out to the arguments: the first to the first key, and so on.
pub struct KeySpecs<'a> {
    specs: &'a [KeySpec],
    next: usize,
    unknown_used: bool,
}

impl<'a> KeySpecs<'a> {
    #[cfg(test)]
    pub fn new(specs: &'a [KeySpec]) -> Self {
        Self { specs, next: 0, unknown_used: false }
    }

    /// The specification that an argument's keys fall under, if it holds any.
    pub fn index_of(&mut self, argument: &Argument) -> Option<usize> {
        let is_unknown = |index: usize| self.specs.get(index).is_some_and(|spec| spec.begin == Begin::Unknown);
        match argument.kind {
            // Several patterns (BY, GET) may name keys that have no fixed position.
            Kind::Pattern if is_unknown(self.next) => {
                self.unknown_used = true;
                Some(self.next)
            }
            Kind::Key if self.specs.iter().all(|spec| spec.flags.has(KeyFlags::NOT_KEY)) => None,
            Kind::Key => {
                if self.unknown_used && is_unknown(self.next) {
                    self.next += 1;
                    self.unknown_used = false;
                }
                // One specification may span the keys of several arguments (LCS).
                let index = self.next.min(self.specs.len() - 1);
                self.next += 1;
                Some(index)
            }
            _ => None,
        }
    }
}

fn write_arguments(reply: &mut Reply, arguments: &[Argument], specs: &mut KeySpecs<'_>) {
    reply.array(arguments.len());
    for argument in arguments {
        let key_spec = specs.index_of(argument);
        let flags: Vec<&str> = [
            (argument.optional, "optional"),
            (argument.multiple, "multiple"),
            (argument.multiple_token, "multiple_token"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
        .collect();
        let is_nested = matches!(argument.kind, Kind::OneOf | Kind::Block);
        let present = [true, key_spec.is_some(), argument.token.is_some(), !flags.is_empty()];
        reply.map(2 + present.into_iter().filter(|present| *present).count());
        reply.bulk("name");
        reply.bulk(&argument.name);
        reply.bulk("type");
        reply.bulk(argument.kind.name());
        if !is_nested {
            reply.bulk("display_text");
            reply.bulk(if argument.kind == Kind::Pattern { "pattern" } else { &argument.name });
        }
        if let Some(index) = key_spec {
            reply.bulk("key_spec_index");
            reply.integer(index as i64);
        }
        if let Some(token) = &argument.token {
            reply.bulk("token");
            reply.bulk(if token.is_empty() { "\"\"" } else { token });
        }
        if !flags.is_empty() {
            reply.bulk("flags");
            write_names(reply, flags.into_iter());
        }
        if is_nested {
            reply.bulk("arguments");
            write_arguments(reply, &argument.children, specs);
        }
    }
}
