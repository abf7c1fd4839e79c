//! SORT and SORT_RO: the elements of a list, a set or a sorted set in order, by themselves or by what other keys hold.

use std::cmp::Ordering;

use super::framework::arguments::Limit;
use super::framework::{
    Arity, Begin, Command, CommandError, CommandResult, CommandTable, Find, Flags, Group, Handler, KeyFlags, KeySpec,
    Peer, ReadCtx, SIZE_SAMPLES, Session, WriteCtx, require_memory,
};
use crate::keyspace::{EventClass, Keyspace, Touch};
use crate::resp::{Args, Reply};
use crate::stdx::number::{IntText, parse_f64};
use crate::types::list::{Direction, End, ListValue};
use crate::types::{DataType as _, ValueRef};

const COMPLEXITY: &str = "O(N+M*log(M)) where N is the number of elements in the list or set to sort, and M the number \
                          of returned elements. When the elements are not sorted, complexity is O(N).";
const SYNTAX_OF_BOTH: &str =
    "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] [ASC | DESC] [ALPHA]";
const SORTED: KeySpec = KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS));
const LOOKED_UP: KeySpec = unknown(KeyFlags::RO.or(KeyFlags::ACCESS)).noted(
    "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort",
);
const STORED: KeySpec = unknown(KeyFlags::OW.or(KeyFlags::UPDATE)).noted(
    "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array",
);

const NOT_A_DOUBLE: CommandError = CommandError::text("ERR One or more scores can't be converted into double");

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "SORT",
        summary: "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.",
        complexity: COMPLEXITY,
        arity: Arity::at_least(2),
        flags: Flags::DENYOOM,
        keys: &[SORTED, LOOKED_UP, STORED],
        syntax: "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]",
        run: Handler::Write(sort),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "SORT_RO",
        summary: "Returns the sorted elements of a list, a set, or a sorted set.",
        since: "7.0.0",
        complexity: COMPLEXITY,
        arity: Arity::at_least(2),
        keys: &[SORTED, LOOKED_UP],
        syntax: SYNTAX_OF_BOTH,
        run: Handler::Read(sort_ro),
        ..Command::in_group(Group::Generic)
    },
];

const fn unknown(flags: KeyFlags) -> KeySpec {
    KeySpec { flags, notes: "", begin: Begin::Unknown, find: Find::Unknown }
}

/// What the words behind the key ask for.
struct Options<'a> {
    by: Option<Pattern<'a>>,
    /// BY named a constant: the elements stay as they come.
    unsorted: bool,
    get: Vec<Pattern<'a>>,
    limit: Limit,
    descending: bool,
    alpha: bool,
    store: Option<&'a [u8]>,
    /// A script asks, for which a set has an order.
    in_script: bool,
    /// The first option that looks up keys of which the command line says nothing.
    looks_up: Option<&'static str>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, may_store: bool) -> Result<Self, CommandError> {
        let mut options = Self {
            by: None,
            unsorted: false,
            get: Vec::new(),
            limit: Limit { offset: 0, count: -1 },
            descending: false,
            alpha: false,
            store: None,
            in_script: false,
            looks_up: None,
        };
        let mut rest = args.iter();
        while let Some(word) = rest.next() {
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let mut operand = || rest.next().ok_or(CommandError::Syntax);
            if is("ASC") {
                options.descending = false;
            } else if is("DESC") {
                options.descending = true;
            } else if is("ALPHA") {
                options.alpha = true;
            } else if is("LIMIT") {
                let (offset, count) = (operand()?, operand()?);
                options.limit = Limit::parse(offset, count)?;
            } else if is("STORE") && may_store {
                options.store = Some(operand()?);
            } else if is("BY") {
                let pattern = operand()?;
                // One constant is enough, whatever else BY names besides.
                options.unsorted |= !pattern.contains(&b'*');
                options.by = Some(Pattern::parse(pattern));
                if pattern.contains(&b'*') {
                    options.looks_up.get_or_insert("BY");
                }
            } else if is("GET") {
                options.get.push(Pattern::parse(operand()?));
                options.looks_up.get_or_insert("GET");
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// Refuses to look up keys for a user who may not read all there are.
    fn check_user(&self, session: &Session, table: &CommandTable, args: Args<'_>) -> CommandResult {
        let Some(option) = self.looks_up else { return Ok(()) };
        if session.is_free() || session.user().may_read_any_key(table.resolve(args)?, args) {
            return Ok(());
        }
        Err(CommandError::owned(format!("ERR {option} option of SORT denied due to insufficient ACL permissions.")))
    }

    /// The first of `len` elements that LIMIT lets through, and how many. A negative offset is none.
    fn range(&self, len: usize) -> (usize, usize) {
        let range = Limit { offset: self.limit.offset.max(0), ..self.limit }.of(len);
        (range.start, range.len())
    }

    /// Refuses values of whose elements there is no memory for a copy, or for two where the result is stored.
    fn require_memory_for(&self, value: ValueRef<'_>, settle: bool) -> CommandResult {
        let len = match value {
            ValueRef::List(list) => list.len(),
            ValueRef::Set(set) => set.len(),
            ValueRef::Zset(zset) => zset.len(),
            _ => return Ok(()),
        };
        let copied = if self.unsorted && !settle { self.range(len).1 } else { len };
        let copies = 1 + usize::from(self.store.is_some());
        require_memory(value.memory_usage(SIZE_SAMPLES) / len.max(1) * copied * copies)
    }
}

/// What BY or GET names: `#`, or a name whose first `*` an element stands in for.
enum Pattern<'a> {
    Element,
    /// A constant, which as a rule of SORT stands for nothing.
    Constant,
    Key {
        before: &'a [u8],
        after: &'a [u8],
    },
    Field {
        before: &'a [u8],
        after: &'a [u8],
        field: &'a [u8],
    },
}

