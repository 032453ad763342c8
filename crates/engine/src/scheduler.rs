//! Followers, permits and the ready queue: who runs what the leader does not run itself.
//!
//! Only the slow paths come here (a hand-off, a deposition, a wait for a peer), so one short lock guards it all. Every
//! call of the application holds one of `permits` permits; the leader takes one per batch, by one atomic operation, and
//! gives it back before it polls.

use crate::connection::Connection;
use crate::leadership::Lead;
use crate::mailbox::{Event, Mailbox};
use crate::options::WAITING_FOR_PEERS;
use std::collections::VecDeque;
use std::sync::atomic::{
    AtomicU32, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Threads that may wait for the gateway's lock to begin a request: one more than needed to keep it busy. Without the
/// bound one CPU-bound call would make every successor wait, and be deposed, in turn.
const LOCK_WAITERS: u32 = 2;

/// Work for a follower.
#[derive(Debug)]
pub enum Job<M> {
    /// A connection with a complete request in its `rest`. Comes with a permit.
    Call(Box<Connection<M>>),
    /// A connection whose output has a file at the front.
    Flush(Box<Connection<M>>),
}

/// What a parked thread is woken for.
#[derive(Debug)]
pub enum Assignment<M> {
    /// It is the leader now.
    Lead(Lead),
    /// It has something to run.
    Job(Job<M>),
    /// It is not needed any more.
    Retire,
}

/// Where one thread waits for its next assignment.
#[derive(Debug)]
pub struct Parking<M> {
    assignment: Mutex<Option<Assignment<M>>>,
    wake: Condvar,
}

impl<M> Default for Parking<M> {
    fn default() -> Self {
        Self { assignment: Mutex::new(None), wake: Condvar::new() }
    }
}

impl<M> Parking<M> {
    fn assign(&self, assignment: Assignment<M>) {
        *lock(&self.assignment) = Some(assignment);
        self.wake.notify_one();
    }

    fn wait(&self, timeout: Option<Duration>) -> Option<Assignment<M>> {
        let slot = lock(&self.assignment);
        let is_empty = |slot: &mut Option<Assignment<M>>| slot.is_none();
        match timeout {
            None => self.wake.wait_while(slot, is_empty).unwrap_or_else(PoisonError::into_inner).take(),
            Some(timeout) => {
                let waited = self.wake.wait_timeout_while(slot, timeout, is_empty);
                waited.unwrap_or_else(PoisonError::into_inner).0.take()
            }
        }
    }
}

#[derive(Debug, Default)]
struct PermitWait {
    is_given: Mutex<bool>,
    wake: Condvar,
}

#[derive(Debug)]
struct State<M> {
    ready: VecDeque<Box<Connection<M>>>,
    flushes: VecDeque<Box<Connection<M>>>,
    parked: Vec<Arc<Parking<M>>>,
    permit_waits: VecDeque<Arc<PermitWait>>,
    /// The leadership while no thread was there to take it.
    vacant: Option<Lead>,
    threads: u32,
    /// Starts asked of the main thread and not yet seen.
    wanted: u32,
    is_stopped: bool,
}

/// The followers of one engine.
#[derive(Debug)]
pub struct Scheduler<M> {
    state: Mutex<State<M>>,
    mailbox: Arc<Mailbox>,
    permits: u32,
    queue: usize,
    retire: Duration,
    /// Permits that are out.
    out: AtomicU32,
    lock_waiters: AtomicU32,
    /// Entries of `ready` and `permit_waits`: whoever gives a permit back looks here.
    waiting: AtomicUsize,
    waiting_for_peers: AtomicU32,
}

impl<M> Scheduler<M> {
    /// A scheduler that asks for its first two threads: the leader and the spare follower.
    pub fn new(lead: Lead, permits: u32, queue: usize, retire: Duration, mailbox: Arc<Mailbox>) -> Self {
        let state = State {
            ready: VecDeque::new(),
            flushes: VecDeque::new(),
            parked: Vec::new(),
            permit_waits: VecDeque::new(),
            vacant: Some(lead),
            threads: 0,
            wanted: 2,
            is_stopped: false,
        };
        mailbox.post(Event::Thread);
        mailbox.post(Event::Thread);
        Self {
            state: Mutex::new(state),
            mailbox,
            permits,
            queue,
            retire,
            out: AtomicU32::new(0),
            lock_waiters: AtomicU32::new(0),
            waiting: AtomicUsize::new(0),
            waiting_for_peers: AtomicU32::new(0),
        }
    }

    /// Whether one more thread may wait for the gateway's lock to begin a call.
    pub fn has_room_at_lock(&self) -> bool {
        self.lock_waiters.load(SeqCst) < LOCK_WAITERS
    }

    /// Takes a permit if one is free.
    pub fn try_take_permit(&self) -> bool {
        self.out.fetch_update(SeqCst, SeqCst, |out| (out < self.permits).then_some(out + 1)).is_ok()
    }

    /// Whether requests or calls wait for a permit or a thread.
    pub fn has_waiting(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }

    /// A thread that was asked for could not be started: it is asked for again when it is missed next.
    pub fn thread_failed(&self) {
        let mut state = self.locked();
        state.wanted = state.wanted.saturating_sub(1);
    }

    /// Gives a permit back, to whoever waits for one.
    pub fn give_permit(&self) {
        self.out.fetch_sub(1, SeqCst);
        // Those who wait count themselves before they look at `out` for the last time: one of the two sees the other.
        if self.waiting.load(SeqCst) > 0 {
            self.serve_waiting(&mut self.locked());
        }
    }

    /// Whether only one call may run at a time, so that no permit is ever given back in the middle of a call.
    pub fn is_single(&self) -> bool {
        self.permits == 1
    }

    /// Threads that serve.
    pub fn threads(&self) -> u32 {
        self.locked().threads
    }

    /// Whether so many threads wait for peers that further bodies had better be collected before the call.
    pub fn is_crowded_with_waits(&self) -> bool {
        self.waiting_for_peers.load(Relaxed) > WAITING_FOR_PEERS / 2
    }

    /// A thread is about to take the gateway's lock to begin a request.
    pub fn lock_wait_begins(&self) {
        self.lock_waiters.fetch_add(1, Relaxed);
    }

    /// It has the lock. Wakes a follower for what had to wait because the lock was crowded.
    pub fn lock_wait_ends(&self) {
        self.lock_waiters.fetch_sub(1, SeqCst);
        if self.waiting.load(SeqCst) > 0 {
            self.serve_waiting(&mut self.locked());
        }
    }

    /// Queues work and wakes a follower for it. A call beyond the queue's bound comes back.
    pub fn submit(&self, job: Job<M>) -> Result<(), Box<Connection<M>>> {
        let mut state = self.locked();
        match job {
            Job::Call(connection) if state.ready.len() >= self.queue => return Err(connection),
            Job::Call(connection) => state.ready.push_back(connection),
            Job::Flush(connection) => state.flushes.push_back(connection),
        }
        self.serve_waiting(&mut state);
        Ok(())
    }

    /// A new serving thread.
    pub fn thread_enters(&self) {
        let mut state = self.locked();
        state.threads += 1;
        state.wanted = state.wanted.saturating_sub(1);
    }

    /// A serving thread that has nothing to do waits for its next assignment.
    pub fn next(&self, parking: &Arc<Parking<M>>) -> Assignment<M> {
        let mut state = self.locked();
        if let Some(lead) = state.vacant.take() {
            return Assignment::Lead(lead);
        }
        if state.is_stopped {
            state.threads -= 1;
            return Assignment::Retire;
        }
        if let Some(job) = self.take_job(&mut state) {
            return Assignment::Job(job);
        }
        state.parked.push(Arc::clone(parking));
        drop(state);
        loop {
            if let Some(assignment) = parking.wait(Some(self.retire)) {
                return assignment;
            }
            let mut state = self.locked();
            let place = state.parked.iter().position(|other| Arc::ptr_eq(other, parking));
            match place {
                // Assigned in this very moment.
                None => {
                    drop(state);
                    if let Some(assignment) = parking.wait(None) {
                        return assignment;
                    }
                }
                // The last one stays: a follower must be there when the leader is deposed.
                Some(_) if state.parked.len() == 1 => {}
                Some(place) => {
                    state.parked.remove(place);
                    state.threads -= 1;
                    return Assignment::Retire;
                }
            }
        }
    }

    /// A thread with a permit and the gateway's lock takes the next request at once, if nobody has an older claim.
    pub fn more(&self) -> Option<Box<Connection<M>>> {
        let mut state = self.locked();
        if state.vacant.is_some() || !state.permit_waits.is_empty() || !state.flushes.is_empty() {
            return None;
        }
        let connection = state.ready.pop_front();
        self.count_waiting(&state);
        connection
    }

    /// Hands the leadership to a follower, or leaves it for the first thread that comes.
    pub fn hand(&self, lead: Lead) {
        let mut state = self.locked();
        match state.parked.pop() {
            Some(parking) => parking.assign(Assignment::Lead(lead)),
            None => state.vacant = Some(lead),
        }
        self.keep_a_spare(&mut state);
    }

    /// Deposes the leader by `depose` if a follower is there to succeed. The call that goes on keeps its permit.
    pub fn depose(&self, depose: impl FnOnce() -> Option<Lead>) -> bool {
        let mut state = self.locked();
        self.keep_a_spare(&mut state);
        if state.parked.is_empty() {
            return false;
        }
        let Some(lead) = depose() else { return false };
        if let Some(parking) = state.parked.pop() {
            parking.assign(Assignment::Lead(lead));
        }
        self.keep_a_spare(&mut state);
        true
    }

    /// A call waits for its peer and, where `gives_permit`, lets another call run meanwhile.
    /// `false`: too many wait; the peer had better be cut off.
    pub fn peer_wait_begins(&self, gives_permit: bool) -> bool {
        if self.waiting_for_peers.fetch_add(1, Relaxed) >= WAITING_FOR_PEERS {
            self.waiting_for_peers.fetch_sub(1, Relaxed);
            return false;
        }
        if gives_permit {
            self.give_permit();
        }
        self.keep_a_spare(&mut self.locked());
        true
    }

    /// The wait is over: takes a permit again if it was given back, waiting for one where none is free.
    pub fn peer_wait_ends(&self, gave_permit: bool) {
        self.waiting_for_peers.fetch_sub(1, Relaxed);
        if !gave_permit {
            return;
        }
        if self.try_take_permit() {
            return;
        }
        let wait = Arc::new(PermitWait::default());
        let mut state = self.locked();
        state.permit_waits.push_back(Arc::clone(&wait));
        self.serve_waiting(&mut state);
        drop(state);
        let is_given = lock(&wait.is_given);
        drop(wait.wake.wait_while(is_given, |is_given| !*is_given).unwrap_or_else(PoisonError::into_inner));
    }

    /// Everybody who waits for work retires; nobody is started any more.
    pub fn stop(&self) {
        let mut state = self.locked();
        state.is_stopped = true;
        for parking in std::mem::take(&mut state.parked) {
            state.threads -= 1;
            parking.assign(Assignment::Retire);
        }
    }

    /// Takes the requests out that have waited too long: those at the front for which `is_overdue` holds.
    pub fn take_overdue(&self, is_overdue: impl Fn(&Connection<M>) -> bool) -> Vec<Box<Connection<M>>> {
        let mut state = self.locked();
        let count = state.ready.iter().take_while(|connection| is_overdue(connection)).count();
        let overdue = state.ready.drain(..count).collect();
        self.count_waiting(&state);
        overdue
    }

    /// Takes everything out of the queues, for the end.
    pub fn take_queued(&self) -> Vec<Box<Connection<M>>> {
        let mut state = self.locked();
        let mut queued: Vec<_> = state.ready.drain(..).collect();
        queued.extend(state.flushes.drain(..));
        self.count_waiting(&state);
        queued
    }

    /// Gives permits to calls that wait for one in their middle, and waiting work to parked followers.
    fn serve_waiting(&self, state: &mut State<M>) {
        self.count_waiting(state);
        while !state.permit_waits.is_empty() && self.try_take_permit() {
            if let Some(wait) = state.permit_waits.pop_front() {
                *lock(&wait.is_given) = true;
                wait.wake.notify_one();
            }
        }
        while !state.parked.is_empty() {
            let Some(job) = self.take_job(state) else { break };
            if let Some(parking) = state.parked.pop() {
                parking.assign(Assignment::Job(job));
            }
        }
        self.count_waiting(state);
        self.keep_a_spare(state);
    }

    fn count_waiting(&self, state: &State<M>) {
        self.waiting.store(state.ready.len() + state.permit_waits.len(), SeqCst);
    }

    fn take_job(&self, state: &mut State<M>) -> Option<Job<M>> {
        if let Some(connection) = state.flushes.pop_front() {
            return Some(Job::Flush(connection));
        }
        if state.ready.is_empty() || !self.has_room_at_lock() || !self.try_take_permit() {
            return None;
        }
        let connection = state.ready.pop_front()?;
        self.lock_waiters.fetch_add(1, Relaxed);
        self.count_waiting(state);
        Some(Job::Call(connection))
    }

    /// One follower is always parked, so that a deposition or a hand-off never has to wait for a thread to start.
    fn keep_a_spare(&self, state: &mut State<M>) {
        let waiting = self.waiting_for_peers.load(Relaxed) + state.permit_waits.len() as u32;
        let most = self.permits + waiting + 2;
        if state.parked.is_empty() && state.wanted == 0 && state.threads < most && !state.is_stopped {
            state.wanted += 1;
            self.mailbox.post(Event::Thread);
        }
    }

    fn locked(&self) -> MutexGuard<'_, State<M>> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
