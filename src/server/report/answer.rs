//! INFO, SLOWLOG and LATENCY.

use crate::commands::{CommandError, CommandId, ObserveRequest};
use crate::observe::{LatencySample, LatencySetup};
use crate::resp::Reply;
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;

impl Executor {
    pub(in crate::server) fn answer_observe(&mut self, key: ClientKey, effect: ObserveRequest) {
        if let ObserveRequest::Info(names) = effect {
            let names: Vec<&[u8]> = names.iter().map(|name| &**name).collect();
            self.poll_child();
            let text = self.info(&names);
            self.clients.get_mut(key).reply.verbatim(b"txt", &text);
            return;
        }
        let setup = self.latency_setup();
        let reply = &mut self.clients.get_mut(key).reply;
        match effect {
            ObserveRequest::Info(_) => {}
            ObserveRequest::SlowLogGet { count } => self.slow_log_get(key, count),
            ObserveRequest::SlowLogLen => reply.integer(self.stats.slow_log.len() as i64),
            ObserveRequest::SlowLogReset => {
                self.stats.slow_log.clear();
                reply.ok();
            }
            ObserveRequest::LatencyDoctor => reply.verbatim(b"txt", self.stats.latency.report(&setup).as_bytes()),
            ObserveRequest::LatencyGraph(event) => match self.stats.latency.graph(&event, setup.now_seconds) {
                Some(graph) => reply.verbatim(b"txt", graph.as_bytes()),
                None => {
                    let text = [b"ERR No samples available for event '", &*event, b"'"].concat();
                    self.reply_error(key, &CommandError::Bytes(text));
                }
            },
            ObserveRequest::LatencyHistogram(commands) => self.latency_histogram(key, &commands),
            ObserveRequest::LatencyHistory(event) => {
                let samples: Vec<_> =
                    self.stats.latency.series(&event).into_iter().flat_map(|one| one.samples()).collect();
                reply.array(samples.len());
                for sample in samples {
                    reply.array(2);
                    write_sample(reply, *sample);
                }
            }
            ObserveRequest::LatencyLatest => {
                reply.array(self.stats.latency.iter().len());
                for (name, series) in self.stats.latency.iter() {
                    reply.array(4);
                    reply.bulk(name);
                    write_sample(reply, series.latest());
                    reply.integer(series.worst_ms as i64);
                }
            }
            ObserveRequest::LatencyReset(events) => {
                let forgotten = match events.as_slice() {
                    [] => self.stats.latency.clear(),
                    events => events.iter().filter(|event| self.stats.latency.forget(event)).count(),
                };
                reply.integer(forgotten as i64);
            }
        }
    }

    fn latency_setup(&self) -> LatencySetup {
        LatencySetup {
            now_seconds: self.clock.latest().unix_seconds(),
            threshold_ms: self.config.latency_monitor_threshold_ms,
            slowlog_threshold_us: self.config.slowlog_log_slower_than_us,
            hz: self.config.hz,
        }
    }

    fn slow_log_get(&mut self, key: ClientKey, count: Option<usize>) {
        let count = count.unwrap_or(usize::MAX).min(self.stats.slow_log.len());
        let reply = &mut self.clients.get_mut(key).reply;
        reply.array(count);
        for command in self.stats.slow_log.iter().take(count) {
            reply.array(6);
            reply.integer(command.id as i64);
            reply.integer(command.unix_seconds);
            reply.integer(command.duration_us as i64);
            reply.array(command.args.len());
            for arg in &command.args {
                reply.bulk(arg);
            }
            reply.bulk(&command.peer);
            reply.bulk(&command.client_name);
        }
    }

    fn latency_histogram(&mut self, key: ClientKey, commands: &[CommandId]) {
        let reply = &mut self.clients.get_mut(key).reply;
        let histograms = || {
            let rows = commands.iter().map(|id| self.table.row(*id));
            rows.filter_map(|row| {
                Some((&*row.full_name, self.stats.command_stats.get(row.id.index()).latency.as_ref()?))
            })
        };
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
    }
}

fn write_sample(reply: &mut Reply, sample: LatencySample) {
    reply.integer(sample.unix_seconds);
    reply.integer(sample.milliseconds as i64);
}
