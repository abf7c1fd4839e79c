//! Publish and subscribe (<https://redis.io/docs/latest/develop/interact/pubsub/>).

use super::framework::help as help_text;
use super::framework::{
    Answer, Arity, ChannelKind, Channels, ClientCtx, Command, CommandResult, Flags, Group, Handler, KeyFlags, KeySpec,
    PubSubRequest,
};
use crate::resp::Args;

const SUBSCRIBING: Flags = Flags::PUBSUB.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE);
const PUBLISHING: Flags = Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::MAY_REPLICATE);
const ASKING: Flags = Flags::PUBSUB.or(Flags::LOADING).or(Flags::STALE);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "PSUBSCRIBE",
        summary: "Listens for messages published to channels that match one or more patterns.",
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns to subscribe to.",
        arity: Arity::at_least(2),
        flags: SUBSCRIBING.or(Flags::SUBSCRIBED),
        channels: Channels::AllPatterns,
        syntax: "pattern [pattern ...]",
        run: Handler::Client(|ctx, args| subscribe(ctx, ChannelKind::Pattern, args)),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "PUBLISH",
        summary: "Posts a message to a channel.",
        since: "2.0.0",
        complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total \
                     number of subscribed patterns (by any client).",
        arity: Arity::exactly(3),
        flags: PUBLISHING,
        channels: Channels::First,
        syntax: "channel message",
        run: Handler::Client(|ctx, args| publish(ctx, ChannelKind::Channel, args)),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "PUBSUB",
        summary: "A container for Pub/Sub commands.",
        since: "2.8.0",
        complexity: "Depends on subcommand.",
        arity: Arity::at_least(2),
        subcommands: SUBCOMMANDS,
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "PUNSUBSCRIBE",
        summary: "Stops listening to messages published to channels that match one or more patterns.",
        since: "2.0.0",
        complexity: "O(N) where N is the number of patterns to unsubscribe.",
        arity: Arity::at_least(1),
        flags: SUBSCRIBING.or(Flags::SUBSCRIBED),
        syntax: "[pattern [pattern ...]]",
        run: Handler::Client(|ctx, args| unsubscribe(ctx, ChannelKind::Pattern, args)),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "SPUBLISH",
        summary: "Post a message to a shard channel",
        since: "7.0.0",
        complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
        arity: Arity::exactly(3),
        flags: PUBLISHING,
        keys: &[KeySpec::first(KeyFlags::NOT_KEY)],
        channels: Channels::First,
        syntax: "shardchannel message",
        run: Handler::Client(|ctx, args| publish(ctx, ChannelKind::Shard, args)),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "SSUBSCRIBE",
        summary: "Listens for messages published to shard channels.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to subscribe to.",
        arity: Arity::at_least(2),
        flags: SUBSCRIBING.or(Flags::SUBSCRIBED),
        keys: &[KeySpec::rest(1, KeyFlags::NOT_KEY)],
        channels: Channels::All,
        syntax: "shardchannel [shardchannel ...]",
        run: Handler::Client(|ctx, args| subscribe(ctx, ChannelKind::Shard, args)),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "SUBSCRIBE",
        summary: "Listens for messages published to channels.",
        since: "2.0.0",
        complexity: "O(N) where N is the number of channels to subscribe to.",
        arity: Arity::at_least(2),
        flags: SUBSCRIBING.or(Flags::SUBSCRIBED),
        channels: Channels::All,
        syntax: "channel [channel ...]",
        run: Handler::Client(|ctx, args| subscribe(ctx, ChannelKind::Channel, args)),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "SUNSUBSCRIBE",
        summary: "Stops listening to messages posted to shard channels.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of shard channels to unsubscribe.",
        arity: Arity::at_least(1),
        flags: SUBSCRIBING.or(Flags::SUBSCRIBED),
        keys: &[KeySpec::rest(1, KeyFlags::NOT_KEY)],
        syntax: "[shardchannel [shardchannel ...]]",
        run: Handler::Client(|ctx, args| unsubscribe(ctx, ChannelKind::Shard, args)),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "UNSUBSCRIBE",
        summary: "Stops listening to messages posted to channels.",
        since: "2.0.0",
        complexity: "O(N) where N is the number of channels to unsubscribe.",
        arity: Arity::at_least(1),
        flags: SUBSCRIBING.or(Flags::SUBSCRIBED),
        syntax: "[channel [channel ...]]",
        run: Handler::Client(|ctx, args| unsubscribe(ctx, ChannelKind::Channel, args)),
        ..Command::in_group(Group::PubSub)
    },
];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "CHANNELS",
        summary: "Returns the active channels.",
        since: "2.8.0",
        complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching \
                     (relatively short channels and patterns)",
        arity: Arity::at_least(2),
        flags: ASKING,
        syntax: "[pattern]",
        run: Handler::Client(|ctx, args| channels(ctx, ChannelKind::Channel, args)),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "6.2.0",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Client(help),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "NUMPAT",
        summary: "Returns a count of unique pattern subscriptions.",
        since: "2.8.0",
        arity: Arity::exactly(2),
        flags: ASKING,
        run: Handler::Client(|ctx, _| ask(ctx, PubSubRequest::PatternCount)),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "NUMSUB",
        summary: "Returns a count of subscribers to channels.",
        since: "2.8.0",
        complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
        arity: Arity::at_least(2),
        flags: ASKING,
        syntax: "[channel [channel ...]]",
        run: Handler::Client(|ctx, args| counts(ctx, ChannelKind::Channel, args)),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "SHARDCHANNELS",
        summary: "Returns the active shard channels.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern matching \
                     (relatively short shard channels).",
        arity: Arity::at_least(2),
        flags: ASKING,
        syntax: "[pattern]",
        run: Handler::Client(|ctx, args| channels(ctx, ChannelKind::Shard, args)),
        ..Command::in_group(Group::PubSub)
    },
    Command {
        name: "SHARDNUMSUB",
        summary: "Returns the count of subscribers of shard channels.",
        since: "7.0.0",
        complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
        arity: Arity::at_least(2),
        flags: ASKING,
        syntax: "[shardchannel [shardchannel ...]]",
        run: Handler::Client(|ctx, args| counts(ctx, ChannelKind::Shard, args)),
        ..Command::in_group(Group::PubSub)
    },
];

