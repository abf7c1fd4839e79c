//! When the `save` rules ask for a snapshot, exactly as Redis times them.

use crate::config::SaveRule;

/// After a save that failed, the rules rest for so long.
pub const RETRY_SECONDS: i64 = 5;

/// What the rules look at; times are in seconds that go on evenly, whoever sets the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    pub now: i64,
    pub last_save: i64,
    pub last_try: i64,
    pub last_try_ok: bool,
    /// Changes since the last save.
    pub changes: u64,
}

impl Situation {
    /// Whether a save may be tried again after one that failed.
    pub fn may_try(&self) -> bool {
        self.last_try_ok || self.now - self.last_try > RETRY_SECONDS
    }
}

/// The first rule that asks for a snapshot now: enough changes, and more than its seconds since the last save.
pub fn due_rule<'a>(rules: &'a [SaveRule], situation: &Situation) -> Option<&'a SaveRule> {
    let elapsed = situation.now - situation.last_save;
    let due = |rule: &&SaveRule| {
        situation.changes >= rule.changes && i64::try_from(rule.seconds).is_ok_and(|seconds| elapsed > seconds)
    };
    if situation.may_try() { rules.iter().find(due) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [SaveRule; 2] = [SaveRule { seconds: 3600, changes: 1 }, SaveRule { seconds: 60, changes: 100 }];
    const IDLE: Situation = Situation { now: 10_000, last_save: 10_000, last_try: 0, last_try_ok: true, changes: 0 };

    fn due(situation: Situation) -> Option<u64> {
        due_rule(&RULES, &situation).map(|rule| rule.seconds)
    }

    #[test]
    fn rule_asks_only_when_both_changes_and_seconds_are_reached() {
        assert_eq!(due(Situation { changes: 1000, now: 10_060, ..IDLE }), None);
        assert_eq!(due(Situation { changes: 99, now: 10_061, ..IDLE }), None);
        assert_eq!(due(Situation { changes: 100, now: 10_061, ..IDLE }), Some(60));
        assert_eq!(due(Situation { changes: 1, now: 13_600, ..IDLE }), None);
        assert_eq!(due(Situation { changes: 1, now: 13_601, ..IDLE }), Some(3600));
        assert_eq!(due(Situation { changes: 0, now: 99_999, ..IDLE }), None);
    }

    #[test]
    fn failed_save_rests_the_rules_for_five_seconds() {
        let failed = Situation { changes: 500, now: 20_000, last_try_ok: false, ..IDLE };
        assert_eq!(due(Situation { last_try: 19_995, ..failed }), None);
        assert_eq!(due(Situation { last_try: 19_994, ..failed }), Some(3600));
        assert_eq!(due(Situation { last_try: 19_995, last_try_ok: true, ..failed }), Some(3600));
    }

    #[test]
    fn no_rules_and_times_before_the_last_save_ask_for_nothing() {
        assert!(due_rule(&[], &Situation { changes: 9, now: 99_999, ..IDLE }).is_none());
        assert_eq!(due(Situation { changes: 500, now: 5, ..IDLE }), None);
        let endless = [SaveRule { seconds: u64::MAX, changes: 1 }];
        assert!(due_rule(&endless, &Situation { changes: 9, now: i64::MAX, last_save: 0, ..IDLE }).is_none());
    }
}
