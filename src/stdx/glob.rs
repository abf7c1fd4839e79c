//! Glob patterns, as `KEYS`, `SCAN`, `PSUBSCRIBE` and `CONFIG GET` match them.

use memchr::memchr;

/// Stars that a pattern may use before its end.
const STARS_MAX: usize = 1000;

/// Whether `pattern` matches the whole of `text`: `*` is any run of bytes, `?` any one byte, `[a-z]` one byte of a
/// class and `[^a-z]` one outside of it, and `\` takes the next byte as it is. `nocase` ignores the case of ASCII
/// letters. A class that is not closed ends with the pattern, and a range may be the wrong way round.
///
/// Only the last `*` passed is ever returned to: what an earlier one could gain by taking more, the last one can too.
/// So the time is bounded by the product of both lengths, whatever the pattern. As in Redis, a pattern that needs more
/// than [`STARS_MAX`] stars matches nothing.
pub fn glob_match(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let mut pattern = pattern;
    let mut text = text;
    // What to try again after a mismatch: the pattern behind the last star, and where it last began to match.
    let mut retry: Option<(&[u8], &[u8])> = None;
    let mut stars = 0;
    while let [byte, text_tail @ ..] = text {
        if let [b'*', ..] = pattern {
            pattern = skip_stars(pattern);
            if pattern.is_empty() {
                return true;
            }
            stars += 1;
            if stars > STARS_MAX {
                return false;
            }
            text = next_candidate(pattern, text, nocase);
            retry = Some((pattern, text));
            continue;
        }
        if let Some(pattern_tail) = match_byte(pattern, *byte, nocase) {
            pattern = pattern_tail;
            text = text_tail;
            continue;
        }
        let Some((after_star, [_, later @ ..])) = retry else {
            return false;
        };
        pattern = after_star;
        text = next_candidate(after_star, later, nocase);
        retry = Some((after_star, text));
    }
    skip_stars(pattern).is_empty()
}

/// Whether a pattern is nothing but text, so that it can match only itself.
#[allow(dead_code, reason = "only tests ask for it")]
pub fn is_literal(pattern: &[u8]) -> bool {
    !pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

fn skip_stars(pattern: &[u8]) -> &[u8] {
    let stars = pattern.iter().take_while(|&&byte| byte == b'*').count();
    &pattern[stars..]
}

/// The longest end of `text` that can begin to match `pattern`: it starts with the pattern's first byte where that
/// means itself.
fn next_candidate<'a>(pattern: &[u8], text: &'a [u8], nocase: bool) -> &'a [u8] {
    match pattern.first() {
        Some(b'?' | b'[' | b'\\') | None => text,
        Some(byte) if nocase && byte.is_ascii_alphabetic() => text,
        Some(&byte) => memchr(byte, text).map_or(&[], |at| &text[at..]),
    }
}

/// What is left of `pattern` once its first element has matched `byte`. The pattern does not begin with a star.
#[inline]
fn match_byte(pattern: &[u8], byte: u8, nocase: bool) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', tail @ ..] => Some(tail),
        [b'[', class @ ..] => match_class(class, byte, nocase),
        [b'\\', literal, tail @ ..] | [literal, tail @ ..] => same(*literal, byte, nocase).then_some(tail),
    }
}

/// `class` is what follows the opening bracket.
fn match_class(class: &[u8], byte: u8, nocase: bool) -> Option<&[u8]> {
    let (negated, mut rest) = match class {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => break,
            [b']', tail @ ..] => {
                rest = tail;
                break;
            }
            // An escaped member is compared as it is even where case does not matter.
            [b'\\', literal, tail @ ..] => {
                found |= *literal == byte;
                tail
            }
            [first, b'-', last, tail @ ..] => {
                found |= in_range(*first, *last, byte, nocase);
                tail
            }
            [member, tail @ ..] => {
                found |= same(*member, byte, nocase);
                tail
            }
        };
    }
    (found != negated).then_some(rest)
}

fn in_range(first: u8, last: u8, byte: u8, nocase: bool) -> bool {
    let (low, high) = (first.min(last), first.max(last));
    if nocase {
        (low.to_ascii_lowercase()..=high.to_ascii_lowercase()).contains(&byte.to_ascii_lowercase())
    } else {
        (low..=high).contains(&byte)
    }
}

