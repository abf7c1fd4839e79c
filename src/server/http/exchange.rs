//! How the HTTP thread gets figures from the thread that executes commands: it asks, and waits for a copy.
//!
//! At most one question is under way, however many ask, and figures serve for a while: so the event loop copies them ten times
//! a second at most, whatever comes over HTTP.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::observe::Figures;

/// Figures that are no older answer without a question.
const FRESH: Duration = Duration::from_millis(100);

/// How long a request waits for an answer of the event loop. Less than a second, after which many probes give up.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Shared by both threads.
pub struct Exchange {
    wanted: Notify,
    latest: watch::Sender<Option<Copied>>,
    /// Since when a question waits for its answer.
    asked: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Copied {
    figures: Arc<Figures>,
    at: Instant,
}

/// What a request finds out.
pub struct Reading {
    /// The last figures, if there ever were some, and how old they are.
    pub figures: Option<Arc<Figures>>,
    pub age: Duration,
    /// How long the event loop has not answered, where it did not do so in time.
    pub stalled: Option<Duration>,
}

impl Exchange {
    pub fn new() -> Self {
        Self { wanted: Notify::new(), latest: watch::Sender::new(None), asked: Mutex::new(None) }
    }

    /// Waits until figures are wanted: for the thread that executes commands.
    pub async fn wanted(&self) {
        self.wanted.notified().await;
    }

    pub fn answer(&self, figures: Figures) {
        self.note_asked(None);
        self.latest.send_replace(Some(Copied { figures: Arc::new(figures), at: Instant::now() }));
    }

    /// The present figures, or the last ones where the event loop does not answer.
    pub async fn read(&self) -> Reading {
        let mut answers = self.latest.subscribe();
        let copied = answers.borrow_and_update().clone();
        if let Some(copied) = copied.filter(|copied| copied.at.elapsed() < FRESH) {
            return Reading { age: copied.at.elapsed(), figures: Some(copied.figures), stalled: None };
        }
        if self.note_asked(Some(Instant::now())) {
            self.wanted.notify_one();
        }
        let is_answered = tokio::time::timeout(ANSWER_WITHIN, answers.changed()).await.is_ok();
        let stalled = if is_answered { None } else { self.unanswered() };
        let copied = self.latest.borrow().clone();
        let age = copied.as_ref().map_or(Duration::ZERO, |copied| copied.at.elapsed());
        Reading { figures: copied.map(|copied| copied.figures), age, stalled }
    }

    fn unanswered(&self) -> Option<Duration> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }

    /// Notes a question, or that there is none any more. Returns whether there was none.
    fn note_asked(&self, at: Option<Instant>) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let was_none = asked.is_none();
        if at.is_none() || was_none {
            *asked = at;
        }
        was_none
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::runtime::{Builder, LocalOptions};
    use tokio::task::spawn_local;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let mut builder = Builder::new_current_thread();
        builder.enable_time().build_local(LocalOptions::default()).unwrap().block_on(future)
    }

    #[test]
    fn many_requests_are_one_question() {
        run(async {
            let exchange = Rc::new(Exchange::new());
            let questions = Rc::new(std::cell::Cell::new(0));
            let (asked, counted) = (Rc::clone(&exchange), Rc::clone(&questions));
            spawn_local(async move {
                loop {
                    asked.wanted().await;
                    counted.set(counted.get() + 1);
                    asked.answer(Figures { unix_ms: 7, ..Figures::default() });
                }
            });
            let requests: Vec<_> = (0..100)
                .map(|_| {
                    let exchange = Rc::clone(&exchange);
                    spawn_local(async move { exchange.read().await })
                })
                .collect();
            for request in requests {
                let reading = request.await.unwrap();
                assert_eq!(reading.figures.map(|figures| figures.unix_ms), Some(7));
                assert!(reading.stalled.is_none());
            }
            assert_eq!(questions.get(), 1);
        });
    }

    #[test]
    fn without_an_answer_the_last_figures_are_served_and_the_wait_is_said() {
        run(async {
            let exchange = Exchange::new();
            let first = exchange.read().await;
            assert!(first.figures.is_none() && first.stalled.is_some());
            exchange.answer(Figures { unix_ms: 8, ..Figures::default() });
            assert!(exchange.read().await.stalled.is_none());
            std::thread::sleep(FRESH);
            let later = exchange.read().await;
            assert_eq!(later.figures.map(|figures| figures.unix_ms), Some(8));
            assert!(later.stalled.is_some() && later.age >= FRESH);
        });
    }
}
