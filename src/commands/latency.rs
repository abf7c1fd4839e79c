//! LATENCY (<https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency-monitor/>).

use super::framework::{AdminCtx, Arity, Command, CommandError, CommandResult, Flags, Group, Handler, Row, help};
use crate::observe::{LatencySample, LatencySetup};
use crate::resp::{Args, Reply};

const FLAGS: Flags = Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE);
const TIPS: &[&str] = &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "LATENCY",
    summary: "A container for latency diagnostics commands.",
    since: "2.8.13",
    complexity: "Depends on subcommand.",
    arity: Arity::at_least(2),
    subcommands: &[
        Command {
            name: "DOCTOR",
            summary: "Returns a human-readable latency analysis report.",
            since: "2.8.13",
            arity: Arity::exactly(2),
            flags: FLAGS,
            tips: TIPS,
            run: Handler::Admin(doctor),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "GRAPH",
            summary: "Returns a latency graph for an event.",
            since: "2.8.13",
            arity: Arity::exactly(3),
            flags: FLAGS,
            syntax: "event",
            tips: TIPS,
            run: Handler::Admin(graph),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "HELP",
            summary: "Returns helpful text about the different subcommands.",
            since: "2.8.13",
            arity: Arity::exactly(2),
            flags: Flags::LOADING.or(Flags::STALE),
            run: Handler::Admin(help),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "HISTOGRAM",
            summary: "Returns the cumulative distribution of latencies of a subset or all commands.",
            since: "7.0.0",
            complexity: "O(N) where N is the number of commands with latency information being retrieved.",
            arity: Arity::at_least(2),
            flags: FLAGS,
            syntax: "[command [command ...]]",
            tips: TIPS,
            run: Handler::Admin(histogram),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "HISTORY",
            summary: "Returns timestamp-latency samples for an event.",
            since: "2.8.13",
            arity: Arity::exactly(3),
            flags: FLAGS,
            syntax: "event",
            tips: TIPS,
            run: Handler::Admin(history),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "LATEST",
            summary: "Returns the latest latency samples for all events.",
            since: "2.8.13",
            arity: Arity::exactly(2),
            flags: FLAGS,
            tips: TIPS,
            run: Handler::Admin(latest),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "RESET",
            summary: "Resets the latency data for one or more events.",
            since: "2.8.13",
            arity: Arity::at_least(2),
            flags: FLAGS,
            syntax: "[event [event ...]]",
            tips: &["request_policy:all_nodes", "response_policy:agg_sum"],
            run: Handler::Admin(reset),
            ..Command::in_group(Group::Server)
        },
    ],
    ..Command::in_group(Group::Server)
}];

fn doctor(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    let setup = LatencySetup {
        now_seconds: ctx.now.unix_seconds(),
        threshold_ms: ctx.config.latency_monitor_threshold_ms,
        slowlog_threshold_us: ctx.config.slowlog_log_slower_than_us,
        hz: ctx.config.hz,
    };
    ctx.reply.verbatim(b"txt", ctx.observed.latency.report(&setup).as_bytes());
    Ok(())
}

fn graph(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let event = args.arg(2);
    let Some(graph) = ctx.observed.latency.graph(event, ctx.now.unix_seconds()) else {
        return Err(CommandError::Bytes([b"ERR No samples available for event '", event, b"'"].concat()));
    };
    ctx.reply.verbatim(b"txt", graph.as_bytes());
    Ok(())
}

fn histogram(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let table = ctx.table;
    let rows: Vec<&Row> = if args.len() == 2 {
        table.rows().iter().collect()
    } else {
        let asked = args.tail(2).iter().filter_map(|name| table.by_full_name(name));
        asked.flat_map(|row| std::iter::once(row).chain(row.subcommands.iter().map(|id| table.row(*id)))).collect()
    };
    let stats = ctx.observed.command_stats;
    let histograms = || {
        let latency = |row: &&Row| stats.get(row.id.index()).latency.as_ref();
        rows.iter().filter_map(move |row| Some((&*row.full_name, latency(row)?)))
    };
    let reply = &mut *ctx.reply;
    reply.map(histograms().count());
    for (name, histogram) in histograms() {
        reply.bulk(name);
        reply.map(2);
        reply.bulk("calls");
        reply.integer(histogram.total() as i64);
        reply.bulk("histogram_usec");
        let steps = histogram.cumulative_by_microseconds();
        reply.map(steps.len());
        for (microseconds, count) in steps {
            reply.integer(microseconds as i64);
            reply.integer(count as i64);
        }
    }
    Ok(())
}

fn history(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let series = ctx.observed.latency.series(args.arg(2));
    let samples: Vec<_> = series.into_iter().flat_map(|series| series.samples()).collect();
    ctx.reply.array(samples.len());
    for sample in samples {
        ctx.reply.array(2);
        write_sample(ctx.reply, *sample);
    }
    Ok(())
}

fn latest(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.array(ctx.observed.latency.iter().len());
    for (name, series) in ctx.observed.latency.iter() {
        ctx.reply.array(4);
        ctx.reply.bulk(name);
        write_sample(ctx.reply, series.latest());
        ctx.reply.integer(series.worst_ms as i64);
    }
    Ok(())
}

fn write_sample(reply: &mut Reply, sample: LatencySample) {
    reply.integer(sample.unix_seconds);
    reply.integer(sample.milliseconds as i64);
}

fn reset(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let latency = &mut *ctx.observed.latency;
    let events = args.tail(2);
    let dropped = match events.len() {
        0 => latency.clear(),
        _ => events.iter().filter(|event| latency.forget(event)).count(),
    };
    ctx.reply.integer(dropped as i64);
    Ok(())
}

fn help(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    help::reply(
        ctx.reply,
        "LATENCY",
        &[
            ("DOCTOR", "Return a human readable latency analysis report."),
            ("GRAPH <event>", "Return an ASCII latency graph for the <event> class."),
            ("HISTORY <event>", "Return time-latency samples for the <event> class."),
            ("LATEST", "Return the latest latency samples for all events."),
            (
                "RESET [<event> ...]",
                "Reset latency data of one or more <event> classes.\n(default: reset all data for all event classes)",
            ),
            (
                "HISTOGRAM [COMMAND ...]",
                "Return a cumulative distribution of latencies in the format of a histogram for the specified command \
                 names.\nIf no commands are specified then all histograms are replied.",
            ),
        ],
    );
    Ok(())
}
