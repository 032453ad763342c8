//! One group: a closed loop over its connections on one thread, driven by epoll.

use crate::connection::{Connection, Progress};
use crate::histogram::Histogram;
use crate::plan::Plan;
use crate::response::Breach;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// With so many breaches the server is broken; going on would only fill the report.
const MAX_BREACHES: u64 = 100;
const SCRATCH_BYTES: usize = 256 << 10;

/// When a group stops sending.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// After this time; what is under way is still awaited.
    Time(Duration),
    /// After exactly so many requests.
    Requests(u64),
}

/// What a group did and found.
pub struct Outcome {
    /// Requests answered in full and rightly.
    pub answered: u64,
    /// Requests left by the client on purpose.
    pub aborted: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Latencies of the answered ones, each from its batch's first byte sent.
    pub latencies: Histogram,
    /// Connections opened.
    pub opened: u64,
    /// Breaches by kind.
    pub breaches: BTreeMap<String, u64>,
    /// The first breach with its facts and where it was met.
    pub first_breach: Option<String>,
}

/// Runs `plan` over `connections` connections to `address` until `limit`.
///
/// `stall` without a single answer ends the run with a breach: nothing waits for ever.
pub fn run(address: SocketAddr, connections: usize, plan: Box<dyn Plan>, limit: Limit, stall: Duration) -> Outcome {
    let epoll = match epoll::create(epoll::CreateFlags::CLOEXEC) {
        Ok(epoll) => epoll,
        Err(error) => panic!("epoll_create1: {error}"),
    };
    let mut group = Group {
        address,
        epoll,
        plan,
        requests_left: match limit {
            Limit::Time(_) => u64::MAX,
            Limit::Requests(count) => count,
        },
        slots: Vec::new(),
        outcome: Outcome {
            answered: 0,
            aborted: 0,
            elapsed: Duration::ZERO,
            latencies: Histogram::new(),
            opened: 0,
            breaches: BTreeMap::new(),
            first_breach: None,
        },
    };
    group.slots.resize_with(connections, || None);
    group.drive(limit, stall);
    group.outcome
}

/// A connection with the interest that epoll has registered for it.
struct Slot {
    connection: Connection,
    is_write_registered: bool,
}

struct Group {
    address: SocketAddr,
    epoll: OwnedFd,
    plan: Box<dyn Plan>,
    requests_left: u64,
    slots: Vec<Option<Slot>>,
    outcome: Outcome,
}

