//! What clients have sent, in texts for the log, and leaving it out there (`hide-user-data-from-log`).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once for the process, whose children inherit it.
static HIDDEN: AtomicBool = AtomicBool::new(false);

const REDACTED: &str = "*redacted*";

/// Takes over `hide-user-data-from-log`.
pub fn hide_user_data(hidden: bool) {
    HIDDEN.store(hidden, Ordering::Relaxed);
}

pub fn user_data_is_hidden() -> bool {
    HIDDEN.load(Ordering::Relaxed)
}

/// Bytes that came from a client, such as a key, as the log shows them.
pub struct UserData<'a>(pub &'a [u8]);

impl fmt::Display for UserData<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if user_data_is_hidden() { out.write_str(REDACTED) } else { write!(out, "{}", self.0.escape_ascii()) }
    }
}

/// A line of CLIENT LIST as the log shows it: what the client says of itself is left out where user data is.
pub fn client_line_for_log(line: &str) -> String {
    if user_data_is_hidden() { without_words_of_the_client(line) } else { line.to_owned() }
}

fn without_words_of_the_client(line: &str) -> String {
    const FIELDS: [&str; 4] = ["name=", "user=", "lib-name=", "lib-ver="];
    // Neither names nor users nor names of libraries can hold a space.
    let words = line.split(' ').map(|word| match FIELDS.into_iter().find(|field| word.starts_with(field)) {
        Some(field) if word.len() > field.len() => format!("{field}{REDACTED}"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_of_itself_is_left_out_and_nothing_else() {
        assert_eq!(
            without_words_of_the_client("id=3 addr=1.2.3.4:5 name=bob age=1 cmd=get user=alice lib-name= lib-ver=1.0"),
            "id=3 addr=1.2.3.4:5 name=*redacted* age=1 cmd=get user=*redacted* lib-name= lib-ver=*redacted*"
        );
    }
}