#[inline]
fn same(left: u8, right: u8, nocase: bool) -> bool {
    left == right || (nocase && left.eq_ignore_ascii_case(&right))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, text: &str, expected: bool) {
        assert_eq!(glob_match(pattern.as_bytes(), text.as_bytes(), false), expected, "{pattern:?} on {text:?}");
    }

    #[test]
    fn pattern_with_too_many_stars_matches_nothing() {
        let text = "a".repeat(5000);
        check(&"*?".repeat(STARS_MAX), &text, true);
        check(&"*?".repeat(STARS_MAX + 1), &text, false);
    }

    #[test]
    fn stars_question_marks_and_literals_match() {
        check("", "", true);
        check("", "a", false);
        check("a", "", false);
        check("*", "", true);
        check("*", "anything", true);
        check("***", "x", true);
        check("a*", "a", true);
        check("a*b", "ab", true);
        check("a*b", "acbcb", true);
        check("a*b", "acbc", false);
        check("*a*", "bab", true);
        check("h?llo", "hello", true);
        check("h?llo", "hllo", false);
        check("h*llo", "heeeello", true);
        check("?", "", false);
        check("foo*bar*", "fooXbarbarY", true);
        check("*aab", "aaab", true);
        check("*ab*cd", "abcabdcd", true);
    }

    #[test]
    fn classes_match_members_ranges_and_negations() {
        check("h[ae]llo", "hello", true);
        check("h[ae]llo", "hillo", false);
        check("h[^e]llo", "hallo", true);
        check("h[^e]llo", "hello", false);
        check("h[a-c]llo", "hbllo", true);
        check("h[c-a]llo", "hbllo", true);
        check("h[a-c]llo", "hdllo", false);
        check("[^]", "x", true);
        check("[]", "x", false);
        check("[\\]]", "]", true);
        check("[a\\-z]", "-", true);
        check("[a\\-z]", "b", false);
    }

    #[test]
    fn a_class_that_is_not_closed_ends_with_the_pattern() {
        check("[abc", "b", true);
        check("[abc", "bc", false);
        check("[a-", "a", true);
        check("[a-", "-", true);
        check("[a-]", "]", true);
        check("[", "x", false);
        check("[^", "x", true);
        check("[\\", "\\", true);
    }

    #[test]
    fn a_backslash_takes_the_next_byte_as_it_is() {
        check("\\*", "*", true);
        check("\\*", "x", false);
        check("a\\?c", "a?c", true);
        check("a\\?c", "abc", false);
        check("\\[a]", "[a]", true);
        check("\\", "\\", true);
        check("a\\", "a\\", true);
        check("\\\\", "\\", true);
    }

    #[test]
    fn case_is_ignored_only_on_demand() {
        assert!(glob_match(b"HELLO*", b"hello world", true));
        assert!(!glob_match(b"HELLO*", b"hello world", false));
        assert!(glob_match(b"[A-C]x", b"bX", true));
        assert!(glob_match(b"[b]", b"B", true));
        assert!(!glob_match(b"[\\b]", b"B", true));
        assert!(glob_match(b"*WORLD", b"hello world", true));
    }

    #[test]
    fn a_pattern_made_of_stars_does_not_hang() {
        let text = vec![b'a'; 50_000];
        for element in [&b"a*"[..], b"*?", b"*aaaaaaaaaaaa"] {
            for stars in [STARS_MAX, 50_000] {
                let mut pattern = element.repeat(stars);
                pattern.push(b'b');
                assert!(!glob_match(&pattern, &text, false));
                assert!(!glob_match(&pattern, &text, true));
            }
        }
    }

    /// The definition, without a thought for its cost.
    fn slow_match(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
        match (pattern, text) {
            ([], text) => text.is_empty(),
            ([b'*', tail @ ..], _) => (0..=text.len()).any(|taken| slow_match(tail, &text[taken..], nocase)),
            (_, []) => false,
            (pattern, [byte, text_tail @ ..]) => {
                match_byte(pattern, *byte, nocase).is_some_and(|tail| slow_match(tail, text_tail, nocase))
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn returning_to_the_last_star_only_loses_no_match(
            pattern in "[abA*?\\[\\]^\\\\-]{0,10}", text in "[abAB\\]-]{0,10}", nocase: bool,
        ) {
            let fast = glob_match(pattern.as_bytes(), text.as_bytes(), nocase);
            prop_assert_eq!(fast, slow_match(pattern.as_bytes(), text.as_bytes(), nocase));
        }

        #[test]
        fn random_bytes_never_panic(pattern: Vec<u8>, text: Vec<u8>, nocase: bool) {
            glob_match(&pattern, &text, nocase);
        }

        #[test]
        fn a_literal_pattern_matches_only_itself(pattern in "[ab*?\\[\\\\]{0,4}", text in "[ab]{0,4}") {
            if is_literal(pattern.as_bytes()) {
                prop_assert_eq!(glob_match(pattern.as_bytes(), text.as_bytes(), false), pattern == text);
            }
        }
    }
}
