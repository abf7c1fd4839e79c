//! The first line of a script: `#!lua name=lib flags=no-writes,allow-oom`.

use crate::stdx::text::split_args;

/// What a script says of itself. Without a first line of this kind it is as scripts were before Redis 7.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScriptFlags {
    /// There was no such line.
    pub is_plain: bool,
    pub no_writes: bool,
    pub allow_oom: bool,
    pub allow_stale: bool,
    pub no_cluster: bool,
    pub allow_cross_slot_keys: bool,
}

impl ScriptFlags {
    pub const PLAIN: Self = Self {
        is_plain: true,
        no_writes: false,
        allow_oom: false,
        allow_stale: false,
        no_cluster: false,
        allow_cross_slot_keys: false,
    };

    /// Sets the flag of this name. Returns whether there is one.
    pub fn set(&mut self, name: &[u8]) -> bool {
        let flag = match name {
            b"no-writes" => &mut self.no_writes,
            b"allow-oom" => &mut self.allow_oom,
            b"allow-stale" => &mut self.allow_stale,
            b"no-cluster" => &mut self.no_cluster,
            b"allow-cross-slot-keys" => &mut self.allow_cross_slot_keys,
            _ => return false,
        };
        *flag = true;
        true
    }

    /// The names of the flags that are set, in the order in which FUNCTION LIST shows them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (self.no_writes, "no-writes"),
            (self.allow_oom, "allow-oom"),
            (self.allow_stale, "allow-stale"),
            (self.no_cluster, "no-cluster"),
            (self.allow_cross_slot_keys, "allow-cross-slot-keys"),
        ]
        .into_iter()
        .filter_map(|(is_set, name)| is_set.then_some(name))
    }
}

/// The first line of a script for EVAL, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shebang {
    pub flags: ScriptFlags,
    /// So many bytes of the text are that line, without its end: the code begins there, so that lines are counted right.
    pub len: usize,
}

impl Shebang {
    /// Reads the first line of a script. Errors are texts for a reply, without their code.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        if !text.starts_with(b"#!") {
            return Ok(Self { flags: ScriptFlags::PLAIN, len: 0 });
        }
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let len = memchr::memchr(b'\n', text).ok_or("Invalid script shebang")?;
        let mut words = split_args(&text[..len]).ok_or("Invalid engine in script shebang")?.into_iter();
        let engine = words.next().unwrap_or_default();
        if engine != b"#!lua" {
            return Err(format!("Unexpected engine in script shebang: {}", shown(&engine)));
        }
        let mut flags = ScriptFlags::default();
        for word in words {
            let Some(names) = word.strip_prefix(b"flags=") else {
                return Err(format!("Unknown lua shebang option: {}", shown(&word)));
            };
            for name in names.split(|byte| *byte == b',').filter(|_| !names.is_empty()) {
                if !flags.set(name) {
                    return Err(format!("Unexpected flag in script shebang: {}", shown(name)));
                }
            }
        }
        Ok(Self { flags, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_flags() {
        assert_eq!(Shebang::read(b"return 1"), Ok(Shebang { flags: ScriptFlags::PLAIN, len: 0 }));
        let read = Shebang::read(b"#!lua flags=no-writes,allow-oom\nreturn 1").expect("a shebang");
        assert_eq!((read.len, read.flags.names().collect::<Vec<_>>()), (31, vec!["no-writes", "allow-oom"]));
        assert_eq!(Shebang::read(b"#!lua\nreturn 1").expect("a shebang").flags, ScriptFlags::default());
        let error = |text: &[u8]| Shebang::read(text).expect_err("no shebang");
        assert_eq!(error(b"#!lua"), "Invalid script shebang");
        assert_eq!(error(b"#!not-lua\n"), "Unexpected engine in script shebang: #!not-lua");
        assert_eq!(error(b"#!lua flags=\"a\n"), "Invalid engine in script shebang");
        assert_eq!(error(b"#!lua badger=\"da ta\"\n"), "Unknown lua shebang option: badger=da ta");
        assert_eq!(error(b"#!lua badger=data\n"), "Unknown lua shebang option: badger=data");
        assert_eq!(error(b"#!lua flags=bad\n"), "Unexpected flag in script shebang: bad");
    }
}
