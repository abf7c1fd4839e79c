//! The replies of the HELP subcommands.

use super::error::CommandError;
use crate::resp::{Args, Reply};

/// Writes the help of a container command: a heading, each subcommand with its explanation, HELP itself.
pub fn reply(reply: &mut Reply, command: &str, lines: &[(&str, &str)]) {
    let mut text = vec![format!("{command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")];
    for (usage, explanation) in lines.iter().chain(&[("HELP", "Print this help.")]) {
        text.push((*usage).to_owned());
        text.extend(explanation.lines().map(|line| format!("    {line}")));
    }
    reply.array(text.len());
    for line in &text {
        reply.simple(line);
    }
}

/// What a subcommand answers whose arguments are of no known form.
pub fn unknown_or_wrong_arity(args: Args<'_>, command: &str) -> CommandError {
    let mut text = b"ERR unknown subcommand or wrong number of arguments for '".to_vec();
    text.extend_from_slice(&args.arg(1)[..args.arg(1).len().min(128)]);
    text.extend_from_slice(format!("'. Try {command} HELP.").as_bytes());
    CommandError::Bytes(text)
}
