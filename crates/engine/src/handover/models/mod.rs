//! Models of the hand-over, explored by loom: every interleaving of two or three threads, up to a bound of preemptions.
//!
//! `make loom` runs them. A lost wake-up ends in a deadlock, which loom reports; two threads at one cell are reported by
//! its cells; everything else is an assertion.

mod cells;
mod mark;
mod permits;
mod succession;

use super::sync::{Arc, Condvar, Mutex, lock};
use super::{Bounds, Lead, ReadyQueue, Starter};
use std::time::Duration;

/// Preemptions (switches away from a thread that could go on) explored in one run; `LOOM_MAX_PREEMPTIONS` sets another.
const PREEMPTIONS: usize = 3;

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(model);
}

/// Something that a thread waits for.
#[derive(Default)]
struct Signal {
    count: Mutex<usize>,
    wake: Condvar,
}

impl Signal {
    fn raise(&self) {
        *lock(&self.count) += 1;
        self.wake.notify_all();
    }

    fn wait_for(&self, count: usize) {
        let mut raised = lock(&self.count);
        while *raised < count {
            raised = self.wake.wait(raised).expect("no model panics with the lock");
        }
    }
}

/// Something that is up until the thread that waits for it takes it down: an eventfd, the token of `std::thread::park`.
#[derive(Default)]
struct Level {
    is_up: Mutex<bool>,
    wake: Condvar,
}

impl Level {
    fn raise(&self) {
        *lock(&self.is_up) = true;
        self.wake.notify_all();
    }

    fn wait_and_clear(&self) {
        let mut is_up = lock(&self.is_up);
        while !*is_up {
            is_up = self.wake.wait(is_up).expect("no model panics with the lock");
        }
        *is_up = false;
    }
}

/// The threads of a model are all there from the begin.
#[derive(Debug)]
struct NoStarter;

impl Starter for NoStarter {
    fn start_thread(&self) {}
}

type Queue = ReadyQueue<u32, NoStarter>;

/// A queue whose first `Lead` waits for the first thread.
fn queue(lead: Lead, permits: u32, retire: Duration) -> Arc<Queue> {
    Arc::new(ReadyQueue::new(lead, Bounds { permits, queue: 8, peer_waits: 8, retire }, NoStarter))
}
