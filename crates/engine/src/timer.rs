//! Deadlines of connections: a wheel of lazy entries, at most one live entry per connection, whatever its timeout is.
//!
//! A deadline that moves later (every request on a kept connection does that) costs nothing here: the entry stays where it
//! is, and when it comes up the connection's real deadline is looked at and entered again. Only a deadline that moves
//! before the entry is entered anew; the old entry is then stale and dropped when it comes up.

/// Width of a bucket in milliseconds: timeouts are exact to this.
const BUCKET_MS: u64 = 128;
const BUCKETS: usize = 1024;

/// The time of an entry in buckets since the engine's start; 0 is none.
pub type Tick = u32;

/// The tick of a deadline, whatever the wheel's horizon is.
pub fn tick_of(deadline_ms: u64) -> Tick {
    (deadline_ms / BUCKET_MS + 1) as Tick
}

/// Entries by bucket, holding slot numbers.
#[derive(Debug)]
pub struct Wheel {
    buckets: Vec<Vec<u32>>,
    /// All buckets before this tick are empty.
    at: u64,
    /// No entry is before this tick.
    earliest: u64,
    entries: usize,
}

impl Wheel {
    /// A wheel that begins at `now_ms`.
    pub fn new(now_ms: u64) -> Self {
        let at = now_ms / BUCKET_MS;
        Self { buckets: vec![Vec::new(); BUCKETS], at, earliest: u64::MAX, entries: 0 }
    }

    /// The tick at which an entry for `deadline_ms` comes up: never before the deadline, unless it is beyond the horizon.
    pub fn tick(&self, deadline_ms: u64) -> Tick {
        let tick = (deadline_ms / BUCKET_MS + 1).clamp(self.at + 1, self.at + BUCKETS as u64 - 1);
        tick as Tick
    }

    /// Enters `slot` at `tick`.
    pub fn enter(&mut self, slot: u32, tick: Tick) {
        let tick = u64::from(tick).clamp(self.at + 1, self.at + BUCKETS as u64 - 1);
        self.buckets[tick as usize % BUCKETS].push(slot);
        self.earliest = self.earliest.min(tick);
        self.entries += 1;
    }

    /// Milliseconds from `now_ms` until the earliest entry; `None` when there is none.
    pub fn due_in_ms(&self, now_ms: u64) -> Option<u64> {
        (self.entries > 0).then(|| (self.earliest * BUCKET_MS).saturating_sub(now_ms))
    }

    /// Whether something is due at `now_ms`.
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.entries > 0 && self.earliest * BUCKET_MS <= now_ms
    }

    /// Takes out the entries of the earliest due bucket: their tick and slots. `None` when nothing is due.
    pub fn take_due(&mut self, now_ms: u64) -> Option<(Tick, Vec<u32>)> {
        if self.entries == 0 {
            self.at = self.at.max(now_ms / BUCKET_MS);
        }
        if !self.is_due(now_ms) {
            return None;
        }
        let tick = self.earliest;
        let slots = std::mem::take(&mut self.buckets[tick as usize % BUCKETS]);
        self.entries -= slots.len();
        self.at = tick;
        self.earliest = (1..BUCKETS as u64)
            .map(|ahead| tick + ahead)
            .find(|tick| !self.buckets[*tick as usize % BUCKETS].is_empty())
            .unwrap_or(u64::MAX);
        Some((tick as Tick, slots))
    }
}

#[cfg(test)]
mod tests {
    use super::Wheel;

    #[test]
    fn entries_come_up_in_order_and_never_early() {
        let mut wheel = Wheel::new(5_000);
        for (slot, deadline_ms) in [(3, 9_000), (1, 6_000), (2, 6_100)] {
            let tick = wheel.tick(deadline_ms);
            wheel.enter(slot, tick);
        }
        assert!(wheel.take_due(6_000).is_none());
        let mut seen = Vec::new();
        for now_ms in (5_000..10_000).step_by(50) {
            while let Some((_, slots)) = wheel.take_due(now_ms) {
                seen.extend(slots.into_iter().map(|slot| (slot, now_ms)));
            }
        }
        assert_eq!(seen.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [1, 2, 3]);
        for ((_, at_ms), deadline_ms) in seen.iter().zip([6_000, 6_100, 9_000]) {
            assert!((deadline_ms..deadline_ms + 200).contains(at_ms), "{at_ms} for {deadline_ms}");
        }
        assert_eq!(wheel.due_in_ms(10_000), None);
    }

    #[test]
    fn a_deadline_beyond_the_horizon_comes_up_at_the_horizon() {
        let mut wheel = Wheel::new(0);
        let tick = wheel.tick(10_000_000);
        wheel.enter(7, tick);
        let due_ms = wheel.due_in_ms(0).expect("an entry");
        assert!(due_ms > 100_000 && due_ms < 200_000);
        assert_eq!(wheel.take_due(due_ms), Some((tick, vec![7])));
    }

    #[test]
    fn a_deadline_in_the_past_comes_up_at_once() {
        let mut wheel = Wheel::new(50_000);
        let tick = wheel.tick(3);
        wheel.enter(7, tick);
        assert!(wheel.take_due(50_200).is_some());
    }
}
