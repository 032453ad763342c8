//! The ready queue: followers, permits, and who runs what the leader does not run itself.
//!
//! Only the slow paths come here (a hand-off, a deposition, a wait for a peer), so one short lock guards it all. Every
//! call of the application holds one of `permits` permits; the leader takes one per batch, by one atomic operation, and
//! gives it back before it polls.

use super::parking::PermitWait;
use super::sync::{AtomicBool, AtomicU32, AtomicUsize, Mutex, MutexGuard, lock};
use super::{Assignment, Job, Lead, Parking, edge};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

/// Threads that may wait for the gateway's lock to begin a request: one more than needed to keep it busy. Without the
/// bound one CPU-bound call would make every successor wait, and be deposed, in turn.
const LOCK_WAITERS: u32 = 2;

/// Who starts serving threads.
pub trait Starter {
    /// Asks for one more, and does not wait for it.
    fn start_thread(&self);
}

/// How much of each there may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Calls at once, >= 1.
    pub permits: u32,
    /// Calls that are queued.
    pub queue: usize,
    /// Calls that wait for their peers. The caller keeps to it.
    pub peer_waits: u32,
    /// How long a parked thread waits before it retires.
    pub retire: Duration,
}

#[derive(Debug)]
struct State<T> {
    ready: VecDeque<T>,
    flushes: VecDeque<T>,
    parked: Vec<Parking<T>>,
    permit_waits: VecDeque<PermitWait>,
    /// The leadership while no thread was there to take it.
    vacant: Option<Lead>,
    threads: u32,
    /// Starts asked of the main thread and not yet seen.
    wanted: u32,
    is_stopped: bool,
}

/// What is ready for the followers of one leader, and they.
#[derive(Debug)]
pub struct ReadyQueue<T, S> {
    state: Mutex<State<T>>,
    starter: S,
    bounds: Bounds,
    /// Permits that are out.
    out: AtomicU32,
    lock_waiters: AtomicU32,
    /// Entries of `ready` and `permit_waits`: whoever gives a permit back looks here.
    waiting: AtomicUsize,
    waiting_for_peers: AtomicU32,
    /// `wanted`, for those who do not hold the state.
    starting: AtomicU32,
    /// A start has failed, and nobody has looked since whether it is missed.
    has_failed: AtomicBool,
}

impl<T, S: Starter> ReadyQueue<T, S> {
    /// An empty queue that asks for its first two threads: the leader and the spare follower.
    pub fn new(lead: Lead, bounds: Bounds, starter: S) -> Self {
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
        starter.start_thread();
        starter.start_thread();
        Self {
            state: Mutex::new(state),
            starter,
            bounds,
            out: AtomicU32::new(0),
            lock_waiters: AtomicU32::new(0),
            waiting: AtomicUsize::new(0),
            waiting_for_peers: AtomicU32::new(0),
            starting: AtomicU32::new(2),
            has_failed: AtomicBool::new(false),
        }
    }

    /// Whether one more thread may wait for the gateway's lock to begin a call.
    pub fn has_room_at_lock(&self) -> bool {
        self.lock_waiters.load(SeqCst) < LOCK_WAITERS
    }

    /// Whether a thread waits for the gateway's lock to begin a call, or is being started, which may take the lock, too.
    #[inline]
    pub fn has_beginners(&self) -> bool {
        self.lock_waiters.load(Relaxed) > 0 || self.starting.load(Relaxed) > 0
    }

    /// Takes a permit if one is free.
    pub fn try_take_permit(&self) -> bool {
        self.out.fetch_update(SeqCst, SeqCst, |out| (out < self.bounds.permits).then_some(out + 1)).is_ok()
    }

    /// Whether requests or calls wait for a permit or a thread.
    pub fn has_waiting(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }

    /// A thread that was asked for could not be started: it is asked for again when it is missed next.
    pub fn thread_failed(&self) {
        let mut state = self.locked();
        self.want(&mut state, |wanted| wanted.saturating_sub(1));
        self.has_failed.store(true, Relaxed);
    }

    /// Whether `start_leader` is to be called after a while.
    pub fn has_failed_start(&self) -> bool {
        self.has_failed.load(Relaxed)
    }

    /// Asks again for a thread that could not be started, if there is none to lead: nobody else would miss it.
    pub fn start_leader(&self) {
        let mut state = self.locked();
        self.has_failed.store(false, Relaxed);
        if state.vacant.is_some() {
            self.keep_a_spare(&mut state);
        }
    }

    /// Gives a permit back, to whoever waits for one.
    pub fn give_permit(&self) {
        self.out.fetch_sub(1, SeqCst);
        edge();
        // Those who wait count themselves before they look at `out` for the last time: one of the two sees the other.
        if self.waiting.load(SeqCst) > 0 {
            self.serve_waiting(&mut self.locked());
        }
    }

