//! Succession: the leadership is never lost between those who give it and those who come for it, and all retire at the end.

use super::{Queue, explore, queue};
use crate::handover::sync::{Arc, AtomicU32, UnsafeCell};
use crate::handover::{Assignment, Job, Lead, Leadership, Parking};
use loom::thread::{self, JoinHandle};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Everything that one engine's threads share.
struct World {
    leadership: Leadership,
    queue: Arc<Queue>,
    reactor: UnsafeCell<u32>,
    ends: AtomicU32,
}

// SAFETY: it is what the models check: the holder of the `Lead` is the only one who touches `reactor`.
unsafe impl Sync for World {}

impl World {
    /// The main thread has entered, and leads.
    fn new(retire: Duration) -> (Arc<Self>, Lead) {
        let (leadership, lead) = Leadership::new();
        let queue = queue(lead, 1, retire);
        queue.thread_enters();
        let Assignment::Lead(lead) = queue.next(&Parking::default()) else { unreachable!("the first to come leads") };
        let world = Self { leadership, queue, reactor: UnsafeCell::new(0), ends: AtomicU32::new(0) };
        (Arc::new(world), lead)
    }

    fn touch(&self, _lead: &mut Lead) {
        // SAFETY: as above; loom's cell panics where it is not so.
        self.reactor.with_mut(|turns| unsafe { *turns += 1 });
    }

    /// The leader that comes to its next turn ends it all.
    fn end(&self, mut lead: Lead) {
        self.touch(&mut lead);
        self.ends.fetch_add(1, Relaxed);
        self.queue.stop();
    }

    /// A serving thread from its next assignment on.
    fn serve(&self) {
        let parking = Parking::default();
        loop {
            match self.queue.next(&parking) {
                Assignment::Retire => return,
                Assignment::Lead(lead) => self.end(lead),
                Assignment::Job(Job::Call(_)) => {
                    self.queue.lock_wait_ends();
                    self.queue.give_permit();
                }
                Assignment::Job(Job::Flush(_)) => {}
            }
        }
    }

    fn follower(world: &Arc<Self>) -> JoinHandle<()> {
        let world = Arc::clone(world);
        thread::spawn(move || {
            world.queue.thread_enters();
            world.serve();
        })
    }

    fn sentinel(world: &Arc<Self>) -> JoinHandle<()> {
        let world = Arc::clone(world);
        thread::spawn(move || {
            let observed = world.leadership.observe();
            if Leadership::is_busy(observed) {
                world.queue.depose(|| world.leadership.depose(observed));
            }
        })
    }

    fn is_over(&self, threads: Vec<JoinHandle<()>>) {
        threads.into_iter().for_each(|thread| thread.join().expect("a thread"));
        assert_eq!(self.ends.load(Relaxed), 1, "one leader has ended it");
        assert_eq!(self.queue.threads(), 0);
    }
}

#[test]
fn a_leader_that_is_deposed_or_not_leaves_one_leader() {
    explore(|| {
        let (world, lead) = World::new(Duration::MAX);
        let threads = vec![World::follower(&world), World::sentinel(&world)];
        let calling = world.leadership.call_begins(lead);
        if let Some(lead) = world.leadership.call_ends(calling) {
            world.end(lead);
        }
        world.serve();
        world.is_over(threads);
    });
}

#[test]
fn a_leader_that_resigns_beside_a_sentinel_leaves_one_leader() {
    explore(|| {
        let (world, lead) = World::new(Duration::MAX);
        let threads = vec![World::follower(&world), World::sentinel(&world)];
        let calling = world.leadership.call_begins(lead);
        if let Some(lead) = world.leadership.resign(&calling) {
            world.queue.hand(lead);
        }
        world.serve();
        world.is_over(threads);
    });
}

#[test]
fn the_leadership_waits_for_whoever_comes_first() {
    explore(|| {
        let (world, lead) = World::new(Duration::MAX);
        let threads = vec![World::follower(&world), World::follower(&world)];
        world.queue.hand(lead);
        world.serve();
        world.is_over(threads);
    });
}

#[test]
fn followers_that_retire_leave_one_to_succeed() {
    explore(|| {
        // Whoever parks finds its time passed at once.
        let (world, lead) = World::new(Duration::ZERO);
        let threads = vec![World::follower(&world), World::follower(&world)];
        world.queue.hand(lead);
        threads.into_iter().for_each(|thread| thread.join().expect("a thread"));
        world.serve();
        world.is_over(Vec::new());
    });
}

#[test]
fn a_follower_is_there_to_succeed_however_long_it_has_waited() {
    explore(|| {
        let (world, lead) = World::new(Duration::ZERO);
        let threads = vec![World::follower(&world), World::follower(&world)];
        let calling = world.leadership.call_begins(lead);
        let observed = world.leadership.observe();
        // Tick after tick; without end when the last one has retired.
        while !world.queue.depose(|| world.leadership.depose(observed)) {
            thread::yield_now();
        }
        assert!(world.leadership.call_ends(calling).is_none());
        world.serve();
        world.is_over(threads);
    });
}

#[test]
fn everybody_retires_when_the_leader_stops_while_work_comes() {
    explore(|| {
        let (world, lead) = World::new(Duration::MAX);
        let mut threads = vec![World::follower(&world)];
        threads.push({
            let world = Arc::clone(&world);
            thread::spawn(move || assert!(world.queue.submit(Job::Call(1)).is_ok()))
        });
        world.end(lead);
        world.serve();
        world.is_over(threads);
    });
}
