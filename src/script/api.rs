//! The global `redis`, and its other name `server`.

use sha1::{Digest as _, Sha1};

use super::convert::{push_long_reply, push_reply};
use super::host::{Permission, Replicate};
use super::library::install_table;
use super::lua::{Answer, Call, Frequent, Function, Kind, Raise, Value, format_number, whole};
use crate::resp::{ArgsBuf, Protocol};
use crate::stdx::version;

const FUNCTIONS: &[(&str, Function)] = &[
    ("acl_check_cmd", acl_check_cmd),
    ("call", command),
    ("error_reply", error_reply),
    ("log", log),
    ("pcall", protected_command),
    ("replicate_commands", replicate_commands),
    ("set_repl", set_repl),
    ("setresp", setresp),
    ("sha1hex", sha1hex),
    ("status_reply", status_reply),
];

const NUMBERS: &[(&str, f64)] = &[
    ("LOG_DEBUG", 0.0),
    ("LOG_VERBOSE", 1.0),
    ("LOG_NOTICE", 2.0),
    ("LOG_WARNING", 3.0),
    ("REPL_NONE", 0.0),
    ("REPL_AOF", 1.0),
    ("REPL_SLAVE", 2.0),
    ("REPL_REPLICA", 2.0),
    ("REPL_ALL", 3.0),
    ("REDIS_VERSION_NUM", version::REDIS_NUMBER as f64),
];

/// Puts `redis` among the globals. Valkey's name of it, `server`, is known where a global is not found.
pub fn install(call: &mut Call<'_>) {
    install_table(call, "redis", FUNCTIONS);
    call.raw_get_field(Call::GLOBALS, "redis");
    call.push_frequent::<CallCommand>();
    call.raw_set_field(-2, "call");
    call.push_frequent::<TryCommand>();
    call.raw_set_field(-2, "pcall");
    set_constants(call, |_| true);
    call.pop(1);
}

/// Fills the table on top with what of `redis` a library finds while it is loaded.
pub fn fill_for_loading(call: &mut Call<'_>) {
    call.push_function(log, 0);
    call.raw_set_field(-2, "log");
    set_constants(call, |name| !name.starts_with("REPL_"));
}

/// Fills the table on top with the wanted numbers and the version.
fn set_constants(call: &mut Call<'_>, is_wanted: impl Fn(&str) -> bool) {
    for (name, number) in NUMBERS.iter().filter(|(name, _)| is_wanted(name)) {
        call.push_number(*number);
        call.raw_set_field(-2, name);
    }
    call.push_bytes(version::REDIS);
    call.raw_set_field(-2, "REDIS_VERSION");
}

/// Gets each error that ends a script, and completes it with the place that it comes from.
pub fn on_error(call: &mut Call<'_>) -> Answer {
    let place = match call.place(1) {
        Some(place) if place.is_native => call.place(2),
        place => place,
    };
    if call.is_read_only(1) {
        // Redis's handler, which is a script, fails at this.
        call.push_error_table("ERR err_handler_def:10: Attempt to modify a readonly table");
        call.push_bytes("@err_handler_def");
        call.raw_set_field(-2, "source");
        call.push_number(10.0);
        call.raw_set_field(-2, "line");
        return Ok(1);
    }
    if call.kind(1) == Kind::Table {
        call.push_copy(1);
    } else {
        let text = match call.value(1) {
            Value::Bytes(bytes) => [b"ERR ", bytes].concat(),
            Value::Number(number) => format!("ERR {}", super::lua::number_text(number)).into_bytes(),
            Value::Boolean(value) => format!("ERR {value}").into_bytes(),
            Value::Nil => b"ERR nil".to_vec(),
            Value::Other(kind) => format!("ERR {}: {:#x}", kind.name(), call.address(1)).into_bytes(),
        };
        call.push_error_table(text);
    }
    if let Some(place) = place {
        call.push_bytes(place.source);
        call.raw_set_field(-2, "source");
        call.push_number(place.line.into());
        call.raw_set_field(-2, "line");
    }
    Ok(1)
}

/// redis.call, as scripts call it.
struct CallCommand;

impl Frequent for CallCommand {
    const FUNCTION: Function = command;
}

/// redis.pcall, as scripts call it.
struct TryCommand;

impl Frequent for TryCommand {
    const FUNCTION: Function = protected_command;
}

/// redis.call: an error of the command is one of the script.
#[inline(always)]
fn command(call: &mut Call<'_>) -> Answer {
    if run_command(call)? { Err(call.raise()) } else { Ok(1) }
}

/// redis.pcall: an error of the command is returned as a table.
fn protected_command(call: &mut Call<'_>) -> Answer {
    if !call.context().may_call.get() {
        return command(call);
    }
    // What is wrong with the arguments is returned too.
    run_command(call).map(|_| 1).or(Ok(1))
}

