//! Permits: nobody waits while one is free and a thread is parked, and never are more out than there are.

use super::{Queue, Signal, explore, queue};
use crate::handover::sync::{Arc, AtomicU32};
use crate::handover::{Assignment, Job, Leadership, Parking};
use loom::thread::{self, JoinHandle};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// A queue with its leader (the model's main thread), and what its calls say.
struct World {
    queue: Arc<Queue>,
    permits: u32,
    running: AtomicU32,
    done: Signal,
}

impl World {
    fn new(permits: u32) -> Arc<Self> {
        let (_, lead) = Leadership::new();
        let queue = queue(lead, permits, Duration::MAX);
        queue.thread_enters();
        // The first to come leads.
        assert!(matches!(queue.next(&Parking::default()), Assignment::Lead(_)));
        Arc::new(Self { queue, permits, running: AtomicU32::new(0), done: Signal::default() })
    }

    /// A call, by a thread with a permit.
    fn call(&self) {
        let running = self.running.fetch_add(1, Relaxed) + 1;
        assert!(running <= self.permits, "{running} at once");
        self.running.fetch_sub(1, Relaxed);
        self.done.raise();
    }

    /// A serving thread's life, as in the engine's `serve`.
    fn follow(world: &Arc<Self>) -> JoinHandle<()> {
        let world = Arc::clone(world);
        thread::spawn(move || {
            let parking = Parking::default();
            world.queue.thread_enters();
            loop {
                match world.queue.next(&parking) {
                    Assignment::Retire => return,
                    Assignment::Lead(_) => unreachable!("nobody gives the leadership away"),
                    Assignment::Job(Job::Flush(_)) => world.done.raise(),
                    Assignment::Job(Job::Call(_)) => {
                        world.queue.lock_wait_ends();
                        world.call();
                        while world.queue.more().is_some() {
                            world.call();
                        }
                        world.queue.give_permit();
                    }
                }
            }
        })
    }

    fn beside(world: &Arc<Self>, run: impl FnOnce(&Self) + 'static) -> JoinHandle<()> {
        let world = Arc::clone(world);
        thread::spawn(move || run(&world))
    }

    /// Waits until `calls` have run; a job that stayed behind is a deadlock here.
    fn end(&self, calls: usize, threads: Vec<JoinHandle<()>>) {
        self.done.wait_for(calls);
        self.queue.stop();
        threads.into_iter().for_each(|thread| thread.join().expect("a thread"));
        assert!(self.queue.take_queued().is_empty());
        assert!(!self.queue.has_waiting());
        // Every permit has come back.
        (0..self.permits).for_each(|_| assert!(self.queue.try_take_permit()));
        assert!(!self.queue.try_take_permit());
    }
}

#[test]
fn a_request_submitted_while_the_permit_comes_back_is_run() {
    explore(|| {
        let world = World::new(1);
        assert!(world.queue.try_take_permit());
        let follower = World::follow(&world);
        let other = World::beside(&world, |world| world.queue.give_permit());
        assert!(world.queue.submit(Job::Call(1)).is_ok());
        world.end(1, vec![follower, other]);
    });
}

#[test]
fn a_leader_runs_a_request_itself_or_a_follower_does() {
    explore(|| {
        let world = World::new(1);
        let follower = World::follow(&world);
        // The follower's call and the leader's race for the only permit.
        assert!(world.queue.submit(Job::Call(1)).is_ok());
        if world.queue.try_take_permit() {
            world.call();
            world.queue.give_permit();
        } else {
            assert!(world.queue.submit(Job::Call(2)).is_ok());
        }
        world.end(2, vec![follower]);
    });
}

#[test]
fn two_followers_share_two_requests_and_one_permit() {
    explore(|| {
        let world = World::new(1);
        let followers = vec![World::follow(&world), World::follow(&world)];
        assert!(world.queue.submit(Job::Call(1)).is_ok());
        assert!(world.queue.submit(Job::Call(2)).is_ok());
        world.end(2, followers);
    });
}

#[test]
fn a_request_that_waits_for_room_at_the_lock_is_run_when_there_is_room() {
    explore(|| {
        let world = World::new(2);
        world.queue.lock_wait_begins();
        world.queue.lock_wait_begins();
        let follower = World::follow(&world);
        let other = World::beside(&world, |world| world.queue.lock_wait_ends());
        assert!(world.queue.submit(Job::Call(1)).is_ok());
        world.end(1, vec![follower, other]);
    });
}

#[test]
fn a_call_that_has_waited_for_its_peer_gets_the_permit_that_comes_back() {
    explore(|| {
        let world = World::new(1);
        // Its permit went to another call while it waited.
        world.queue.peer_wait_begins(false);
        assert!(world.queue.try_take_permit());
        let waits = World::beside(&world, |world| {
            world.queue.peer_wait_ends(true);
            world.call();
            world.queue.give_permit();
        });
        world.call();
        world.queue.give_permit();
        world.end(2, vec![waits]);
    });
}

#[test]
fn a_call_that_waits_for_its_peer_lets_another_run_and_then_goes_on() {
    explore(|| {
        let world = World::new(1);
        assert!(world.queue.try_take_permit());
        let follower = World::follow(&world);
        let waits = World::beside(&world, |world| {
            world.queue.peer_wait_begins(true);
            world.queue.peer_wait_ends(true);
            world.call();
            world.queue.give_permit();
        });
        assert!(world.queue.submit(Job::Call(1)).is_ok());
        world.end(2, vec![follower, waits]);
    });
}
