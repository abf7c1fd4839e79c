//! The process title and its template.

use super::model::Config;
use super::value::ValueError;

/// Fills in `proc-title-template`; `title` is the name of the program.
pub fn process_title(config: &Config, title: &str, config_file: Option<&str>) -> String {
    let listen_address = if config.port != 0 {
        format!("{}:{}", config.bind.first().map_or("*", String::as_str), config.port)
    } else {
        format!("unixsocket:{}", config.unixsocket)
    };
    let port = config.port.to_string();
    let expanded = expand(&config.proc_title_template, |name| match name {
        "title" => Some(title),
        "listen-addr" => Some(&listen_address),
        "server-mode" => Some(""),
        "config-file" => Some(config_file.unwrap_or("-")),
        "port" => Some(&port),
        "tls-port" => Some("0"),
        "unixsocket" => Some(&config.unixsocket),
        _ => None,
    });
    expanded.unwrap_or_default().trim_matches(' ').to_owned()
}

/// Refuses a template that has unknown names, an open brace, or no text at all.
pub fn check(template: &str) -> Result<(), ValueError> {
    const NAMES: [&str; 7] = ["title", "listen-addr", "server-mode", "config-file", "port", "tls-port", "unixsocket"];
    match expand(template, |name| NAMES.contains(&name).then_some("x")) {
        Some(text) if !text.trim_matches(' ').is_empty() => Ok(()),
        _ => Err(ValueError::InvalidTitleTemplate),
    }
}

/// Replaces each `{name}`; `{{` is a brace.
fn expand<'a>(template: &str, value_of: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        let (before, after) = (&rest[..open], &rest[open + 1..]);
        out.push_str(before);
        if let Some(after_brace) = after.strip_prefix('{') {
            out.push('{');
            rest = after_brace;
            continue;
        }
        let (name, after_name) = after.split_once('}')?;
        out.push_str(value_of(name)?);
        rest = after_name;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_braces_are_filled_in() {
        let mut config = Config::default();
        assert_eq!(process_title(&config, "copal-server", None), "copal-server *:6379");
        config.proc_title_template =
            "TEST {title} {listen-addr} {port} {tls-port} {unixsocket} {config-file} {{x".to_owned();
        config.unixsocket = "/run/s".to_owned();
        config.bind = vec!["127.0.0.1".to_owned()];
        assert_eq!(
            process_title(&config, "t", Some("/etc/c.conf")),
            "TEST t 127.0.0.1:6379 6379 0 /run/s /etc/c.conf {x"
        );
    }

    #[test]
    fn templates_that_cannot_be_filled_in_are_refused() {
        for template in ["{invalid-var}", "{title", "", "  "] {
            assert_eq!(check(template), Err(ValueError::InvalidTitleTemplate), "{template}");
        }
        assert_eq!(check("--my--title--template"), Ok(()));
    }
}
