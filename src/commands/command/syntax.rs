//! The argument tree of a command, read from its row's `syntax`: `key value [NX | XX] [EX seconds | KEEPTTL]`.
//!
//! The notation is that of the command reference. A word in capitals is a token that the client sends as it stands and
//! takes the arguments behind it along; `[...]` is optional; `<... | ...>` or bars within brackets are a choice;
//! `key [key ...]` says that what stands before may be repeated.

/// What a client has to send for one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    pub kind: Kind,
    /// The word that the client sends first.
    pub token: Option<String>,
    pub optional: bool,
    pub multiple: bool,
    /// The token is sent again with each repetition.
    pub multiple_token: bool,
    /// The alternatives of a choice, or the arguments of a block.
    pub children: Vec<Argument>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    PureToken,
    OneOf,
    Block,
}

/// Why a syntax cannot be read; a test keeps every row's from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    #[error("a bracket is not closed")]
    Unclosed,
    #[error("a bracket is closed that was not opened")]
    Unopened,
    #[error("what is repeated does not stand before its repetition")]
    Repetition,
    #[error("an alternative is empty")]
    Empty,
}

impl Kind {
    /// As COMMAND DOCS shows it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Double => "double",
            Kind::Key => "key",
            Kind::Pattern => "pattern",
            Kind::UnixTime => "unix-time",
            Kind::PureToken => "pure-token",
            Kind::OneOf => "oneof",
            Kind::Block => "block",
        }
    }

    /// What the argument of this name is, unless the command says otherwise.
    fn of_name(name: &str) -> Kind {
        const INTEGERS: &[&str] = &[
            "bit",
            "client-id",
            "count",
            "cursor",
            "db",
            "db1",
            "db2",
            "decrement",
            "destination-db",
            "end",
            "frequency",
            "increment",
            "index",
            "index1",
            "index2",
            "len",
            "length",
            "maxlen",
            "milliseconds",
            "min-idle-time",
            "min-match-len",
            "ms",
            "num-matches",
            "numkeys",
            "numreplicas",
            "offset",
            "perc",
            "port",
            "protover",
            "rank",
            "samples",
            "seconds",
            "serverport",
            "start",
            "stop",
            "timeout",
            "ttl",
            "version",
        ];
        const KEYS: &[&str] =
            &["destination", "destkey", "dst", "key", "key1", "key2", "newkey", "source", "sourcekey", "src"];
        if KEYS.contains(&name) {
            Kind::Key
        } else if INTEGERS.contains(&name) {
            Kind::Integer
        } else if name.starts_with("unix-time") {
            Kind::UnixTime
        } else if name == "pattern" || name.ends_with("-pattern") {
            Kind::Pattern
        } else if matches!(name, "score" | "longitude" | "latitude" | "radius" | "width" | "height" | "weight") {
            Kind::Double
        } else {
            Kind::String
        }
    }
}

/// One piece of the notation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Token(String),
    Word(String),
    Choice { alternatives: Vec<Vec<Item>>, optional: bool },
    Repeat(Vec<Item>),
}