impl<'a> Pattern<'a> {
    fn parse(text: &'a [u8]) -> Self {
        if text == b"#" {
            return Self::Element;
        }
        let Some(star) = memchr::memchr(b'*', text) else { return Self::Constant };
        let (before, after) = (&text[..star], &text[star + 1..]);
        match memchr::memmem::find(after, b"->") {
            Some(arrow) if arrow + 2 < after.len() => {
                Self::Field { before, after: &after[..arrow], field: &after[arrow + 2..] }
            }
            _ => Self::Key { before, after },
        }
    }
}

/// Where the values of other keys are looked up.
struct Source<'a> {
    keyspace: &'a Keyspace,
    db: usize,
    now_ms: i64,
    touch: Touch,
}

impl<'a> Source<'a> {
    fn find(&self, key: &[u8]) -> Option<ValueRef<'a>> {
        self.keyspace.find(self.db, key, self.now_ms, self.touch).map(|entry| entry.value())
    }

    /// Calls `read` with what `pattern` stands for with this element: the value of a string or of a hash's field.
    fn look_up<R>(&self, pattern: &Pattern<'_>, element: &[u8], read: impl FnOnce(Option<&[u8]>) -> R) -> R {
        match *pattern {
            Pattern::Element => read(Some(element)),
            Pattern::Constant => read(None),
            Pattern::Key { before, after } => match self.find(&[before, element, after].concat()) {
                Some(ValueRef::String(view)) => view.with_bytes(|bytes| read(Some(bytes))),
                _ => read(None),
            },
            Pattern::Field { before, after, field } => {
                let key = [before, element, after].concat();
                let Some(ValueRef::Hash(hash)) = self.find(&key) else { return read(None) };
                if hash.has_due(self.now_ms) {
                    self.keyspace.db(self.db).note_lapsed_fields(&key);
                }
                match hash.find(field, self.now_ms) {
                    Some(value) => read(Some(value.text(&mut IntText::new()))),
                    None => read(None),
                }
            }
        }
    }
}

/// Byte strings one behind the other, which cost no block of memory each.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        append(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn at(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }
}

/// What elements are compared by.
enum Weights {
    /// The elements themselves, as text.
    Own,
    Numbers(Vec<f64>),
    /// Texts of other keys; an element without one comes before those that have one.
    Texts {
        texts: Texts,
        present: Vec<bool>,
    },
}

/// The elements that are answered or stored, in their order.
struct Sorted {
    elements: Texts,
    order: Vec<usize>,
}

