//! A command's row: plain constant data beside its handler, from which lookup, arity, COMMAND, ACL categories,
//! statistics and HELP derive.

use super::context::{AdminCtx, ClientCtx, ReadCtx, WriteCtx};
use super::error::CommandResult;
use super::spec::{Arity, Channels, ElementHint, Flags, Group, KeySpec};
use crate::resp::Args;

/// One command or subcommand.
pub struct Command {
    /// In capitals; of a subcommand, its own name only (`LIST` of `CLIENT LIST`).
    pub name: &'static str,
    pub summary: &'static str,
    /// The version of Redis that has it first.
    pub since: &'static str,
    pub complexity: &'static str,
    pub group: Group,
    pub arity: Arity,
    pub flags: Flags,
    pub keys: &'static [KeySpec],
    /// Which arguments are channels that it publishes or subscribes to.
    pub channels: Channels,
    /// The arguments behind the name in the notation of the command reference, from which COMMAND DOCS derives its
    /// argument tree: `key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]`, `key [key ...]`.
    pub syntax: &'static str,
    /// What of the first key's value is fetched into the cache ahead, where commands come in numbers.
    pub element: ElementHint,
    /// Version and what it changed.
    pub history: &'static [(&'static str, &'static str)],
    /// Since which version the command is deprecated, and what replaces it.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Hints for proxies and cluster clients (`nondeterministic_output` and the like).
    pub tips: &'static [&'static str],
    pub subcommands: &'static [Command],
    pub run: Handler,
}

/// Who runs a command: the argument it is given is its permission.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Reads the keyspace and changes nothing.
    Read(fn(&mut ReadCtx<'_>, Args<'_>) -> CommandResult),
    /// Changes the keyspace.
    Write(fn(&mut WriteCtx<'_>, Args<'_>) -> CommandResult),
    /// Concerns the connection that sent it (HELLO, SELECT).
    Client(fn(&mut ClientCtx<'_>, Args<'_>) -> CommandResult),
    /// Concerns the server; may see everything that a handler can see, and asks for the rest by effects.
    Admin(fn(&mut AdminCtx<'_>, Args<'_>) -> CommandResult),
    /// Has subcommands and is no command by itself.
    Container,
}

impl Handler {
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Read(_))
    }
}

impl Command {
    /// What most rows of a group share, for struct update syntax.
    pub const fn in_group(group: Group) -> Command {
        Command {
            name: "",
            summary: "",
            since: "1.0.0",
            complexity: "O(1)",
            group,
            arity: Arity::exactly(1),
            flags: Flags::NONE,
            keys: &[],
            channels: Channels::None,
            syntax: "",
            element: ElementHint::Second,
            history: &[],
            deprecated: None,
            tips: &[],
            subcommands: &[],
            run: Handler::Container,
        }
    }
}
