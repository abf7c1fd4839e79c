//! LATENCY (<https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency-monitor/>).

use super::framework::{AdminCtx, Answer, Arity, Command, CommandResult, Flags, Group, Handler, ObserveRequest, help};
use crate::resp::Args;

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
    ctx.push(Answer::Observe(ObserveRequest::LatencyDoctor).into());
    Ok(())
}

fn graph(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    ctx.push(Answer::Observe(ObserveRequest::LatencyGraph(args.arg(2).into())).into());
    Ok(())
}

fn histogram(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let rows = ctx.table.rows();
    let commands = if args.len() == 2 {
        rows.iter().map(|row| row.id).collect()
    } else {
        let asked = args.tail(2).iter().filter_map(|name| ctx.table.by_full_name(name));
        asked.flat_map(|row| std::iter::once(row.id).chain(row.subcommands.iter().copied())).collect()
    };
    ctx.push(Answer::Observe(ObserveRequest::LatencyHistogram(commands)).into());
    Ok(())
}

fn history(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    ctx.push(Answer::Observe(ObserveRequest::LatencyHistory(args.arg(2).into())).into());
    Ok(())
}

fn latest(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.push(Answer::Observe(ObserveRequest::LatencyLatest).into());
    Ok(())
}

fn reset(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let events = args.tail(2).iter().map(Into::into).collect();
    ctx.push(Answer::Observe(ObserveRequest::LatencyReset(events)).into());
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