/// Reads the syntax of the command of this full name.
pub fn parse(syntax: &str, full_name: &str) -> Result<Vec<Argument>, SyntaxError> {
    let spaced =
        ["[", "]", "<", ">", "|"].iter().fold(syntax.to_owned(), |text, mark| text.replace(mark, &format!(" {mark} ")));
    let mut words = spaced.split_ascii_whitespace().peekable();
    let items = parse_items(&mut words)?;
    match words.next() {
        None => Ok(arguments_of(&items, full_name)),
        Some(_) => Err(SyntaxError::Unopened),
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitAsciiWhitespace<'a>>;

/// Reads up to a closing bracket, a bar or the end.
fn parse_items(words: &mut Words<'_>) -> Result<Vec<Item>, SyntaxError> {
    let mut items = Vec::new();
    while let Some(word) = words.next_if(|word| !matches!(*word, "]" | ">" | "|")) {
        match word {
            "[" => parse_bracket(words, &mut items, "]")?,
            "<" => parse_bracket(words, &mut items, ">")?,
            word if is_token(word) => items.push(Item::Token(word.trim_matches('"').to_owned())),
            word => items.push(Item::Word(word.to_owned())),
        }
    }
    Ok(items)
}

fn parse_bracket(words: &mut Words<'_>, items: &mut Vec<Item>, close: &str) -> Result<(), SyntaxError> {
    let mut alternatives = vec![parse_items(words)?];
    while words.next_if_eq(&"|").is_some() {
        alternatives.push(parse_items(words)?);
    }
    if words.next() != Some(close) {
        return Err(SyntaxError::Unclosed);
    }
    if alternatives.iter().any(Vec::is_empty) {
        return Err(SyntaxError::Empty);
    }
    match alternatives.as_mut_slice() {
        [repeated] if repeated.last() == Some(&Item::Word("...".to_owned())) => {
            repeated.pop();
            let start = items.len().checked_sub(repeated.len()).ok_or(SyntaxError::Repetition)?;
            if items[start..] != repeated[..] || repeated.is_empty() {
                return Err(SyntaxError::Repetition);
            }
            items.truncate(start);
            items.push(Item::Repeat(std::mem::take(repeated)));
        }
        _ => items.push(Item::Choice { alternatives, optional: close == "]" }),
    }
    Ok(())
}

/// Tokens are written in capitals, or are signs.
fn is_token(word: &str) -> bool {
    word != "..." && !word.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn arguments_of(items: &[Item], full_name: &str) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut index = 0;
    while let Some(item) = items.get(index) {
        index += 1;
        let Item::Token(token) = item else {
            arguments.push(argument_of(item, full_name));
            continue;
        };
        let owned = items[index..].iter().take_while(|item| is_owned_by_token(item)).count();
        arguments.push(with_token(token, &items[index..index + owned], full_name));
        index += owned;
    }
    arguments
}

/// Whether an item belongs to a token before it: one that must be there and brings no token of its own.
fn is_owned_by_token(item: &Item) -> bool {
    match item {
        Item::Word(_) => true,
        Item::Choice { optional, .. } => !optional,
        Item::Repeat(items) => !matches!(items.first(), Some(Item::Token(_))),
        Item::Token(_) => false,
    }
}

fn with_token(token: &str, owned: &[Item], full_name: &str) -> Argument {
    let mut argument = match owned {
        [] => Argument::new(token_name(token), Kind::PureToken),
        [item] => argument_of(item, full_name),
        items => {
            let mut block = Argument::new(token_name(token), Kind::Block);
            block.children = arguments_of(items, full_name);
            block
        }
    };
    argument.token = Some(token.to_owned());
    argument
}

fn argument_of(item: &Item, full_name: &str) -> Argument {
    match item {
        Item::Token(token) => with_token(token, &[], full_name),
        Item::Word(name) => Argument::new(name.clone(), kind_in(full_name, name)),
        Item::Repeat(items) => {
            let mut argument = block_of(items, full_name);
            argument.multiple = true;
            argument.multiple_token = matches!(items.first(), Some(Item::Token(_)));
            argument
        }
        Item::Choice { alternatives, optional } => {
            let mut argument = match alternatives.as_slice() {
                [items] => block_of(items, full_name),
                alternatives => {
                    let children: Vec<_> = alternatives.iter().map(|items| block_of(items, full_name)).collect();
                    let mut choice = Argument::new(choice_name(&children), Kind::OneOf);
                    choice.children = children;
                    choice
                }
            };
            argument.optional = *optional;
            argument
        }
    }
}

/// One argument for all of `items`: themselves if they are one, else a block.
fn block_of(items: &[Item], full_name: &str) -> Argument {
    let mut arguments = arguments_of(items, full_name);
    if arguments.len() == 1 {
        return arguments.remove(0);
    }
    let name = if arguments.iter().all(|argument| argument.token.is_none() && !argument.optional) {
        "data".to_owned()
    } else if arguments.iter().any(|argument| argument.name == "protover") {
        "arguments".to_owned()
    } else {
        format!("{}-block", arguments.first().map_or("", |argument| &argument.name))
    };
    let mut block = Argument::new(name, Kind::Block);
    block.children = arguments;
    block
}

/// Names that differ from the general rule in one command.
fn kind_in(full_name: &str, name: &str) -> Kind {
    match (full_name, name) {
        ("incrbyfloat" | "hincrbyfloat" | "zincrby", "increment") => Kind::Double,
        ("blpop" | "brpop" | "bzpopmin" | "bzpopmax" | "blmove" | "brpoplpush" | "bzmpop" | "blmpop", "timeout") => {
            Kind::Double
        }
        ("xrange" | "xrevrange" | "xautoclaim" | "xpending", "start" | "end") => Kind::String,
        ("zrange" | "zrangestore", "start" | "stop") => Kind::String,
        ("psubscribe" | "punsubscribe", "pattern") => Kind::Pattern,
        ("setbit" | "bitfield", "value") => Kind::Integer,
        (_, name) => Kind::of_name(name),
    }
}

fn token_name(token: &str) -> String {
    match token {
        "" => "empty-string".to_owned(),
        "=" => "equal".to_owned(),
        "~" => "approximately".to_owned(),
        "$" => "last-id".to_owned(),
        "*" => "auto-id".to_owned(),
        token => token.to_ascii_lowercase(),
    }
}

/// What the command reference calls a choice, by its first alternative.
fn choice_name(alternatives: &[Argument]) -> String {
    let name = match alternatives.first().map(|first| (first.token.as_deref(), first.name.as_str())) {
        Some((Some("NX" | "XX"), _)) => "condition",
        Some((Some("GT" | "LT"), _)) => "comparison",
        Some((Some("EX" | "PX"), _)) => "expiration",
        Some((Some("ASC" | "DESC"), _)) => "order",
        Some((Some("ASYNC" | "SYNC"), _)) => "flush-type",
        Some((Some("BEFORE" | "AFTER"), _)) => "where",
        Some((Some("LEFT" | "RIGHT" | "MIN" | "MAX"), _)) => "where",
        Some((Some("ON"), _)) => match alternatives.len() {
            2 => "enabled",
            _ => "action",
        },
        Some((Some("YES" | "NO"), _)) => "mode",
        Some((Some("ID"), _)) => "new-format",
        Some((Some("SAVE" | "NOSAVE"), _)) => "save-selector",
        Some((Some("BYSCORE"), _)) => "sortby",
        Some((Some("MAXLEN"), _)) => "strategy",
        Some((Some("WRITE" | "ALL"), _)) => "mode",
        Some((Some("TIMEOUT"), _)) => "unblock-type",
        Some((Some("LIB-NAME"), _)) => "attr",
        Some((Some("AUTH"), _)) => "authentication",
        Some((Some("NORMAL"), _)) => "client-type",
        Some((Some("MODULE"), _)) => "filterby",
        Some((Some("AND" | "GET"), _)) => "operation",
        Some((Some("BYTE"), _)) => "unit",
        Some((Some(_), _)) => "option",
        Some((None, "ip:port")) => "filter",
        Some((None, "key")) => "key-selector",
        Some((None, name)) => name,
        None => "",
    };
    name.to_owned()
}

impl Argument {
    fn new(name: String, kind: Kind) -> Self {
        Self { name, kind, token: None, optional: false, multiple: false, multiple_token: false, children: Vec::new() }
    }

    /// The fewest words that a client sends for the argument.
    #[cfg(test)]
    pub fn words_min(&self) -> usize {
        if self.optional { 0 } else { self.words_min_if_present() }
    }

    #[cfg(test)]
    fn words_min_if_present(&self) -> usize {
        let own = match self.kind {
            Kind::PureToken => 0,
            // Whoever chooses an alternative has to send it, even if it is marked as optional.
            Kind::OneOf => self.children.iter().map(Argument::words_min_if_present).min().unwrap_or(0),
            Kind::Block => self.children.iter().map(Argument::words_min).sum(),
            _ => 1,
        };
        own + usize::from(self.token.is_some())
    }

    /// The most words, or `None` if there may be any number.
    #[cfg(test)]
    pub fn words_max(&self) -> Option<usize> {
        if self.multiple {
            return None;
        }
        let mut children = self.children.iter().map(Argument::words_max);
        let own = match self.kind {
            Kind::PureToken => 0,
            Kind::OneOf => children.try_fold(0, |most, words| words.map(|words| words.max(most)))?,
            Kind::Block => children.try_fold(0, |sum, words| words.map(|words| words + sum))?,
            _ => 1,
        };
        Some(own + usize::from(self.token.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree in a short form: `name:kind`, `TOKEN=`, `?` optional, `+` multiple, `@` multiple token.
    fn show(arguments: &[Argument]) -> String {
        let one = |argument: &Argument| {
            let token = argument.token.as_ref().map(|token| format!("{token}=")).unwrap_or_default();
            let children =
                if argument.children.is_empty() { String::new() } else { format!("({})", show(&argument.children)) };
            let flags = [(argument.optional, "?"), (argument.multiple, "+"), (argument.multiple_token, "@")];
            let flags: String = flags.iter().filter(|(set, _)| *set).map(|(_, sign)| *sign).collect();
            format!("{token}{}:{}{children}{flags}", argument.name, argument.kind.name())
        };
        arguments.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    fn shown(syntax: &str) -> String {
        show(&parse(syntax, "test").expect("it is well formed"))
    }

    #[test]
    fn tokens_take_their_arguments_along() {
        assert_eq!(
            shown("key value [NX | XX] [GET] [EX seconds | PX milliseconds | KEEPTTL]"),
            "key:key value:string condition:oneof(NX=nx:pure-token XX=xx:pure-token)? GET=get:pure-token? \
             expiration:oneof(EX=seconds:integer PX=milliseconds:integer KEEPTTL=keepttl:pure-token)?"
        );
        assert_eq!(shown("[LIMIT offset count]"), "LIMIT=limit:block(offset:integer count:integer)?");
        assert_eq!(shown("AUTH username password"), "AUTH=auth:block(username:string password:string)");
        assert_eq!(
            shown("[AGGREGATE <SUM | MIN | MAX>]"),
            "AGGREGATE=option:oneof(SUM=sum:pure-token MIN=min:pure-token MAX=max:pure-token)?"
        );
    }

    #[test]
    fn repetitions_are_folded_into_what_they_repeat() {
        assert_eq!(shown("key [key ...]"), "key:key+");
        assert_eq!(shown("[pattern [pattern ...]]"), "pattern:pattern?+");
        assert_eq!(shown("key value [key value ...]"), "data:block(key:key value:string)+");
        assert_eq!(shown("[GET pattern [GET pattern ...]]"), "GET=pattern:pattern?+@");
        assert_eq!(shown("[KEYS key [key ...]]"), "KEYS=key:key?+");
        assert_eq!(shown("STREAMS key [key ...] id [id ...]"), "STREAMS=streams:block(key:key+ id:string+)");
    }

    #[test]
    fn nested_options_are_blocks() {
        assert_eq!(
            shown("[protover [AUTH username password] [SETNAME clientname]]"),
            "arguments:block(protover:integer AUTH=auth:block(username:string password:string)? \
             SETNAME=clientname:string?)?"
        );
        assert_eq!(shown("<\"\" | key>"), "option:oneof(=empty-string:pure-token key:key)");
    }

    #[test]
    fn malformed_syntax_is_refused() {
        assert_eq!(parse("[key", "test"), Err(SyntaxError::Unclosed));
        assert_eq!(parse("key]", "test"), Err(SyntaxError::Unopened));
        assert_eq!(parse("key [value ...]", "test"), Err(SyntaxError::Repetition));
        assert_eq!(parse("[NX | ]", "test"), Err(SyntaxError::Empty));
        assert_eq!(parse("[...]", "test"), Err(SyntaxError::Repetition));
    }

    #[test]
    fn the_number_of_words_is_bounded() {
        let bounds = |syntax: &str| {
            let arguments = parse(syntax, "test").expect("it is well formed");
            let min: usize = arguments.iter().map(Argument::words_min).sum();
            let max = arguments.iter().try_fold(0, |sum, argument| Some(sum + argument.words_max()?));
            (min, max)
        };
        assert_eq!(bounds("key value [EX seconds | KEEPTTL]"), (2, Some(4)));
        assert_eq!(bounds("key [key ...]"), (1, None));
        assert_eq!(bounds("[AUTH username password]"), (0, Some(3)));
        assert_eq!(bounds(""), (0, Some(0)));
    }
}
