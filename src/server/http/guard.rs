//! Which names a browser may use for this server.
//!
//! A web page of anybody may give its own name this server's address (DNS rebinding), and the browser of somebody who can
//! reach the port then lets it read what is answered here. The name in the request gives it away. Whoever has a name in the
//! DNS has one with a dot, so those are refused unless `metrics-bind` has them. Scrapers and probes use any name: only what
//! a browser asks for is looked at.

use std::net::IpAddr;

use hyper::Uri;
use hyper::header::{ACCEPT_LANGUAGE, HOST, HeaderMap, ORIGIN, REFERER};

/// Where the name is none for a browser.
pub const REFUSAL: &str = "This name is not shown to a browser, since a web page elsewhere could have given itself this \
    server's address. Open the page by its IP address, as localhost, by a name without a dot, or by a name that \
    metrics-bind has.\n";

pub struct Guard {
    /// Of `metrics-bind`.
    names: Vec<String>,
}

impl Guard {
    pub fn new(names: Vec<String>) -> Self {
        Self { names }
    }

    pub fn lets_through(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        if !is_of_browser(uri, headers) {
            return true;
        }
        // A request that names no host comes from no browser.
        let of_head =
            headers.get_all(HOST).iter().map(|host| host.to_str().ok().and_then(|host| host.parse::<Uri>().ok()));
        let of_request = uri.host().map(|_| Some(uri.clone()));
        of_head.chain(of_request).all(|named| named.as_ref().and_then(Uri::host).is_some_and(|host| self.knows(host)))
    }

    fn knows(&self, host: &str) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = bare.strip_suffix('.').unwrap_or(bare);
        bare.parse::<IpAddr>().is_ok()
            || !name.contains('.')
            || name.to_ascii_lowercase().ends_with(".localhost")
            || self.names.iter().any(|known| known.trim_start_matches('-').eq_ignore_ascii_case(name))
    }
}

/// Whether a browser may have sent the request: it asks for the status page or its figures, or has a header that browsers add and
/// that a page cannot remove.
fn is_of_browser(uri: &Uri, headers: &HeaderMap) -> bool {
    matches!(uri.path(), "/" | "/status.json")
        || [ACCEPT_LANGUAGE, ORIGIN, REFERER].iter().any(|name| headers.contains_key(name))
        || headers.contains_key("sec-fetch-site")
}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn is_let_through(uri: &str, headers: &[(HeaderName, &str)]) -> bool {
        let guard = Guard::new(vec!["127.0.0.1".to_owned(), "-cache.example.org".to_owned()]);
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        guard.lets_through(&uri.parse().unwrap(), &headers.collect())
    }

    #[test]
    fn the_status_page_is_shown_only_by_names_that_nobody_else_can_take() {
        for (host, expected) in [
            ("127.0.0.1:9121", true),
            ("192.168.1.7", true),
            ("[::1]:9121", true),
            ("localhost:9121", true),
            ("a.localhost", true),
            ("copal:9121", true),
            ("Cache.Example.org:9121", true),
            ("cache.example.org.", true),
            ("evil.example:9121", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:9121", false),
            ("evil.example.", false),
            ("127.0.0.1@evil.example", false),
            ("", false),
        ] {
            for path in ["/", "/status.json", "/status.json?x=1"] {
                assert_eq!(is_let_through(path, &[(HOST, host)]), expected, "{host} {path}");
            }
        }
        assert!(is_let_through("/", &[]));
        assert!(!is_let_through("/", &[(HOST, "localhost"), (HOST, "evil.example")]));
        assert!(!is_let_through("http://evil.example/status.json", &[(HOST, "localhost")]));
    }

    #[test]
    fn a_scraper_may_use_any_name_and_a_browser_none_but_those() {
        for path in ["/metrics", "/healthz", "/readyz?strict", "/other"] {
            assert!(is_let_through(path, &[(HOST, "copal.monitoring.svc:9121")]), "{path}");
            for of_browser in [ACCEPT_LANGUAGE, ORIGIN, REFERER, HeaderName::from_static("sec-fetch-site")] {
                assert!(!is_let_through(path, &[(HOST, "evil.example"), (of_browser.clone(), "")]), "{path}");
                assert!(is_let_through(path, &[(HOST, "localhost"), (of_browser, "x")]), "{path}");
            }
        }
    }
}
