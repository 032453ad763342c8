//! The scheduler: the hand-over's ready queue with connections in it, whose threads the process's main thread starts.

use crate::connection::Connection;
use crate::handover::{self, Starter};
use crate::mailbox::{Event, Mailbox};
use std::sync::Arc;

/// The followers of one engine.
pub type Scheduler<M> = handover::ReadyQueue<Box<Connection<M>>, Arc<Mailbox>>;

/// Work for a follower: a connection with a complete request in its `rest`, or one whose output has a file at the front.
pub type Job<M> = handover::Job<Box<Connection<M>>>;

/// What a parked thread is woken for.
pub type Assignment<M> = handover::Assignment<Box<Connection<M>>>;

/// Where a serving thread waits for its next assignment.
pub type Parking<M> = handover::Parking<Box<Connection<M>>>;

impl Starter for Arc<Mailbox> {
    fn start_thread(&self) {
        self.post(Event::Thread);
    }
}
