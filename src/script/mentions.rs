//! Which of its two lists a script can look at.

use memchr::memmem;

/// Whether a script can find its keys and its arguments, by their names or by what leads to every global: `_G`, and texts
/// that are compiled while it runs (`load`, `loadstring`); there is no `getfenv`. Names have no escapes, so that each is in
/// the text as it is. A list that a script cannot find need not be made for it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Mentions {
    pub keys: bool,
    pub args: bool,
    /// It can compile more, and what that does is not known.
    pub anything: bool,
}

impl Mentions {
    pub fn of(text: &[u8]) -> Self {
        let has = |name| memmem::find(text, name).is_some();
        let anything = has(b"_G") || has(b"load");
        Self { keys: anything || has(b"KEYS"), args: anything || has(b"ARGV"), anything }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_mentioned_by_its_name_and_by_what_reaches_all_globals() {
        let of = |text: &str| {
            let Mentions { keys, args, .. } = Mentions::of(text.as_bytes());
            (keys, args)
        };
        assert_eq!(of("return 1"), (false, false));
        assert_eq!(of("return KEYS[1]"), (true, false));
        assert_eq!(of("return #ARGV"), (false, true));
        for text in ["return _G['KE' .. 'YS']", "return loadstring('x')()", "return load(f)()"] {
            assert_eq!(of(text), (true, true), "{text}");
        }
    }
}
