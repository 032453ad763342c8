//! What the engine asks of the process's main thread: start a thread, write a log line, the drain is done.

use crate::drain::Account;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How grave a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Of use to those who look for a fault.
    Debug,
    /// Something to know.
    Info,
    /// Something to look into.
    Warning,
    /// Something that failed.
    Error,
}

/// One thing for the main thread to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Start one more serving thread.
    Thread,
    /// Write this to the error log.
    Log(Level, String),
    /// A signal came: let its handler run.
    Signal,
    /// As many requests were answered as `Options::max_requests` says; serving goes on.
    Limit,
    /// Much memory has come free: `Engine::tidy` gives it back.
    Tidy,
    /// The drain is complete.
    Drained(Account),
}

/// Log lines kept when the main thread does not come to take them.
const LINES: usize = 256;

/// A bounded queue of events with a descriptor to wait on.
#[derive(Debug)]
pub struct Mailbox {
    events: Mutex<VecDeque<Event>>,
    wake: OwnedFd,
}

impl Mailbox {
    /// An empty mailbox.
    pub fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { events: Mutex::new(VecDeque::new()), wake })
    }

    /// Adds an event and wakes the main thread. Log lines beyond the bound are dropped, and to tidy is asked for once.
    pub fn post(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(event, Event::Log(..)) && events.len() >= LINES || event == Event::Tidy && events.contains(&event) {
            return;
        }
        events.push_back(event);
        drop(events);
        // Full means that a wake-up is pending already.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Waits for events; returns early with none when a signal interrupts the wait.
    pub fn wait(&self, timeout: Option<Duration>) -> Vec<Event> {
        let taken = self.take();
        if !taken.is_empty() {
            return taken;
        }
        let timeout =
            timeout.map(|time| Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() });
        let mut polled = [PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN)];
        if rustix::event::poll(&mut polled, timeout.as_ref()).is_err() {
            return vec![Event::Signal];
        }
        self.take()
    }

    fn take(&self) -> Vec<Event> {
        let mut count = [0; 8];
        // Nothing to read means nothing was posted since the last time.
        let _ = rustix::io::read(&self.wake, &mut count);
        self.events.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}
