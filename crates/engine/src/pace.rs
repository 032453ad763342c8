//! How long a peer is waited for: idle time and a minimum rate, counted only while we wait, never an absolute deadline.

/// What is asked of a peer that sends or takes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaceRule {
    /// No byte for so long ends the wait.
    pub idle_ms: u64,
    /// Bytes a second that the peer has to move on average; 0 asks for no rate.
    pub rate: u64,
    /// Time that a peer has before the rate counts.
    pub grace_ms: u64,
}

/// Which half of the rule a peer has broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// Nothing has moved for the idle time.
    Idle,
    /// Bytes have moved, but too slowly.
    Rate,
}

/// Time over which bytes are counted to tell how fast a peer is now.
pub(crate) const WINDOW_MS: u64 = 1_000;

/// How one peer keeps to its rule: every byte earns time, waiting spends it.
///
/// A big honest upload lives as long as it needs, a trickle uses up its grace and ends. What can be earned in advance is
/// bounded by the idle time, so that a fast begin does not pay for hours of trickling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// Since when it is waited for (monotonic); 0 while it is not.
    since_ms: u64,
    /// Time that it may still use.
    allowance_ms: u64,
    /// When it was waited for first; 0 before.
    began_ms: u64,
    /// Begin of the window in which bytes are counted now.
    window_ms: u64,
    /// Bytes that have moved in it, and in the one before it.
    bytes: u64,
    bytes_before: u64,
}

impl Pace {
    /// A peer that begins.
    pub fn new(rule: &PaceRule) -> Self {
        Self { allowance_ms: rule.grace_ms, ..Self::default() }
    }

    /// It is waited for from now on, unless it is already; returns the time at which the rule is broken.
    pub fn wait(&mut self, rule: &PaceRule, now_ms: u64) -> u64 {
        if self.since_ms == 0 {
            self.since_ms = now_ms.max(1);
        }
        if self.began_ms == 0 {
            (self.began_ms, self.window_ms) = (now_ms.max(1), now_ms);
        }
        self.since_ms + self.patience_ms(rule)
    }

    /// Bytes have moved, which ends the wait.
    pub fn moved(&mut self, rule: &PaceRule, now_ms: u64, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let waited_ms = if self.since_ms == 0 { 0 } else { now_ms.saturating_sub(self.since_ms) };
        let earned_ms = bytes.saturating_mul(1000).checked_div(rule.rate).unwrap_or(0);
        let most_ms = rule.grace_ms.max(rule.idle_ms);
        self.allowance_ms = self.allowance_ms.saturating_sub(waited_ms).saturating_add(earned_ms).min(most_ms);
        self.since_ms = 0;
        self.roll(now_ms);
        self.bytes += bytes;
    }

    /// When the peer was waited for first.
    pub fn began_ms(&self) -> u64 {
        self.began_ms
    }

    /// Bytes a second that have moved lately; `None` for a peer that has only begun.
    pub fn rate(&self, now_ms: u64) -> Option<u64> {
        if self.began_ms == 0 || now_ms < self.began_ms + WINDOW_MS {
            return None;
        }
        let mut now = *self;
        now.roll(now_ms);
        Some((now.bytes + now.bytes_before) * 1000 / (WINDOW_MS + now_ms.saturating_sub(now.window_ms)))
    }

    fn roll(&mut self, now_ms: u64) {
        let windows = now_ms.saturating_sub(self.window_ms) / WINDOW_MS;
        if windows > 0 {
            self.bytes_before = if windows == 1 { self.bytes } else { 0 };
            self.bytes = 0;
            self.window_ms += windows * WINDOW_MS;
        }
    }

    /// Whether the rule is broken, and how.
    pub fn breach(&self, rule: &PaceRule, now_ms: u64) -> Option<Breach> {
        if self.since_ms == 0 || now_ms < self.since_ms + self.patience_ms(rule) {
            return None;
        }
        Some(if self.patience_ms(rule) == rule.idle_ms { Breach::Idle } else { Breach::Rate })
    }

