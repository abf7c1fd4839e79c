//! The commands that took longest lately (SLOWLOG).

use std::collections::VecDeque;

/// Arguments kept of one command; the last of them may say how many more there were.
const ARGUMENTS_MAX: usize = 32;

/// Bytes kept of one argument.
const ARGUMENT_BYTES_MAX: usize = 128;

/// One command that took long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlowCommand {
    pub id: u64,
    pub unix_seconds: i64,
    pub duration_us: u64,
    /// The command's name in the table of commands; its first argument may be another, which is a secret then.
    pub command: Box<str>,
    pub args: Vec<Vec<u8>>,
    pub peer: String,
    pub client_name: Vec<u8>,
}

/// The latest of them, newest first.
#[derive(Debug, Default)]
pub struct SlowLog {
    commands: VecDeque<SlowCommand>,
    next_id: u64,
}

impl SlowLog {
    /// Adds a command, whose number is given here, and drops the oldest ones beyond `len_max`.
    pub fn push(&mut self, mut command: SlowCommand, len_max: usize) {
        command.id = self.next_id;
        self.next_id += 1;
        self.commands.push_front(command);
        self.cut(len_max);
    }

    pub fn cut(&mut self, len_max: usize) {
        self.commands.truncate(len_max);
    }

    pub fn len(&self) -> usize {
        self.commands.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &SlowCommand> {
        self.commands.iter()
    }

    /// Drops all; numbers go on.
    pub fn clear(&mut self) {
        self.commands.clear();
    }
}

/// The arguments as the slow log keeps them: neither too many nor too long ones.
pub fn shorten_args<'a>(args: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let count = args.len();
    let kept = if count > ARGUMENTS_MAX { ARGUMENTS_MAX - 1 } else { count };
    let mut shortened: Vec<Vec<u8>> = args.take(kept).map(shorten).collect();
    if kept < count {
        shortened.push(format!("... ({} more arguments)", count - kept).into());
    }
    shortened
}

fn shorten(arg: &[u8]) -> Vec<u8> {
    match arg.split_at_checked(ARGUMENT_BYTES_MAX) {
        Some((head, rest)) if !rest.is_empty() => {
            [head, format!("... ({} more bytes)", rest.len()).as_bytes()].concat()
        }
        _ => arg.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(args: &[&str]) -> SlowCommand {
        SlowCommand {
            id: 0,
            unix_seconds: 1,
            duration_us: 2,
            command: args.first().copied().unwrap_or_default().into(),
            args: args.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            peer: String::new(),
            client_name: Vec::new(),
        }
    }

    #[test]
    fn the_newest_commands_stay_and_numbers_go_on() {
        let mut log = SlowLog::default();
        for name in ["a", "b", "c"] {
            log.push(command(&[name]), 2);
        }
        let ids = |log: &SlowLog| log.iter().map(|command| command.id).collect::<Vec<_>>();
        assert_eq!(ids(&log), [2, 1]);
        log.clear();
        log.push(command(&["d"]), 2);
        assert_eq!((log.len(), ids(&log)), (1, vec![3]));
        log.push(command(&["e"]), 0);
        assert_eq!(log.len(), 0);
    }

    #[test]
    fn many_and_long_arguments_are_cut_and_say_so() {
        let args: Vec<Vec<u8>> = (0..33).map(|number| number.to_string().into_bytes()).collect();
        let shortened = shorten_args(args.iter().map(Vec::as_slice));
        assert_eq!((shortened.len(), shortened[31].as_slice()), (32, &b"... (2 more arguments)"[..]));
        assert_eq!(shorten_args(args[..32].iter().map(Vec::as_slice)), &args[..32]);
        let long = shorten(&[b'A'; 129]);
        assert_eq!(long, [&[b'A'; 128][..], b"... (1 more bytes)"].concat());
        assert_eq!(shorten(&[b'A'; 128]), [b'A'; 128]);
    }
}
