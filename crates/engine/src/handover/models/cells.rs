//! The small words: the leadership and the cell that it guards, the inbox, and the ticking thread's sleep.

use super::{Level, Signal, explore};
use crate::handover::sync::{Arc, UnsafeCell};
use crate::handover::{Drowse, Inbox, Lead, Leadership};
use loom::thread;

/// What lies in the reactor's cell: touched by two at once it fails the model, and each touch must see the one before.
struct Reactor(UnsafeCell<u32>);

// SAFETY: it is what the models check: the holder of the `Lead` is the only one who touches it.
unsafe impl Sync for Reactor {}

impl Reactor {
    fn touch(&self, _lead: &mut Lead) {
        // SAFETY: as above; loom's cell panics where it is not so.
        self.0.with_mut(|turns| unsafe { *turns += 1 });
    }
}

struct Shared {
    leadership: Leadership,
    reactor: Reactor,
}

fn shared() -> (Arc<Shared>, Lead) {
    let (leadership, lead) = Leadership::new();
    (Arc::new(Shared { leadership, reactor: Reactor(UnsafeCell::new(0)) }), lead)
}

/// A turn and a call; the `Lead` comes back unless it was taken in the call.
fn turn_and_call(shared: &Shared, mut lead: Lead) -> Option<Lead> {
    shared.reactor.touch(&mut lead);
    let calling = shared.leadership.call_begins(lead);
    let mut lead = shared.leadership.call_ends(calling)?;
    shared.reactor.touch(&mut lead);
    Some(lead)
}

/// The sentinel's tick, as far as the word goes.
fn tick(shared: &Shared) -> Option<Lead> {
    let observed = shared.leadership.observe();
    let mut lead = Leadership::is_busy(observed).then(|| shared.leadership.depose(observed))??;
    shared.reactor.touch(&mut lead);
    Some(lead)
}

#[test]
fn a_leader_and_a_sentinel_never_both_lead() {
    explore(|| {
        let (shared, lead) = shared();
        let sentinel = {
            let shared = Arc::clone(&shared);
            // What the deposed leader's call still does runs beside the successor's own turn.
            thread::spawn(move || tick(&shared).and_then(|lead| turn_and_call(&shared, lead)))
        };
        let kept = turn_and_call(&shared, lead).and_then(|lead| turn_and_call(&shared, lead));
        let taken = sentinel.join().expect("the sentinel");
        assert_eq!(usize::from(kept.is_some()) + usize::from(taken.is_some()), 1);
    });
}

#[test]
fn a_leader_that_resigns_and_two_who_depose_it_make_one_leader() {
    explore(|| {
        let (shared, lead) = shared();
        let deposers: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || tick(&shared))
            })
            .collect();
        let calling = shared.leadership.call_begins(lead);
        let resigned = shared.leadership.resign(&calling).map(|mut lead| {
            shared.reactor.touch(&mut lead);
            lead
        });
        // It is over for the caller either way.
        assert!(shared.leadership.call_ends(calling).is_none());
        let leads = deposers.into_iter().filter_map(|deposer| deposer.join().expect("a deposer"));
        assert_eq!(leads.count() + usize::from(resigned.is_some()), 1);
    });
}

#[test]
fn nothing_that_is_put_down_stays_unseen() {
    explore(|| {
        let inbox = Arc::new(Inbox::<Vec<u32>>::default());
        // The eventfd: a level that the leader clears before it looks.
        let wake = Arc::new(Level::default());
        let writers: Vec<_> = (0..2)
            .map(|thing| {
                let (inbox, wake) = (Arc::clone(&inbox), Arc::clone(&wake));
                thread::spawn(move || {
                    inbox.put_down(|things| things.push(thing));
                    wake.raise();
                })
            })
            .collect();
        let mut seen = Vec::new();
        while seen.len() < 2 {
            wake.wait_and_clear();
            seen.extend(inbox.take().unwrap_or_default());
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
        writers.into_iter().for_each(|writer| writer.join().expect("a writer"));
        // A flag without a thing costs a look, no more.
        assert!(inbox.take().unwrap_or_default().is_empty());
    });
}

#[test]
fn work_that_begins_while_the_sentinel_falls_asleep_wakes_it() {
    explore(|| {
        let drowse = Arc::new(Drowse::default());
        let token = Arc::new(Level::default());
        let seen = Arc::new(Signal::default());
        let sentinel = {
            let (drowse, token, seen) = (Arc::clone(&drowse), Arc::clone(&token), Arc::clone(&seen));
            thread::spawn(move || {
                for _ in 0..2 {
                    while !drowse.had_work() {
                        drowse.sleep(|| token.wait_and_clear());
                    }
                    seen.raise();
                }
            })
        };
        for count in 1..=2 {
            if drowse.work() {
                token.raise();
            }
            seen.wait_for(count);
        }
        sentinel.join().expect("the sentinel");
    });
}
