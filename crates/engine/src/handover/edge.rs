//! Edges: the points between two steps of the hand-over that another thread may come between; tests make threads dally there.

/// An edge. Nothing at all without the feature `edges`, which only tests turn on.
#[cfg(not(feature = "edges"))]
#[inline(always)]
pub fn edge() {}

#[cfg(feature = "edges")]
pub use dallying::{dally, edge};

#[cfg(feature = "edges")]
mod dallying {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::time::Duration;

    /// One edge in so many is dallied at; 0 is none.
    static ONE_IN: AtomicU64 = AtomicU64::new(0);
    static THREADS: AtomicU64 = AtomicU64::new(0);

    thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0) };
    }

    /// From now on threads yield or sleep, for up to two milliseconds, at one edge in `one_in`, chosen at random; 0 ends it.
    pub fn dally(one_in: u64) {
        ONE_IN.store(one_in, Relaxed);
    }

    /// An edge.
    pub fn edge() {
        let one_in = ONE_IN.load(Relaxed);
        if one_in == 0 || random() % one_in != 0 {
            return;
        }
        match random() % 16 {
            0..8 => std::thread::yield_now(),
            8..15 => std::thread::sleep(Duration::from_micros(random() % 100)),
            // Longer than two ticks of the sentinel: the middle of a hand-over outlives a deposition.
            _ => std::thread::sleep(Duration::from_micros(random() % 2000)),
        }
    }

    /// A number of this thread's own sequence (xorshift).
    fn random() -> u64 {
        STATE.with(|state| {
            let mut next = match state.get() {
                0 => (THREADS.fetch_add(1, Relaxed) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                seeded => seeded,
            };
            next ^= next << 13;
            next ^= next >> 7;
            next ^= next << 17;
            state.set(next);
            next >> 16
        })
    }
}