    /// Whether only one call may run at a time, so that no permit is ever given back in the middle of a call.
    pub fn is_single(&self) -> bool {
        self.bounds.permits == 1
    }

    /// Threads that serve.
    pub fn threads(&self) -> u32 {
        self.locked().threads
    }

    /// Calls that wait for their peers, each with a descriptor of its own that ends the wait.
    pub fn peer_waits(&self) -> u32 {
        self.waiting_for_peers.load(Relaxed)
    }

    /// Whether so many threads wait for peers that further bodies had better be collected before the call.
    pub fn is_crowded_with_waits(&self) -> bool {
        self.waiting_for_peers.load(Relaxed) > self.bounds.peer_waits / 2
    }

    /// A thread is about to take the gateway's lock to begin a request.
    pub fn lock_wait_begins(&self) {
        self.lock_waiters.fetch_add(1, Relaxed);
    }

    /// It has the lock. Wakes a follower for what had to wait because the lock was crowded.
    pub fn lock_wait_ends(&self) {
        self.lock_waiters.fetch_sub(1, SeqCst);
        edge();
        if self.waiting.load(SeqCst) > 0 {
            self.serve_waiting(&mut self.locked());
        }
    }

    /// Queues work and wakes a follower for it. A call beyond the queue's bound comes back.
    pub fn submit(&self, job: Job<T>) -> Result<(), T> {
        let mut state = self.locked();
        match job {
            Job::Call(connection) if state.ready.len() >= self.bounds.queue => return Err(connection),
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
        self.want(&mut state, |wanted| wanted.saturating_sub(1));
    }

    /// A serving thread that has nothing to do waits for its next assignment.
    pub fn next(&self, parking: &Parking<T>) -> Assignment<T> {
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
        state.parked.push(parking.share());
        drop(state);
        loop {
            if let Some(assignment) = parking.wait_at_most(self.bounds.retire) {
                return assignment;
            }
            let mut state = self.locked();
            let place = state.parked.iter().position(|other| other.is_same(parking));
            match place {
                // Assigned in this very moment.
                None => {
                    drop(state);
                    if let Some(assignment) = parking.wait() {
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
    pub fn more(&self) -> Option<T> {
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
    pub fn peer_wait_begins(&self, gives_permit: bool) {
        self.waiting_for_peers.fetch_add(1, Relaxed);
        if gives_permit {
            self.give_permit();
        }
        self.keep_a_spare(&mut self.locked());
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
        let wait = PermitWait::new();
        let mut state = self.locked();
        state.permit_waits.push_back(wait.clone());
        self.serve_waiting(&mut state);
        drop(state);
        wait.wait();
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

    /// What `look` says of the call that is to be run next.
    pub fn with_first<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        self.locked().ready.front().map(look)
    }

    /// Takes the calls out that are not to be run any more.
    pub fn take_out(&self, is_over: impl Fn(&T) -> bool) -> Vec<T> {
        let mut state = self.locked();
        let (over, ready) = std::mem::take(&mut state.ready).into_iter().partition(is_over);
        state.ready = ready;
        self.count_waiting(&state);
        over.into()
    }

    /// Takes everything out of the queues, for the end.
    pub fn take_queued(&self) -> Vec<T> {
        let mut state = self.locked();
        let mut queued: Vec<_> = state.ready.drain(..).collect();
        queued.extend(state.flushes.drain(..));
        self.count_waiting(&state);
        queued
    }

    /// Gives permits to calls that wait for one in their middle, and waiting work to parked followers.
    fn serve_waiting(&self, state: &mut State<T>) {
        self.count_waiting(state);
        while !state.permit_waits.is_empty() && self.try_take_permit() {
            if let Some(wait) = state.permit_waits.pop_front() {
                wait.give();
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

    fn count_waiting(&self, state: &State<T>) {
        self.waiting.store(state.ready.len() + state.permit_waits.len(), SeqCst);
        edge();
    }

    fn take_job(&self, state: &mut State<T>) -> Option<Job<T>> {
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
    fn keep_a_spare(&self, state: &mut State<T>) {
        let waiting = self.waiting_for_peers.load(Relaxed) + state.permit_waits.len() as u32;
        let most = self.bounds.permits + waiting + 2;
        if state.parked.is_empty() && state.wanted == 0 && state.threads < most && !state.is_stopped {
            self.want(state, |wanted| wanted + 1);
            self.starter.start_thread();
        }
    }

    fn want(&self, state: &mut State<T>, change: impl FnOnce(u32) -> u32) {
        state.wanted = change(state.wanted);
        self.starting.store(state.wanted, Relaxed);
    }

    fn locked(&self) -> MutexGuard<'_, State<T>> {
        edge();
        lock(&self.state)
    }
}
