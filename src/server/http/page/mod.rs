//! The status page: one document that takes nothing from elsewhere but `/status.json`.
//! Owns:  the page, its style and its script, and what a browser may do with it.
//! Uses:  nothing.
//! Never: a figure; the script asks for them.

use sha2::{Digest as _, Sha256};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page, and its content security policy.
pub struct Page {
    html: String,
    policy: String,
}

impl Page {
    pub fn new() -> Self {
        let policy = format!(
            "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
            source(STYLE),
            source(SCRIPT)
        );
        Self { html: PAGE.replace("{style}", STYLE).replace("{script}", SCRIPT), policy }
    }

    pub fn html(&self) -> &str {
        &self.html
    }

    pub fn policy(&self) -> &str {
        &self.policy
    }
}

/// How a policy names what is inline.
fn source(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text.as_bytes())))
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().chain(&[0, 0]).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        for digit in 0..4 {
            let shown = if digit <= group.len() { DIGITS[bits >> (18 - 6 * digit) & 63].into() } else { '=' };
            out.push(shown);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_written_as_policies_want_them() {
        assert_eq!([&b""[..], b"f", b"fo", b"foo", b"foob"].map(base64), ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
        // The hash of nothing is well known.
        assert_eq!(source(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn the_page_takes_nothing_from_elsewhere_and_writes_no_markup() {
        let page = Page::new();
        assert!(page.html().contains("</style>") && page.html().ends_with("</html>\n"));
        for outside in ["//cdn", "@import", "url(", "src=", "<img", "innerHTML", "insertAdjacent", "document.write"] {
            assert!(!page.html().contains(outside), "{outside}");
        }
        assert!(!SCRIPT.contains("</script") && !STYLE.contains("</style"));
    }
}