impl Sorted {
    fn new(source: &Source<'_>, key: &[u8], options: &Options<'_>) -> Result<Self, CommandError> {
        let Some(value) = source.find(key) else { return Ok(Self { elements: Texts::default(), order: Vec::new() }) };
        // A set has no order of its own that a stored list should hang on.
        let is_ordered = options.store.is_some() || options.in_script;
        let settle = options.unsorted && is_ordered && matches!(value, ValueRef::Set(_));
        options.require_memory_for(value, settle)?;
        if options.unsorted && !settle {
            let elements = unsorted(value, options)?;
            return Ok(Self { order: (0..elements.len()).collect(), elements });
        }
        let elements = all(value)?;
        let weights = if settle { Weights::Own } else { weigh(source, &elements, options)? };
        let order = order(&elements, &weights, options);
        Ok(Self { elements, order })
    }

    /// Calls `visit` with each value of the result, the elements or what GET names for each of them, for as long as it
    /// returns true.
    fn for_each(&self, source: &Source<'_>, options: &Options<'_>, mut visit: impl FnMut(Option<&[u8]>) -> bool) {
        for &index in &self.order {
            let element = self.elements.at(index);
            if options.get.is_empty() && !visit(Some(element)) {
                return;
            }
            for pattern in &options.get {
                if !source.look_up(pattern, element, &mut visit) {
                    return;
                }
            }
        }
    }

    fn result_len(&self, options: &Options<'_>) -> usize {
        self.order.len() * options.get.len().max(1)
    }
}

/// All elements, in whatever order they come.
fn all(value: ValueRef<'_>) -> Result<Texts, CommandError> {
    let mut texts = Texts::default();
    match value {
        ValueRef::List(list) => {
            let mut iter = list.iter(Direction::Forward);
            while let Some(element) = iter.advance() {
                texts.push(|bytes| element.append_to(bytes));
            }
        }
        ValueRef::Set(set) => set.iter().for_each(|member| texts.push(|bytes| member.append_to(bytes))),
        ValueRef::Zset(zset) => zset.for_all(|member, _| texts.push(|bytes| member.append_to(bytes))),
        _ => return Err(CommandError::WrongType),
    }
    Ok(texts)
}

/// The elements within LIMIT in their own order, which DESC turns round where there is one.
fn unsorted(value: ValueRef<'_>, options: &Options<'_>) -> Result<Texts, CommandError> {
    let mut texts = Texts::default();
    match value {
        ValueRef::List(list) => {
            let (start, count) = options.range(list.len());
            let mut iter = match options.descending {
                false => list.iter_from(start, Direction::Forward),
                // Past the end there is no index to begin at, and nothing to answer.
                true => list.iter_from((list.len() - start).saturating_sub(1), Direction::Backward),
            };
            for _ in 0..count {
                let Some(element) = iter.advance() else { break };
                texts.push(|bytes| element.append_to(bytes));
            }
        }
        ValueRef::Set(set) => {
            let (start, count) = options.range(set.len());
            set.iter().skip(start).take(count).for_each(|member| texts.push(|bytes| member.append_to(bytes)));
        }
        ValueRef::Zset(zset) => {
            let len = zset.len();
            let (start, count) = options.range(len);
            let ranks = if options.descending { len - start - count..len - start } else { start..start + count };
            zset.for_each(ranks, options.descending, |member, _| texts.push(|bytes| member.append_to(bytes)));
        }
        _ => return Err(CommandError::WrongType),
    }
    Ok(texts)
}

fn weigh(source: &Source<'_>, elements: &Texts, options: &Options<'_>) -> Result<Weights, CommandError> {
    let own = Pattern::Element;
    let by = match (&options.by, options.alpha) {
        (None, true) => return Ok(Weights::Own),
        (Some(pattern), true) => {
            let mut texts = Texts::default();
            let mut present = Vec::with_capacity(elements.len());
            for index in 0..elements.len() {
                source.look_up(pattern, elements.at(index), |value| {
                    present.push(value.is_some());
                    texts.push(|bytes| bytes.extend_from_slice(value.unwrap_or_default()));
                });
            }
            return Ok(Weights::Texts { texts, present });
        }
        (by, false) => by.as_ref().unwrap_or(&own),
    };
    let weight = |index| source.look_up(by, elements.at(index), |value| value.map_or(Some(0.0), double));
    let numbers = (0..elements.len()).map(weight).collect::<Option<_>>();
    numbers.map(Weights::Numbers).ok_or(NOT_A_DOUBLE)
}

