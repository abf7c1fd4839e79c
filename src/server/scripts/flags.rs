//! What a script's first line says of it, and what that forbids now.

use crate::commands::{CommandError, CommandId, Flags};
use crate::resp::Args;
use crate::script::{ScriptFlags, Sha, Shebang};
use crate::server::exec::gate;
use crate::server::executor::Executor;

impl Executor {
    /// The flags of a command with these arguments: its row's, but for what a script says of itself.
    pub(in crate::server) fn flags_of(&self, command: CommandId, args: Args<'_>) -> Flags {
        let flags = self.table.row(command).flags;
        if !flags.has(Flags::RUNS_SCRIPT) {
            return flags;
        }
        let declared = match flags.has(Flags::RUNS_FUNCTION) {
            true => args.get(1).and_then(|name| self.function_flags(name)),
            false => self.declared_flags(args),
        };
        match declared {
            Some(declared) if !declared.is_plain => with_declared(flags, declared),
            _ => flags,
        }
    }

    /// What the script says of itself that a command is to run, if it is known or its text is there.
    fn declared_flags(&self, args: Args<'_>) -> Option<ScriptFlags> {
        let text = args.get(1)?;
        let known = |sha| self.scripts.cache.flags(sha);
        // An SHA is no script, so that it does not matter which of the two the command expects.
        if let Some(flags) = Sha::from_hex(text).and_then(known) {
            return Some(flags);
        }
        known(Sha::of(text)).or_else(|| Some(Shebang::read(text).ok()?.flags))
    }

    /// What a script's first line forbids now.
    pub(super) fn check_script_flags(&self, flags: ScriptFlags, read_only: bool) -> Result<(), CommandError> {
        if self.is_stale() && !flags.allow_stale {
            return Err(CommandError::text(gate::MASTERDOWN));
        }
        if flags.is_plain {
            return Ok(());
        }
        if !flags.no_writes {
            if self.writes_are_stopped() {
                return Err(CommandError::text(
                    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
                     Writable scripts are blocked. Use 'no-writes' flag for read only scripts.",
                ));
            }
            if read_only {
                return Err(CommandError::text("ERR Can not execute a script with write flag using *_ro command."));
            }
        }
        if self.memory.is_exhausted() && !flags.allow_oom && !flags.no_writes {
            return Err(CommandError::text(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
            ));
        }
        Ok(())
    }
}

/// The flags of a command that runs a script which says this of itself. One that does not write may run with any memory.
fn with_declared(flags: Flags, declared: ScriptFlags) -> Flags {
    let mut flags = flags.without(Flags::STALE.or(Flags::DENYOOM).or(Flags::WRITE).or(Flags::MAY_REPLICATE));
    if !declared.allow_oom && !declared.no_writes {
        flags = flags.or(Flags::DENYOOM);
    }
    if !declared.no_writes {
        flags = flags.or(Flags::WRITE);
    }
    if declared.allow_stale {
        flags = flags.or(Flags::STALE);
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_script_says_of_itself_counts_in_place_of_the_rows_flags() {
        let row = Flags::STALE.or(Flags::MAY_REPLICATE).or(Flags::NOSCRIPT);
        let declared = |line: &str| with_declared(row, Shebang::read(line.as_bytes()).expect("a shebang").flags);
        assert_eq!(declared("#!lua\n"), Flags::NOSCRIPT.or(Flags::DENYOOM).or(Flags::WRITE));
        assert_eq!(declared("#!lua flags=no-writes\n"), Flags::NOSCRIPT);
        assert_eq!(declared("#!lua flags=allow-oom,allow-stale\n"), Flags::NOSCRIPT.or(Flags::WRITE).or(Flags::STALE));
    }
}
