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

/// Time of waiting over which bytes are counted together: what is longer ago than two of them says nothing of now.
const WINDOW_MS: u64 = 1_000;
/// Bytes that everybody is taken to have moved, so that who has only begun is not taken for slow.
const CREDIT: u64 = 4 * 1024;
/// For so long a peer has only begun, and nothing is said of how fast it is.
pub(crate) const BEGINNING_MS: u64 = 1_000;

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
    /// Time that it was waited for until bytes moved, and those bytes: in this window, and in the one before it.
    waited_ms: u64,
    bytes: u64,
    waited_before_ms: u64,
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
            self.began_ms = now_ms.max(1);
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
        self.remember(waited_ms, bytes);
    }

    fn remember(&mut self, waited_ms: u64, bytes: u64) {
        let is_long = waited_ms >= WINDOW_MS;
        // In so long a time nothing else has moved, however much it was before.
        let (waited_before_ms, bytes_before) = if is_long { (0, 0) } else { (self.waited_ms, self.bytes) };
        (self.waited_ms, self.bytes) = (waited_before_ms + waited_ms, bytes_before.saturating_add(bytes));
        if self.waited_ms >= WINDOW_MS {
            (self.waited_before_ms, self.bytes_before) = (self.waited_ms, self.bytes);
            (self.waited_ms, self.bytes) = (0, 0);
        }
    }

    /// When the peer was waited for first.
    pub fn began_ms(&self) -> u64 {
        self.began_ms
    }

    /// Bytes a second of the time in which it was waited for lately, `more` having moved since the wait began: who is the
    /// slowest, where one has to go.
    pub fn speed(&self, now_ms: u64, more: u64) -> u64 {
        let mut now = *self;
        now.remember(if self.since_ms == 0 { 0 } else { now_ms.saturating_sub(self.since_ms) }, more);
        let bytes = now.bytes.saturating_add(now.bytes_before).saturating_add(CREDIT);
        bytes.saturating_mul(1000) / (now.waited_ms + now.waited_before_ms).max(1)
    }

    /// The same; `None` for a peer that has only begun.
    pub fn settled_speed(&self, now_ms: u64) -> Option<u64> {
        let has_begun = self.began_ms > 0 && now_ms >= self.began_ms + BEGINNING_MS;
        has_begun.then(|| self.speed(now_ms, 0))
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
    use super::{Breach, CREDIT, Pace, PaceRule};

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

    /// The speed of a peer that has moved `bytes` every second for so many seconds.
    fn speed(bytes: u64, seconds: u64) -> u64 {
        let mut pace = Pace::new(&RULE);
        for second in 0..seconds {
            pace.wait(&RULE, 1 + second * 1000);
            pace.moved(&RULE, 1 + (second + 1) * 1000, bytes);
        }
        pace.wait(&RULE, 1 + seconds * 1000);
        pace.speed(1 + seconds * 1000, 0)
    }

    #[test]
    fn the_slowest_has_moved_least_for_the_time_in_which_it_was_waited_for() {
        assert!(speed(520, 2) < speed(5_000, 2));
        assert!(speed(520, 20) <= speed(520, 1), "what has only begun has some credit");
        assert!(speed(520, 1) < speed(0, 0));
        assert!((100_000..=100_000 + CREDIT).contains(&speed(100_000, 60)), "{}", speed(100_000, 60));
        let mut silent = Pace::new(&RULE);
        silent.wait(&RULE, 1_000);
        assert!(silent.speed(9_000, 0) < silent.speed(2_000, 0), "of those that moved nothing the longest waiter");
        assert!(silent.speed(9_000, 0) < silent.speed(9_000, 1_000));
    }

    #[test]
    fn what_one_long_wait_has_moved_counts_for_the_whole_of_it() {
        let mut pace = Pace::new(&RULE);
        pace.wait(&RULE, 1_000);
        pace.moved(&RULE, 401_000, 240_000);
        assert_eq!(pace.speed(401_000, 0), (240_000 + CREDIT) / 400);
        pace.moved(&RULE, 401_000, 1 << 30);
        pace.wait(&RULE, 401_000);
        assert_eq!(pace.speed(401_000 + 4_000, 0), CREDIT / 4);
    }

    #[test]
    fn a_fast_begin_is_forgotten() {
        let mut pace = Pace::new(&RULE);
        pace.moved(&RULE, 1, 1 << 20);
        for second in 0..60 {
            pace.wait(&RULE, 1 + second * 1000);
            pace.moved(&RULE, 1 + (second + 1) * 1000, 520);
        }
        assert!(pace.speed(60_001, 0) < 5_000, "{}", pace.speed(60_001, 0));
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
    fn the_speed_is_that_of_the_last_moments_of_waiting_and_none_for_a_beginner() {
        let mut pace = Pace::new(&RULE);
        assert_eq!(pace.settled_speed(5_000), None);
        pace.wait(&RULE, 10_000);
        pace.moved(&RULE, 10_500, 60 << 20);
        assert_eq!(pace.settled_speed(10_999), None);
        assert!(pace.settled_speed(11_000) > Some(30 << 20));
        for second in 11..20 {
            pace.wait(&RULE, second * 1_000);
            pace.moved(&RULE, (second + 1) * 1_000, 600);
        }
        let credited = 600 + super::CREDIT;
        assert!((600..=credited).contains(&pace.settled_speed(20_100).expect("a speed")));
        pace.wait(&RULE, 20_100);
        assert!(pace.settled_speed(40_100) < Some(600), "of a long silence nothing else counts");
    }

    #[test]
    fn without_a_rate_only_the_idle_time_counts() {
        let rule = PaceRule { rate: 0, ..RULE };
        assert_eq!(run(rule, 1, 29_000, 3_600_000), None);
        assert_eq!(run(rule, 1, 31_000, 3_600_000), Some((30_000, Breach::Idle)));
    }
}