/// Replies up to this length are pushed at once. Of strings, Lua hashes only some bytes of the longer ones, so that those of
/// a client's choice may take it long: each is compared with all before it.
const SHORT_REPLY_BYTES: usize = 4 << 10;

/// Replies up to this length take no time worth mentioning to push.
const QUICK_REPLY_BYTES: usize = 256;

/// More arguments than these are taken off the stack before the reply is pushed: it needs places, too.
const ARGS_KEPT_MAX: usize = 1000;

/// Runs the command that the arguments are, and pushes its reply. Returns whether that is an error.
#[inline(always)]
fn run_command(call: &mut Call<'_>) -> Result<bool, Raise> {
    if !call.context().may_call.get() {
        call.push_error_table("ERR redis.call/pcall can only be called inside a script invocation");
        return Err(call.raise());
    }
    let context = call.context();
    // No command calls a script, so that nobody else wants it meanwhile.
    let mut command = context.command.borrow_mut();
    let follows_closely = context.begin_command();
    let answer = match take_arguments(call, &mut command) {
        Ok(()) => ask_server(call, &command, follows_closely),
        Err(raise) => Err(raise),
    };
    command.shrink_to_usual();
    drop(command);
    match answer? {
        Answered::Pushed(is_error) => Ok(is_error),
        Answered::Long(reply) => push_long_reply(call, &reply).map(|()| reply.first() == Some(&b'-')),
    }
}

/// Has the server run a command, and pushes its reply unless it is long.
#[inline(always)]
fn ask_server(call: &mut Call<'_>, command: &ArgsBuf, follows_closely: bool) -> Result<Answered, Raise> {
    if call.args() > ARGS_KEPT_MAX {
        call.keep_args(0);
    }
    let Some(mut host) = call.context().host() else { return Err(call.error("no server runs the script")) };
    let reply = host.get().call(command.as_args(), follows_closely);
    if reply.len() > SHORT_REPLY_BYTES {
        return Ok(Answered::Long(reply.to_vec()));
    }
    push_reply(call, reply)?;
    if reply.len() <= QUICK_REPLY_BYTES {
        call.context().end_command();
    }
    Ok(Answered::Pushed(reply.first() == Some(&b'-')))
}

/// What a command has answered.
enum Answered {
    /// It is on the stack. Whether it is an error.
    Pushed(bool),
    /// A copy of what it is, since the server is to look at the script while it is pushed.
    Long(Vec<u8>),
}

#[inline(always)]
fn take_arguments(call: &mut Call<'_>, command: &mut ArgsBuf) -> Result<(), Raise> {
    if call.args() == 0 {
        call.push_error_table("ERR Please specify at least one argument for this redis lib call");
        return Err(call.raise());
    }
    let (mut arg, end) = (1, call.args() as i32 + 1);
    while arg < end {
        match call.arg_bytes(arg) {
            Some(bytes) => command.push(bytes),
            None => take_number(call, arg, command)?,
        }
        arg += 1;
    }
    Ok(())
}

/// Takes an argument that is no string, which must be a number then.
#[inline(never)]
fn take_number(call: &mut Call<'_>, arg: i32, command: &mut ArgsBuf) -> Result<(), Raise> {
    let Value::Number(number) = call.value(arg) else {
        call.push_error_table("ERR Lua redis lib command arguments must be strings or integers");
        return Err(call.raise());
    };
    push_number(command, number);
    Ok(())
}

/// Numbers go out with 17 digits, and whole ones without an exponent.
fn push_number(command: &mut ArgsBuf, number: f64) {
    let whole = whole(number);
    if whole as f64 == number && (number != 0.0 || number.is_sign_positive()) && whole != i64::MAX {
        command.push(itoa::Buffer::new().format(whole));
    } else {
        command.push(format_number(c"%.17g", number));
    }
}

fn error_reply(call: &mut Call<'_>) -> Answer {
    let [Value::Bytes(text)] = values(call) else { return wrong_arguments(call) };
    // The code may have its minus or not; a text without a code is one of code ERR.
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let text = if text.contains(&b' ') { text.to_vec() } else { [b"ERR ", text].concat() };
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    call.push_error_table(&text[..end]);
    Ok(1)
}

fn status_reply(call: &mut Call<'_>) -> Answer {
    let [Value::Bytes(_)] = values(call) else { return wrong_arguments(call) };
    call.push_table(0, 1);
    call.push_copy(1);
    call.raw_set_field(-2, "ok");
    Ok(1)
}

/// The one argument, if there is exactly one.
fn values<'a>(call: &'a Call<'_>) -> [Value<'a>; 1] {
    [if call.args() == 1 { call.value(1) } else { Value::Nil }]
}

fn wrong_arguments(call: &mut Call<'_>) -> Answer {
    call.push_error_table("ERR wrong number or type of arguments");
    Ok(1)
}

fn fail(call: &mut Call<'_>, text: &str) -> Answer {
    call.push_error_table(text);
    Err(call.raise())
}

