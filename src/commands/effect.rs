//! What a command asks of the server beyond the keyspace. The enums are closed: `grep Effect::` lists every way.

use super::session::ReplyMode;
use super::table::CommandId;

/// One request to the server, performed right after the handler returns, in order. Where a variant is said to answer,
/// the server writes the reply and the handler writes none.
#[derive(Debug)]
pub enum Effect {
    Connection(ConnectionEffect),
    PubSub(PubSubEffect),
    Config(ConfigEffect),
    Observe(ObserveEffect),
    /// Run the queued commands (EXEC). Answers.
    Exec,
    /// Forget the watched keys (UNWATCH, DISCARD).
    Unwatch,
}

/// Requests about the connection itself.
#[derive(Debug)]
pub enum ConnectionEffect {
    /// Close once the replies so far are written (QUIT).
    CloseAfterReply,
    /// Give up subscriptions, watches, a transaction and every mode (RESET). Answers.
    Reset,
    SetReplyMode(ReplyMode),
}

/// Which of the three spaces of channels is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelKind {
    Channel,
    Pattern,
    Shard,
}

/// Requests about subscriptions and messages. All of them answer.
#[derive(Debug)]
pub enum PubSubEffect {
    Subscribe(ChannelKind, Vec<Box<[u8]>>),
    /// From the channels named, or from all if none is.
    Unsubscribe(ChannelKind, Vec<Box<[u8]>>),
    Publish {
        kind: ChannelKind,
        channel: Box<[u8]>,
        message: Box<[u8]>,
    },
    /// PUBSUB CHANNELS and SHARDCHANNELS.
    Channels {
        kind: ChannelKind,
        pattern: Option<Box<[u8]>>,
    },
    /// PUBSUB NUMSUB and SHARDNUMSUB.
    SubscriberCounts {
        kind: ChannelKind,
        channels: Vec<Box<[u8]>>,
    },
    PatternCount,
}

/// Requests about the settings.
#[derive(Debug)]
pub enum ConfigEffect {
    /// CONFIG SET of names and values: all or none. Answers.
    Set(Vec<(Box<[u8]>, Box<[u8]>)>),
    /// CONFIG REWRITE; with `everything` the defaults are spelt out too. Answers.
    Rewrite { everything: bool },
    /// CONFIG RESETSTAT.
    ResetStatistics,
}

/// Requests for what the server knows of itself. All of them answer.
#[derive(Debug)]
pub enum ObserveEffect {
    /// INFO with the names of sections.
    Info(Vec<Box<[u8]>>),
    /// All entries where there is no count.
    SlowLogGet {
        count: Option<usize>,
    },
    SlowLogLen,
    SlowLogReset,
    LatencyDoctor,
    LatencyGraph(Box<[u8]>),
    /// The histograms of these commands, of those that have one.
    LatencyHistogram(Vec<CommandId>),
    LatencyHistory(Box<[u8]>),
    LatencyLatest,
    /// Of these events, or of all if none is named.
    LatencyReset(Vec<Box<[u8]>>),
}
