//! Calls that wait for their peers: so many at once, and beyond that the slowest peer goes, never the one that came last.

use crate::pace::Pace;
use rustix::event::{EventfdFlags, eventfd};
use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What ends a wait before its time.
#[derive(Debug)]
pub(crate) struct Alarm(OwnedFd);

thread_local! {
    /// An upload waits often: the alarm of a thread outlives its wait, unless it has rung.
    static KEPT: Cell<Option<Arc<Alarm>>> = const { Cell::new(None) };
}

impl Alarm {
    /// The one that this thread has kept, or a new one.
    pub fn take() -> rustix::io::Result<Arc<Self>> {
        KEPT.take().map_or_else(Self::new, Ok)
    }

    /// For the next wait of this thread. Only one that has not rung, and that no list holds any more.
    pub fn keep(self: Arc<Self>) {
        KEPT.set(Some(self));
    }

    fn new() -> rustix::io::Result<Arc<Self>> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(|descriptor| Arc::new(Self(descriptor)))
    }

    fn ring(&self) {
        // A counter of 0 takes 1.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// One call that waits.
#[derive(Debug)]
pub(crate) struct Wait {
    /// Whose peer it waits for.
    pub descriptor: u32,
    /// How that peer has kept up until this wait began.
    pub pace: Pace,
    /// Output that the peer had still to acknowledge then.
    pub to_go: u64,
    /// What ends the wait.
    pub alarm: Arc<Alarm>,
}

impl Wait {
    /// How fast its peer is, with what it has acknowledged since the wait began; `to_go` says what is still missing.
    fn speed(&self, now_ms: u64, to_go: impl Fn(u32) -> u64) -> u64 {
        self.pace.speed(now_ms, self.to_go.saturating_sub(to_go(self.descriptor)))
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct PeerWaits {
    most: usize,
    waiting: Mutex<Vec<Wait>>,
}

impl PeerWaits {
    /// Room for so many.
    pub fn new(most: u32) -> Self {
        Self { most: most as usize, waiting: Mutex::new(Vec::new()) }
    }

    /// One more waits. Beyond the bound the alarm of the slowest one rings, who may be this one; `to_go` says what a
    /// peer has still to acknowledge now.
    pub fn begin(&self, wait: Wait, now_ms: u64, to_go: impl Fn(u32) -> u64) {
        let mut waiting = self.locked();
        waiting.push(wait);
        if waiting.len() <= self.most {
            return;
        }
        let speed = |wait: &Wait| wait.speed(now_ms, &to_go);
        if let Some((slowest, _)) = waiting.iter().map(speed).enumerate().min_by_key(|(_, speed)| *speed) {
            // Out of the list at once: it cannot be chosen twice, and its place is free.
            waiting.swap_remove(slowest).alarm.ring();
        }
    }

    /// Ends the slowest waits, at most so many, of peers that have moved less than `below` bytes a second.
    pub fn cut_slowest(&self, most: usize, below: u64, now_ms: u64, to_go: impl Fn(u32) -> u64) {
        let mut waiting = self.locked();
        let speed = |wait: &Wait| wait.speed(now_ms, &to_go);
        waiting.sort_by_cached_key(speed);
        let count = waiting.iter().take(most).take_while(|wait| speed(wait) < below).count();
        waiting.drain(..count).for_each(|wait| wait.alarm.ring());
    }

    /// It waits no more. `true`: its peer was the slowest, and is to be cut.
    pub fn end(&self, descriptor: u32) -> bool {
        let mut waiting = self.locked();
        let place = waiting.iter().position(|wait| wait.descriptor == descriptor);
        place.map(|place| waiting.swap_remove(place)).is_none()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Wait>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Alarm, PeerWaits, Wait};
    use crate::pace::{Pace, PaceRule};
    use crate::sys;
    use rustix::event::PollFlags;
    use std::os::fd::AsFd;
    use std::sync::Arc;

    const RULE: PaceRule = PaceRule { idle_ms: 30_000, rate: 500, grace_ms: 10_000 };

    fn rings(alarm: &Alarm) -> bool {
        !sys::wait_for(alarm.as_fd(), PollFlags::IN, 0).is_empty()
    }

    /// One who has moved `bytes` in the second before second 10.
    fn wait(descriptor: u32, bytes: u64, alarm: &Arc<Alarm>) -> Wait {
        let mut pace = Pace::new(&RULE);
        pace.wait(&RULE, 9_000);
        pace.moved(&RULE, 10_000, bytes);
        pace.wait(&RULE, 10_000);
        Wait { descriptor, pace, to_go: 100_000, alarm: Arc::clone(alarm) }
    }

    #[test]
    fn where_connections_are_short_the_slowest_waits_end_and_the_steady_ones_go_on() {
        let waits = PeerWaits::new(8);
        let alarms = [(); 4].map(|()| Alarm::new().expect("a descriptor"));
        for (descriptor, bytes) in [(0, 50_000), (1, 600), (2, 900), (3, 700)] {
            waits.begin(wait(descriptor, bytes, &alarms[descriptor as usize]), 10_000, |_| 100_000);
        }
        waits.cut_slowest(2, 8_000, 10_100, |_| 100_000);
        assert_eq!([0, 1, 2, 3].map(|n| rings(&alarms[n])), [false, true, false, true]);
        waits.cut_slowest(2, 8_000, 10_100, |_| 100_000);
        assert_eq!([0, 2].map(|n| rings(&alarms[n])), [false, true]);
    }

    #[test]
    fn beyond_the_bound_of_waiting_calls_the_slowest_peer_goes() {
        let waits = PeerWaits::new(2);
        let alarms = [(); 4].map(|()| Alarm::new().expect("a descriptor"));
        for (descriptor, bytes) in [(0, 50_000), (1, 600), (2, 9_000)] {
            waits.begin(wait(descriptor, bytes, &alarms[descriptor as usize]), 10_000, |_| 100_000);
        }
        assert_eq!([0, 1, 2].map(|n| rings(&alarms[n])), [false, true, false]);
        assert!(waits.end(1));
        // What was acknowledged since the wait began counts, and so does who came last.
        waits.begin(wait(3, 600, &alarms[3]), 10_500, |descriptor| if descriptor == 2 { 90_000 } else { 100_000 });
        assert_eq!([0, 2, 3].map(|n| waits.end(n)), [false, false, true]);
    }
}