fn log(call: &mut Call<'_>) -> Answer {
    if call.args() < 2 {
        return fail(call, "ERR redis.log() requires two arguments or more.");
    }
    let Some(level) = call.number(1) else {
        return fail(call, "ERR First argument must be a number (log level).");
    };
    let level = whole(level);
    let Ok(level @ 0..=3) = u8::try_from(level) else { return fail(call, "ERR Invalid log level.") };
    let mut text = Vec::new();
    for arg in 2..=call.args() as i32 {
        if arg > 2 {
            text.push(b' ');
        }
        match call.value(arg) {
            Value::Bytes(bytes) => text.extend_from_slice(bytes),
            Value::Number(number) => text.extend_from_slice(super::lua::number_text(number).as_bytes()),
            _ => {}
        }
    }
    call.context().with_host(|host| host.log(level, &text));
    Ok(0)
}

fn setresp(call: &mut Call<'_>) -> Answer {
    if call.args() != 1 {
        return fail(call, "ERR redis.setresp() requires one argument.");
    }
    let protocol = match call.number(1).map(whole) {
        Some(2) => Protocol::Resp2,
        Some(3) => Protocol::Resp3,
        _ => return fail(call, "ERR RESP version must be 2 or 3."),
    };
    call.context().with_host(|host| host.set_protocol(protocol));
    Ok(0)
}

fn sha1hex(call: &mut Call<'_>) -> Answer {
    if call.args() != 1 {
        return fail(call, "ERR wrong number of arguments");
    }
    let text = call.check_bytes(1).unwrap_or_default();
    let digest = Sha1::digest(&text);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    call.push_bytes(hex);
    Ok(1)
}

fn set_repl(call: &mut Call<'_>) -> Answer {
    if call.args() != 1 {
        return fail(call, "ERR redis.set_repl() requires one argument.");
    }
    let number = call.number(1).map_or(0, whole);
    let Some(to) = Replicate::from_number(number) else {
        return fail(call, "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
    };
    call.context().with_host(|host| host.set_replication(to));
    Ok(0)
}

/// Effects are all that is ever replicated, so there is nothing to switch on.
fn replicate_commands(call: &mut Call<'_>) -> Answer {
    call.push_boolean(true);
    Ok(1)
}

fn acl_check_cmd(call: &mut Call<'_>) -> Answer {
    let mut command = ArgsBuf::new();
    take_arguments(call, &mut command)?;
    match call.context().with_host(|host| host.check_permission(command.as_args())) {
        Some(Permission::Granted) => call.push_boolean(true),
        Some(Permission::Denied) => call.push_boolean(false),
        Some(Permission::UnknownCommand) => return fail(call, "ERR Invalid command passed to redis.acl_check_cmd()"),
        None => {
            return fail(call, "ERR redis.acl_check_cmd can only be called inside a script invocation");
        }
    }
    Ok(1)
}

#[cfg(test)]
mod tests {
    use crate::script::testing::{Interpreter, run};

    #[test]
    fn a_command_may_have_as_many_arguments_as_lua_has_places() {
        let script = "local args = {} for i = 1, 7998 do args[i] = 1 end return redis.call('lpush', unpack(args))";
        assert!(run(script).starts_with("-ERR no server"), "{}", run(script));
    }

    #[test]
    fn a_command_follows_closely_where_a_short_script_has_done_nothing_else_since_the_last_one() {
        let followed = |between: &str| {
            let mut interpreter = Interpreter::new();
            let text = format!("local x = redis.pcall('get', 'x') {between} return redis.pcall('get', 'x')");
            interpreter.run(&text);
            interpreter.server.followed
        };
        for between in ["", "local y = x if y == nil then y = 1 end", "for i = 1, 10 do x = i end", "x = 'a' .. x.err"]
        {
            assert_eq!(followed(between), [false, true], "{between}");
        }
        for between in [
            "string.len(x.err)",
            "redis.sha1hex('x')",
            "for i = 1, 3000 do x = i end",
            "while x do x = nil end",
            "local function f() end f()",
            &format!("x = x.err .. '{}'", "b".repeat(200)),
            "coroutine.wrap(redis.pcall)('get')",
            "string.gsub('xx', '.', redis.pcall)",
        ] {
            assert!(!followed(between).iter().any(|follows| *follows), "{between}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_call_is_said_as_redis_says_it() {
        assert!(run("return redis.call()").contains("Please specify at least one argument for this redis lib call"));
        assert!(run("redis.log('debug', 'x')").contains("First argument must be a number"));
        assert!(run("redis.log(4, 'x')").contains("Invalid log level"));
        assert!(run("redis.setresp(4)").contains("RESP version must be 2 or 3"));
        // Texts that are numbers count as numbers.
        assert_eq!(run("redis.setresp('3') redis.setresp(2.5) redis.log('1', 'x') return 1"), ":1");
        assert!(run("redis.set_repl(99)").contains("Invalid replication flags. Use REPL_AOF"));
    }
}
