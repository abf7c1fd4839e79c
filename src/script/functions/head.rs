//! The first line of a library: `#!lua name=mylib`.

use crate::stdx::text::split_args;

/// The one language of libraries, in small letters.
const ENGINE: &[u8] = b"lua";

/// As which clients see that language.
pub const ENGINE_NAME: &str = "LUA";

/// What a library's name and a function's must be.
pub const NAME_RULE: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character \
                             long";

/// The first line of a library, read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    pub name: Box<[u8]>,
    /// So many bytes of the text are that line, without its end: the code begins there, so that lines are counted right.
    pub len: usize,
}

impl Head {
    /// Reads the first line of a library. Errors are texts for a reply, without their code.
    pub fn read(text: &[u8]) -> Result<Self, Vec<u8>> {
        let line = text.strip_prefix(b"#!").ok_or("Missing library metadata")?;
        let len = memchr::memchr(b'\n', line).ok_or("Invalid library metadata")? + 2;
        let words = split_args(&text[..len]).filter(|words| !words.is_empty()).ok_or("Invalid library metadata")?;
        let mut name = None;
        for word in &words[1..] {
            let Some((_, value)) = word.split_at_checked(5).filter(|(key, _)| key.eq_ignore_ascii_case(b"name="))
            else {
                return Err([b"Invalid metadata value given: ", &**word].concat());
            };
            if name.replace(value).is_some() {
                return Err(b"Invalid metadata value, name argument was given multiple times".to_vec());
            }
        }
        let name = name.ok_or("Library name was not given")?;
        if !is_name(name) {
            return Err(NAME_RULE.into());
        }
        let engine = words[0].get(2..).unwrap_or_default();
        if !engine.eq_ignore_ascii_case(ENGINE) {
            return Err([b"Engine '", engine, b"' not found"].concat());
        }
        Ok(Self { name: name.into(), len })
    }
}

/// Whether a library or a function may have this name.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_library() {
        let read = |text: &str| Head::read(text.as_bytes()).map(|head| (head.name, head.len));
        for text in
            ["#!lua name=lib_1\ncode", "#!LUA NaMe=lib_1\n", "#!lua  name=\"lib\\x5f1\" \n", "#!lua 'name=lib_1'\n"]
        {
            let end = text.find('\n').expect("a line");
            assert_eq!(read(text), Ok(((*b"lib_1").into(), end)), "{text}");
        }
        let error = |text: &str| String::from_utf8(read(text).expect_err(text)).expect("text");
        assert_eq!(error("return 1"), "Missing library metadata");
        assert_eq!(error(""), "Missing library metadata");
        assert_eq!(error("#!lua name=a"), "Invalid library metadata");
        assert_eq!(error("#!lua name=\"a\n"), "Invalid library metadata");
        assert_eq!(error("#!lua\n"), "Library name was not given");
        assert_eq!(error("#!lua name=a name=b\n"), "Invalid metadata value, name argument was given multiple times");
        assert_eq!(error("#!lua name=a flags=no-writes\n"), "Invalid metadata value given: flags=no-writes");
        assert_eq!(error("#!lua x\n"), "Invalid metadata value given: x");
        for name in ["", "a-b", "'a b'", "\u{e9}"] {
            assert_eq!(error(&format!("#!lua name={name}\n")), NAME_RULE);
        }
        assert_eq!(error("#!lux name=a\n"), "Engine 'lux' not found");
        assert_eq!(error("#! name=a\n"), "Engine '' not found");
    }
}
