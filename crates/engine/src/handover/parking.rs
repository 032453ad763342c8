//! Where threads wait: parked for their next assignment, or in the middle of a call for a permit.

use super::sync::{Arc, Condvar, Mutex, lock, wait_for, wait_for_at_most};
use super::{Lead, edge};
use std::time::Duration;

/// Work for a follower.
#[derive(Debug)]
pub enum Job<T> {
    /// A complete request. Comes with a permit.
    Call(T),
    /// Output with a file at the front.
    Flush(T),
}

/// What a parked thread is woken for.
#[derive(Debug)]
pub enum Assignment<T> {
    /// It is the leader now.
    Lead(Lead),
    /// It has something to run.
    Job(Job<T>),
    /// It is not needed any more.
    Retire,
}

/// Where one thread waits for one thing at a time, which others bring.
#[derive(Debug)]
struct Place<A> {
    brought: Mutex<Option<A>>,
    wake: Condvar,
}

impl<A> Place<A> {
    fn new() -> Self {
        Self { brought: Mutex::new(None), wake: Condvar::new() }
    }

    fn bring(&self, thing: A) {
        *lock(&self.brought) = Some(thing);
        edge();
        self.wake.notify_one();
    }
}

/// Where a serving thread waits for its next assignment.
#[derive(Debug)]
pub struct Parking<T>(Arc<Place<Assignment<T>>>);

impl<T> Default for Parking<T> {
    fn default() -> Self {
        Self(Arc::new(Place::new()))
    }
}

impl<T> Parking<T> {
    /// The same place.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn assign(&self, assignment: Assignment<T>) {
        self.0.bring(assignment);
    }

    /// The assignment; `None` when there is none within `timeout`.
    pub(super) fn wait_at_most(&self, timeout: Duration) -> Option<Assignment<T>> {
        edge();
        wait_for_at_most(&self.0.wake, lock(&self.0.brought), timeout)
    }

    /// The assignment, when somebody is known to bring one.
    pub(super) fn wait(&self) -> Option<Assignment<T>> {
        wait_for(&self.0.wake, lock(&self.0.brought))
    }
}

/// Where a call waits, in its middle, for a permit.
#[derive(Clone, Debug)]
pub(super) struct PermitWait(Arc<Place<()>>);

impl PermitWait {
    pub fn new() -> Self {
        Self(Arc::new(Place::new()))
    }

    pub fn give(&self) {
        self.0.bring(());
    }

    pub fn wait(&self) {
        edge();
        wait_for(&self.0.wake, lock(&self.0.brought));
    }
}