/// A weight as `strtod` reads it: behind white space, and zero where there is nothing at all.
fn double(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    parse_f64(&text[text.iter().take_while(|byte| is_space(byte)).count()..])
}

/// The places of the elements within LIMIT, in the order that the weights give. Numbers that are equal leave it to the
/// elements, texts that are equal to how the elements came.
fn order(elements: &Texts, weights: &Weights, options: &Options<'_>) -> Vec<usize> {
    let compare = |&one: &usize, &other: &usize| {
        let by_weight = match weights {
            Weights::Own => elements.at(one).cmp(elements.at(other)),
            Weights::Numbers(numbers) => numbers[one]
                .partial_cmp(&numbers[other])
                .unwrap_or(Ordering::Equal)
                .then_with(|| elements.at(one).cmp(elements.at(other))),
            Weights::Texts { texts, present } => {
                let weight = |index: usize| present[index].then(|| texts.at(index));
                weight(one).cmp(&weight(other))
            }
        };
        if options.descending { by_weight.reverse() } else { by_weight }.then(one.cmp(&other))
    };
    let (start, count) = options.range(elements.len());
    let mut order: Vec<usize> = (0..elements.len()).collect();
    if start + count < order.len() {
        // Only what comes before the end of the range need be put in order.
        order.select_nth_unstable_by(start + count, compare);
        order.truncate(start + count);
    }
    order.sort_unstable_by(compare);
    order.drain(..start);
    order
}

fn answer(reply: &mut Reply, source: &Source<'_>, key: &[u8], options: &Options<'_>) -> CommandResult {
    let sorted = Sorted::new(source, key, options)?;
    reply.array(sorted.result_len(options));
    sorted.for_each(source, options, |value| {
        reply.bulk_or_null(value);
        !reply.is_overfull()
    });
    Ok(())
}

fn sort_ro(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let mut options = Options::parse(args.tail(2), false)?;
    options.in_script = ctx.session.peer == Peer::Internal;
    options.check_user(ctx.session, ctx.table, args)?;
    let touch = ctx.session.touch();
    let source = Source { keyspace: ctx.keyspace, db: ctx.session.db, now_ms: ctx.now.unix_ms, touch };
    answer(ctx.reply, &source, args.arg(1), &options)
}

/// Has the result recorded: with equal weights, elements of a set come in the order of its table, and what BY and GET name
/// may be past its expiry.
fn record_stored(ctx: &mut WriteCtx<'_>, destination: &[u8], result: &ListValue) {
    if ctx.find(destination).is_some() {
        ctx.record_instead(|out| out.extend([b"DEL", destination]));
    }
    if !result.is_empty() {
        ctx.record_instead(|out| {
            out.extend([b"RPUSH", destination]);
            let mut elements = result.view().iter(Direction::Forward);
            while let Some(element) = elements.advance() {
                out.push(element.text(&mut IntText::new()));
            }
        });
    }
}

fn sort(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let mut options = Options::parse(args.tail(2), true)?;
    options.in_script = ctx.session.peer == Peer::Internal;
    options.check_user(ctx.session, ctx.table, args)?;
    ctx.expire_keys([args.arg(1)]);
    let source = Source { keyspace: ctx.keyspace, db: ctx.session.db, now_ms: ctx.now.unix_ms, touch: Touch::Yes };
    let Some(destination) = options.store else { return answer(ctx.reply, &source, args.arg(1), &options) };
    let sorted = Sorted::new(&source, args.arg(1), &options)?;
    let len = sorted.result_len(&options);
    let limits = ctx.limits;
    let mut list = ListValue::new();
    let mut lacking = Ok(());
    sorted.for_each(&source, &options, |value| {
        let value = value.unwrap_or_default();
        // What GET names may be of any length.
        lacking = require_memory(value.len());
        if lacking.is_ok() {
            list.make_room(std::iter::once(value), limits);
            list.push(End::Right, value);
        }
        lacking.is_ok()
    });
    lacking?;
    if ctx.keyspace.journal.is_wanted() {
        record_stored(ctx, destination, &list);
    }
    ctx.store(destination, (len > 0).then(|| list.into()), EventClass::LIST, "sortstore", len);
    ctx.reply.integer(len as i64);
    Ok(())
}
