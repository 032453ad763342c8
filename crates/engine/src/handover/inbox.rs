//! What other threads put down for the leader: a list under a lock, and a flag that says whether looking is worth the lock.

use super::edge;
use super::sync::{AtomicBool, Mutex, lock};
use std::sync::atomic::Ordering::{AcqRel, Release};

/// Things put down and not yet taken.
#[derive(Debug, Default)]
pub struct Inbox<T> {
    things: Mutex<T>,
    is_full: AtomicBool,
}

impl<T: Default> Inbox<T> {
    /// Puts something down. The caller wakes the leader after it, never before.
    pub fn put_down(&self, fill: impl FnOnce(&mut T)) {
        fill(&mut lock(&self.things));
        edge();
        // After the thing itself: whoever finds the flag finds the thing.
        self.is_full.store(true, Release);
        edge();
    }

    /// What was put down since the last time.
    pub fn take(&self) -> Option<T> {
        // Cleared before looking: what comes later sets it again, and its wake-up comes after that.
        if !self.is_full.swap(false, AcqRel) {
            return None;
        }
        edge();
        Some(std::mem::take(&mut lock(&self.things)))
    }
}