impl Group {
    fn drive(&mut self, limit: Limit, stall: Duration) {
        let started = Instant::now();
        let mut last_answer = started;
        let mut scratch = vec![0; SCRATCH_BYTES];
        let mut events = Vec::with_capacity(self.slots.len().clamp(1, 1024));
        // All connections stand before the first request, so that no request waits for the opening of another.
        for index in 0..self.slots.len() {
            self.open(index);
        }
        let first_request = Instant::now();
        for index in 0..self.slots.len() {
            self.feed(index, first_request);
        }
        while self.slots.iter().flatten().any(|slot| slot.connection.is_busy()) {
            let timeout = Timespec { tv_sec: 1, tv_nsec: 0 };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("epoll_wait: {error}"),
            }
            let before = self.outcome.answered + self.outcome.aborted;
            for event in events.drain(..) {
                let index = event.data.u64() as usize;
                self.serve(index, event.flags, &mut scratch);
            }
            let now = Instant::now();
            if self.outcome.answered + self.outcome.aborted > before {
                last_answer = now;
            } else if now.duration_since(last_answer) > stall {
                let waiting = self.slots.iter().flatten().find(|slot| slot.connection.is_busy());
                let place = waiting.map_or_else(String::new, |slot| slot.connection.describe());
                self.note(&Breach::Stalled, &place);
                break;
            }
            let is_over = matches!(limit, Limit::Time(length) if now.duration_since(first_request) >= length);
            if is_over || self.outcome.breaches.values().sum::<u64>() >= MAX_BREACHES {
                self.requests_left = 0;
            }
        }
        self.outcome.elapsed = last_answer.duration_since(first_request);
    }

    /// Acts on one event of one connection, then keeps it busy.
    fn serve(&mut self, index: usize, flags: epoll::EventFlags, scratch: &mut [u8]) {
        let Some(Some(slot)) = self.slots.get_mut(index) else { return };
        let mut progress = Ok(Progress::Waiting);
        if flags.contains(epoll::EventFlags::OUT) {
            progress = slot.connection.send();
        }
        if progress == Ok(Progress::Waiting) && flags.intersects(READABLE) {
            let outcome = &mut self.outcome;
            progress = slot.connection.receive(scratch, |latency| {
                outcome.answered += 1;
                outcome.latencies.record(latency);
            });
        }
        self.conclude(index, progress);
    }

    /// Does what `progress` asks for, until the connection waits or the group has nothing left to send.
    fn conclude(&mut self, index: usize, mut progress: Result<Progress, Breach>) {
        loop {
            match progress {
                Ok(Progress::Waiting) => return self.register(index),
                Ok(Progress::Free) => {}
                Ok(Progress::Finished) => self.replace(index),
                Err(breach) => {
                    let slot = self.slots.get(index).and_then(Option::as_ref);
                    let place = slot.map_or_else(String::new, |slot| slot.connection.describe());
                    self.note(&breach, &place);
                    self.replace(index);
                }
            }
            match self.begin(index, Instant::now()) {
                Some(next) => progress = next,
                None => return,
            }
        }
    }

    fn feed(&mut self, index: usize, now: Instant) {
        if let Some(progress) = self.begin(index, now) {
            self.conclude(index, progress);
        }
    }

    /// Gives a free connection its next batch; `None` when nothing is left to send or it is not open.
    fn begin(&mut self, index: usize, now: Instant) -> Option<Result<Progress, Breach>> {
        if self.requests_left == 0 {
            return None;
        }
        let slot = self.slots.get_mut(index)?.as_mut()?;
        let batch = self.plan.next(self.requests_left);
        if batch.expected.is_empty() {
            self.outcome.aborted += 1;
        }
        self.requests_left -= (batch.expected.len() as u64).max(1);
        Some(slot.connection.begin(batch, now))
    }

    /// Closes the connection at `index` and, when there is more to send, opens another in its place.
    fn replace(&mut self, index: usize) {
        self.slots[index] = None;
        if self.requests_left > 0 {
            self.open(index);
        }
    }

    fn open(&mut self, index: usize) {
        match Connection::open(self.address) {
            Ok(connection) => {
                self.outcome.opened += 1;
                let added =
                    epoll::add(&self.epoll, connection.stream(), epoll::EventData::new_u64(index as u64), READABLE);
                if let Err(error) = added {
                    panic!("epoll_ctl: {error}");
                }
                self.slots[index] = Some(Slot { connection, is_write_registered: false });
            }
            Err(breach) => self.note(&breach, "while connecting"),
        }
    }

    /// Watches for room in the socket only while bytes wait for it.
    fn register(&mut self, index: usize) {
        let Some(Some(slot)) = self.slots.get_mut(index) else { return };
        let wants_write = slot.connection.wants_write();
        if wants_write != slot.is_write_registered {
            slot.is_write_registered = wants_write;
            let flags = if wants_write { READABLE | epoll::EventFlags::OUT } else { READABLE };
            let data = epoll::EventData::new_u64(index as u64);
            if let Err(error) = epoll::modify(&self.epoll, slot.connection.stream(), data, flags) {
                panic!("epoll_ctl: {error}");
            }
        }
    }

    fn note(&mut self, breach: &Breach, place: &str) {
        *self.outcome.breaches.entry(breach.kind()).or_insert(0) += 1;
        self.outcome.first_breach.get_or_insert_with(|| format!("{breach:?}, {place}"));
    }
}

const READABLE: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP);
