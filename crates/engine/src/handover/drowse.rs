//! How a thread that ticks while there is work falls asleep without missing the work that begins in that moment.

use super::edge;
use super::sync::AtomicBool;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// What the ticking thread and those who have work say to each other.
#[derive(Debug, Default)]
pub struct Drowse {
    has_work: AtomicBool,
    is_asleep: AtomicBool,
}

impl Drowse {
    /// There is work. `true`: the thread is asleep, or about to be, and the caller wakes it.
    #[must_use]
    pub fn work(&self) -> bool {
        // The store must be seen by a thread that decides to sleep, or its decision by the load below: hence SeqCst.
        self.has_work.store(true, SeqCst);
        edge();
        self.is_asleep.load(SeqCst)
    }

    /// Whether there was work since the last time.
    pub fn had_work(&self) -> bool {
        self.has_work.swap(false, Relaxed)
    }

    /// Sleeps by `park`, which returns when the thread was woken after or before it began, or for no reason.
    pub fn sleep(&self, park: impl FnOnce()) {
        self.is_asleep.store(true, SeqCst);
        edge();
        if !self.has_work.load(SeqCst) {
            park();
        }
        self.is_asleep.store(false, SeqCst);
    }
}