    fn patience_ms(&self, rule: &PaceRule) -> u64 {
        if rule.rate == 0 { rule.idle_ms } else { rule.idle_ms.min(self.allowance_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Breach, Pace, PaceRule};

    const RULE: PaceRule = PaceRule { idle_ms: 30_000, rate: 500, grace_ms: 10_000 };

    /// Moves `bytes` every `every_ms` until the rule is broken; the time of that, at most `until_ms`.
    fn run(rule: PaceRule, bytes: u64, every_ms: u64, until_ms: u64) -> Option<(u64, Breach)> {
        let mut pace = Pace::new(&rule);
        let mut now_ms = 1_000_000;
        let end_ms = now_ms + until_ms;
        while now_ms < end_ms {
            let deadline_ms = pace.wait(&rule, now_ms);
            if deadline_ms < now_ms + every_ms {
                assert_eq!(pace.breach(&rule, deadline_ms - 1), None);
                return pace.breach(&rule, deadline_ms).map(|breach| (deadline_ms - 1_000_000, breach));
            }
            now_ms += every_ms;
            pace.moved(&rule, now_ms, bytes);
        }
        None
    }

    #[test]
    fn a_peer_at_the_rate_lives_and_one_below_it_ends() {
        assert_eq!(run(RULE, 501, 1_000, 3_600_000), None);
        assert_eq!(run(RULE, 64 * 1024, 9_500, 3_600_000), None);
        let (at_ms, breach) = run(RULE, 100, 1_000, 3_600_000).expect("too slow");
        assert_eq!((at_ms, breach), (12_400, Breach::Rate));
    }

    #[test]
    fn a_silent_peer_ends_after_its_grace_and_one_that_has_earned_it_after_the_idle_time() {
        assert_eq!(run(RULE, 1, 60_000, 60_000), Some((10_000, Breach::Rate)));
        let mut pace = Pace::new(&RULE);
        pace.moved(&RULE, 5, 1 << 20);
        assert_eq!(pace.wait(&RULE, 1_000), 31_000);
        assert_eq!(pace.breach(&RULE, 31_000), Some(Breach::Idle));
    }

    #[test]
    fn a_fast_begin_does_not_pay_for_a_long_trickle() {
        let mut pace = Pace::new(&RULE);
        pace.moved(&RULE, 1, 1 << 40);
        let mut now_ms = 1;
        while pace.wait(&RULE, now_ms) >= now_ms + 1_000 {
            now_ms += 1_000;
            pace.moved(&RULE, now_ms, 1);
        }
        assert!(now_ms < 32_000, "{now_ms}");
    }

    #[test]
    fn time_in_which_nobody_waits_costs_nothing() {
        let mut pace = Pace::new(&RULE);
        for hour in 1..100 {
            let now_ms = hour * 3_600_000;
            assert_eq!(pace.breach(&RULE, now_ms), None);
            assert!(pace.wait(&RULE, now_ms) >= now_ms + 9_000);
            pace.moved(&RULE, now_ms + 500, 250);
        }
    }

    #[test]
    fn the_rate_is_that_of_the_last_moments_and_none_for_a_beginner() {
        let mut pace = Pace::new(&RULE);
        assert_eq!(pace.rate(5_000), None);
        pace.wait(&RULE, 10_000);
        pace.moved(&RULE, 10_500, 60 << 20);
        assert_eq!(pace.rate(10_999), None);
        assert!(pace.rate(11_000) > Some(30 << 20));
        for second in 11..20 {
            pace.moved(&RULE, second * 1_000, 600);
        }
        assert!((500..=700).contains(&pace.rate(19_900).expect("a rate")));
        assert_eq!(pace.rate(22_000), Some(0));
    }

    #[test]
    fn without_a_rate_only_the_idle_time_counts() {
        let rule = PaceRule { rate: 0, ..RULE };
        assert_eq!(run(rule, 1, 29_000, 3_600_000), None);
        assert_eq!(run(rule, 1, 31_000, 3_600_000), Some((30_000, Breach::Idle)));
    }
}