fn subscribe(ctx: &mut ClientCtx<'_>, kind: ChannelKind, args: Args<'_>) -> CommandResult {
    ask(ctx, PubSubRequest::Subscribe(kind, names(args.tail(1))))
}

fn unsubscribe(ctx: &mut ClientCtx<'_>, kind: ChannelKind, args: Args<'_>) -> CommandResult {
    ask(ctx, PubSubRequest::Unsubscribe(kind, names(args.tail(1))))
}

fn publish(ctx: &mut ClientCtx<'_>, kind: ChannelKind, args: Args<'_>) -> CommandResult {
    ask(ctx, PubSubRequest::Publish { kind, channel: args.arg(1).into(), message: args.arg(2).into() })
}

fn channels(ctx: &mut ClientCtx<'_>, kind: ChannelKind, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(help_text::unknown_or_wrong_arity(args, "PUBSUB"));
    }
    ask(ctx, PubSubRequest::Channels { kind, pattern: args.get(2).map(Box::from) })
}

fn counts(ctx: &mut ClientCtx<'_>, kind: ChannelKind, args: Args<'_>) -> CommandResult {
    ask(ctx, PubSubRequest::SubscriberCounts { kind, channels: names(args.tail(2)) })
}

fn help(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    help_text::reply(
        ctx.reply,
        "PUBSUB",
        &[
            ("CHANNELS [<pattern>]", "Return the currently active channels matching a <pattern> (default: '*')."),
            ("NUMPAT", "Return number of subscriptions to patterns."),
            (
                "NUMSUB [<channel> ...]",
                "Return the number of subscribers for the specified channels, excluding\npattern subscriptions(default: no channels).",
            ),
            (
                "SHARDCHANNELS [<pattern>]",
                "Return the currently active shard level channels matching a <pattern> (default: '*').",
            ),
            (
                "SHARDNUMSUB [<shardchannel> ...]",
                "Return the number of subscribers for the specified shard level channel(s)",
            ),
        ],
    );
    Ok(())
}

fn ask(ctx: &mut ClientCtx<'_>, request: PubSubRequest) -> CommandResult {
    ctx.effects.push(Answer::PubSub(request).into());
    Ok(())
}

fn names(args: Args<'_>) -> Vec<Box<[u8]>> {
    args.iter().map(Box::from).collect()
}
