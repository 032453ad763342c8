//! The reactor: what the leader alone touches. One turn polls, accepts, and looks at deadlines; requests come after it.

use crate::connection::{After, Connection};
use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::handover::Lead;
use crate::listener::Accepted;
use crate::mailbox::{Event, Level};
use crate::output::Flushed;
use crate::plan::Refusal;
use crate::relief::Watch;
use crate::slot::{Found, Slots};
use crate::sys;
use crate::timer::Wheel;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::Ordering::Relaxed;

/// Events taken from the kernel at once.
const EVENTS: usize = 256;
/// Connections accepted in one turn from one listener: the others and the open connections get their turn.
const ACCEPTS: usize = 16;
/// How often the leader looks whether requests have waited too long for a thread.
const QUEUE_LOOK_MS: u64 = 250;
/// Ticks that a request may wait for its follower so that others are woken before it one at a time.
const SPREAD_TICKS: u64 = 2;
/// A full queue whose first request has waited for less than this part of the time that it may is a burst that passes: it
/// slows, and refuses nobody.
const BURST_PART: u64 = 10;
/// How soon the leader tries again to hand requests over that the queue had no room for.
const HELD_BACK_MS: i64 = 1;
/// Pause of accepting when descriptors or memory are short; it doubles while they stay short.
const ACCEPT_PAUSE_MS: u64 = 100;
/// Longest such pause.
const ACCEPT_PAUSE_MOST_MS: u64 = 1_000;

/// What an epoll entry stands for. A connection's generation is never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Wake,
    Signal,
    Listener(u32),
    Connection { descriptor: u32, generation: u32 },
}

impl Token {
    pub fn data(self) -> epoll::EventData {
        let (high, low) = match self {
            Token::Wake => (0, 0),
            Token::Signal => (0, 1),
            Token::Listener(index) => (0, 2 + index),
            Token::Connection { descriptor, generation } => (generation, descriptor),
        };
        epoll::EventData::new_u64(u64::from(high) << 32 | u64::from(low))
    }

    fn of(data: epoll::EventData) -> Self {
        let data = data.u64();
        match ((data >> 32) as u32, data as u32) {
            (0, 0) => Token::Wake,
            (0, 1) => Token::Signal,
            (0, low) => Token::Listener(low - 2),
            (generation, descriptor) => Token::Connection { descriptor, generation },
        }
    }
}

/// A connection that wants attention.
#[derive(Debug)]
pub(crate) enum Ready<M> {
    /// An event of the kernel.
    Event { descriptor: u32, generation: u32, is_hangup: bool },
    /// A connection that was just accepted: its request is often there already.
    Fresh(Box<Connection<M>>),
    /// A connection that another thread put down.
    Resumed(Box<Connection<M>>),
}

/// Where the listeners stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepting {
    Off,
    On,
    PausedUntil(u64),
}

/// State of the leader.
#[derive(Debug)]
pub(crate) struct Reactor<M> {
    pub batch: VecDeque<Ready<M>>,
    /// What has had its share in this turn: its next one comes after another poll, so that it keeps nobody waiting.
    pub next_turn: Vec<Ready<M>>,
    /// Requests for followers, each with the tick of its coming.
    pub for_followers: VecDeque<(u64, Box<Connection<M>>)>,
    /// The tick at which the queue had no room for the first of them.
    held_back: Option<u64>,
    pub wheel: Wheel,
    /// A connection whose answered requests wait in its slot while its next request runs.
    pub answers_waiting: Option<(u32, u32)>,
    accepting: Accepting,
    /// When the queue of requests that wait for a thread is looked at again.
    queue_look_ms: u64,
    /// Length of the next pause of accepting.
    accept_pause_ms: u64,
    /// Memory and disk that peers hold.
    pub watch: Watch,
    /// The doors are closed, and idle connections have been given their last time.
    pub has_begun_drain: bool,
}

impl<M> Reactor<M> {
    pub fn new(now_ms: u64) -> Self {
        Self {
            batch: VecDeque::new(),
            next_turn: Vec::new(),
            for_followers: VecDeque::new(),
            held_back: None,
            wheel: Wheel::new(now_ms),
            answers_waiting: None,
            accepting: Accepting::Off,
            queue_look_ms: 0,
            accept_pause_ms: ACCEPT_PAUSE_MS,
            watch: Watch::default(),
            has_begun_drain: false,
        }
    }

    /// Sees to it that the deadline of a slot is looked at in time.
    pub fn watch_deadline(&mut self, slots: &Slots<M>, descriptor: u32, deadline_ms: u64) {
        let Some(slot) = slots.get(descriptor) else { return };
        let tick = self.wheel.tick(deadline_ms);
        let entered = slot.timer.load(Relaxed);
        if entered == 0 || entered > tick {
            slot.timer.store(tick, Relaxed);
            self.wheel.enter(descriptor, tick);
        }
    }
}

impl<G: Gateway> Engine<G> {
    /// One turn without requests: waits for events and puts what they ask for into the batch.
    pub(crate) fn turn(&self, lead: &mut Lead) {
        self.look_after_listeners(lead);
        let look_due_ms = self.look_due_ms(lead);
        let reactor = self.reactor(lead);
        let now_ms = self.clock.now_ms();
        let timeout = reactor.timeout(now_ms, self.scheduler.has_waiting(), self.drain_in_ms(now_ms), look_due_ms);
        let mut room = [MaybeUninit::uninit(); EVENTS];
        // An interrupted wait is a turn without events.
        let events = epoll::wait(&self.poll, &mut room, timeout.as_ref()).map_or(&mut [][..], |(events, _)| events);
        let now_ms = self.clock.refresh();
        for event in events {
            let flags = event.flags;
            match Token::of(event.data) {
                Token::Connection { descriptor, generation } => {
                    // Urgent data cuts a read short, as the peer's end does: what lies behind it is told of no more.
                    let hangup = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
                    let is_hangup = flags.intersects(hangup | epoll::EventFlags::PRI);
                    self.reactor(lead).batch.push_back(Ready::Event { descriptor, generation, is_hangup });
                }
                Token::Listener(index) => self.accept(lead, index as usize, ACCEPTS),
                Token::Wake => self.clear_wake(),
                Token::Signal => self.read_signals(),
            }
        }
        let reactor = self.reactor(lead);
        reactor.batch.extend(reactor.next_turn.drain(..));
        self.look_into_inbox(lead);
        self.run_timers(lead, now_ms);
        self.look_after_queue(lead, now_ms);
        self.look_after_room(lead, now_ms);
        self.look_after_drain(lead, now_ms);
    }

    /// Finds the connection that an entry of the batch is about; `None` when it is away or gone.
    pub(crate) fn take_ready(
        &self,
        lead: &mut Lead,
        ready: Ready<G::Memory>,
    ) -> Option<(Box<Connection<G::Memory>>, bool)> {
        match ready {
            Ready::Fresh(connection) => Some((connection, false)),
            // What came meanwhile was told to nobody: it is read to the end.
            Ready::Resumed(connection) => Some((connection, true)),
            Ready::Event { descriptor, generation, is_hangup } => {
                let slot = self.slots.get(descriptor)?;
                match slot.find(lead, generation) {
                    Found::Resting(connection) => Some((connection, is_hangup)),
                    Found::Out { has_output: true } => {
                        self.flush_for_owner(lead, descriptor, generation);
                        None
                    }
                    Found::Out { has_output: false } | Found::Stale => None,
                }
            }
        }
    }

    /// Wakes a follower for a request that the leader does not run itself, and for each that has waited long enough.
    ///
    /// The leader holds no lock here: a follower woken before would wait a second time, for that. One for each turn,
    /// because calls that begin together also end together and then line up at the lock, the leader behind them.
    pub(crate) fn hand_off(&self, lead: &mut Lead) {
        let tick = self.clock.tick();
        let waiting = &self.reactor(lead).for_followers;
        let overdue = waiting.iter().take_while(|(came, _)| came + SPREAD_TICKS <= tick).count();
        self.reactor(lead).held_back = None;
        for _ in 0..overdue.max(1) {
            let Some((came, connection)) = self.reactor(lead).for_followers.pop_front() else { return };
            if self.scheduler.has_waiting() && self.has_left(&connection) {
                self.abandon(connection);
                continue;
            }
            match self.wait_for_thread(connection) {
                Ok(()) => {
                    self.counters.handed_off();
                }
                Err(connection) if self.is_burst(&connection) => {
                    let reactor = self.reactor(lead);
                    reactor.for_followers.push_front((came, connection));
                    reactor.held_back = Some(tick);
                    return;
                }
                Err(connection) => {
                    self.counters.overloaded();
                    self.refuse_resting(lead, connection, Refusal::OVERLOADED);
                }
            }
        }
    }

    /// Whether the full queue moves so fast that a request may wait in front of it: then one that is new, or preempted
    /// calls on a busy machine, filled it, and not calls that are slow.
    fn is_burst(&self, connection: &Connection<G::Memory>) -> bool {
        let now_ms = self.clock.now_ms();
        let is_moving =
            self.scheduler.with_first(|first| now_ms < first.queued_ms + self.options.queue_ms / BURST_PART);
        now_ms < connection.deadline_ms && is_moving == Some(true)
    }

    /// Whether a request has waited for its follower for as long as it may, and the queue may have room for it.
    pub(crate) fn has_overdue_hand_off(&self, lead: &mut Lead) -> bool {
        let tick = self.clock.tick();
        let reactor = self.reactor(lead);
        let first = reactor.for_followers.front();
        first.is_some_and(|(came, _)| came + SPREAD_TICKS <= tick) && reactor.held_back != Some(tick)
    }

    /// Requests that have waited too long for a thread are answered by the engine; those of clients that have gone meanwhile
    /// are dropped, so that they take nobody's place.
    fn look_after_queue(&self, lead: &mut Lead, now_ms: u64) {
        let reactor = self.reactor(lead);
        if !self.scheduler.has_waiting() || now_ms < reactor.queue_look_ms {
            return;
        }
        reactor.queue_look_ms = now_ms + QUEUE_LOOK_MS;
        let is_overdue = |connection: &Connection<_>| connection.deadline_ms <= now_ms;
        for connection in self.scheduler.take_out(|connection| is_overdue(connection) || self.has_left(connection)) {
            if !is_overdue(&connection) {
                self.abandon(connection);
                continue;
            }
            self.counters.queue_timed_out();
            self.refuse_resting(lead, connection, Refusal::QUEUE_TIMEOUT);
        }
    }

    /// A new leader sends the answers that wait while the deposed leader's call goes on.
    pub(crate) fn send_waiting_answers(&self, lead: &mut Lead) {
        if let Some((descriptor, generation)) = self.reactor(lead).answers_waiting.take() {
            self.flush_for_owner(lead, descriptor, generation);
        }
    }

    /// Sends output of a connection that another thread owns.
    fn flush_for_owner(&self, lead: &mut Lead, descriptor: u32, generation: u32) {
        let Some(slot) = self.slots.get(descriptor) else { return };
        let mut waiting = slot.lock_output();
        let Some(output) = waiting.as_mut() else { return };
        // SAFETY: output is taken out of the slot, under this lock, before the descriptor is closed (`Slot::free`); it is
        // still there, so the descriptor is open and this connection's until the lock is released.
        let stream = unsafe { BorrowedFd::borrow_raw(descriptor as i32) };
        // A file here is most likely one that this call's own output went to a moment ago: it is in the page cache.
        match output.flush(stream, true) {
            Flushed::All => {
                *waiting = None;
                slot.set_has_output(false);
            }
            // The owner sees a broken connection at its own next send, and sends the rest of a file when it comes back.
            Flushed::Blocked | Flushed::Gone => {}
            // The socket takes more, so that no event will come: again after the others.
            Flushed::Share => {
                let again = Ready::Event { descriptor, generation, is_hangup: false };
                self.reactor(lead).next_turn.push(again);
            }
        }
    }

    fn accept(&self, lead: &mut Lead, index: usize, most: usize) {
        let mut has_made_room = false;
        for _ in 0..most {
            if self.is_full() {
                if !self.listeners[index].has_waiting() {
                    return;
                }
                if !self.make_room(lead) {
                    return self.pause_accepting(lead, index, "the limit of connections is reached");
                }
            }
            match self.listeners[index].accept() {
                Accepted::Connection(stream, peer) => {
                    let mut connection = Box::new(Connection::new(stream, index as u16, peer));
                    let descriptor = connection.descriptor();
                    // A descriptor above the table cannot be served: closing it at once is all that is left.
                    let Some(slot) = self.slots.get_or_make(descriptor) else { continue };
                    connection.generation = slot.open(lead);
                    connection.deadline_ms = self.clock.now_ms() + self.options.first_byte_ms;
                    has_made_room = false;
                    self.counters.accepted();
                    self.reactor(lead).accept_pause_ms = ACCEPT_PAUSE_MS;
                    self.counters.open.fetch_add(1, Relaxed);
                    self.reactor(lead).batch.push_back(Ready::Fresh(connection));
                }
                Accepted::None => return,
                Accepted::Again => {}
                Accepted::Broken(error) => {
                    // Whoever shares the socket has shut it down; watching it on would be told so without end.
                    let _ = epoll::delete(&self.poll, &self.listeners[index]);
                    return self.log(Level::Error, format!("a listener is of no use any more: {error}"));
                }
                // Said without a look at the queue, which may be empty.
                Accepted::Exhausted(_) if !self.listeners[index].has_waiting() => return,
                // Our own limit: what we close is what the next one gets. Once, or the limit is not what it looks like.
                Accepted::Exhausted(Errno::MFILE) if !has_made_room && self.make_room(lead) => has_made_room = true,
                Accepted::Exhausted(error) => return self.pause_accepting(lead, index, &error.to_string()),
            }
        }
    }

    fn pause_accepting(&self, lead: &mut Lead, index: usize, why: &str) {
        if !matches!(self.reactor(lead).accepting, Accepting::On) {
            return;
        }
        self.unlisten();
        let reactor = self.reactor(lead);
        reactor.accepting = Accepting::PausedUntil(self.clock.now_ms() + reactor.accept_pause_ms);
        reactor.accept_pause_ms = (reactor.accept_pause_ms * 2).min(ACCEPT_PAUSE_MOST_MS);
        self.counters.accept_paused();
        let listener = &self.listeners[index];
        let text = format!("accepting pauses: {why}; clients wait in the backlog; listener {listener}");
        self.tell(Level::Warning, "accept-pause", &text);
    }

    pub(crate) fn look_after_listeners(&self, lead: &mut Lead) {
        let now_ms = self.clock.now_ms();
        let accepting = self.reactor(lead).accepting;
        let is_due = match accepting {
            Accepting::On => self.is_draining(),
            Accepting::Off => !self.is_draining(),
            Accepting::PausedUntil(until_ms) => until_ms <= now_ms || self.is_draining(),
        };
        if !is_due {
            return;
        }
        if self.is_draining() {
            // What waits in the backlog was promised a connection: it is answered before the doors close.
            (0..self.listeners.len()).for_each(|index| self.accept(lead, index, usize::MAX));
            self.unlisten();
            // Closed, not only unwatched: a new client must be refused, not left in a backlog that nobody empties.
            self.listeners.iter().for_each(|listener| sys::let_go(listener.as_fd().as_raw_fd(), &self.null));
            self.reactor(lead).accepting = Accepting::Off;
            return;
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            let added = epoll::add(&self.poll, listener, Token::Listener(index as u32).data(), epoll::EventFlags::IN);
            if let Err(error) = added {
                self.log(Level::Error, format!("a listener cannot be polled: {error}"));
            }
        }
        self.reactor(lead).accepting = Accepting::On;
    }

    pub(crate) fn unlisten(&self) {
        for listener in &self.listeners {
            // Not being there is what is wanted.
            let _ = epoll::delete(&self.poll, listener);
        }
    }

    fn read_signals(&self) {
        let mut signals = [0u8; 64];
        while let Ok(count @ 1..) = rustix::io::read(&self.signal_reader, &mut signals) {
            for signal in &signals[..count] {
                match signal {
                    15 => self.drain(),
                    2 | 3 => self.stop(),
                    _ => {}
                }
            }
            self.post(Event::Signal);
        }
    }

    fn look_into_inbox(&self, lead: &mut Lead) {
        let Some(inbox) = self.take_inbox() else { return };
        let soon_ms = self.clock.now_ms();
        let reactor = self.reactor(lead);
        for descriptor in inbox.timers {
            // Only the connection knows its deadline, and it may be away: its slot is looked at now.
            reactor.watch_deadline(&self.slots, descriptor, soon_ms);
        }
        reactor.batch.extend(inbox.connections.into_iter().map(Ready::Resumed));
    }

    fn run_timers(&self, lead: &mut Lead, now_ms: u64) {
        while let Some((tick, descriptors)) = self.reactor(lead).wheel.take_due(now_ms) {
            for descriptor in descriptors {
                self.run_timer(lead, now_ms, tick, descriptor);
            }
        }
    }

    fn run_timer(&self, lead: &mut Lead, now_ms: u64, tick: u32, descriptor: u32) {
        let Some(slot) = self.slots.get(descriptor) else { return };
        if slot.timer.load(Relaxed) != tick {
            return;
        }
        slot.timer.store(0, Relaxed);
        let deadline_ms = match slot.take_idle(lead) {
            Some(mut connection) if connection.deadline_ms > now_ms => {
                self.shorten_wait(&mut connection, now_ms);
                let deadline_ms = connection.deadline_ms;
                self.reactor(lead).watch_deadline(&self.slots, descriptor, deadline_ms);
                // Nobody but the leader marks, and the leader is here: giving back cannot fail.
                let _ = slot.put(connection);
                return;
            }
            // What it was waited for has come, and only its turn has not.
            Some(connection) if connection.waits_for_bytes() && sys::has_unread(connection.as_fd()) => {
                return self.reactor(lead).batch.push_back(Ready::Resumed(connection));
            }
            Some(connection) => return self.time_out(lead, connection),
            // Away: look again in a second, when it may be back with an earlier deadline.
            None if slot.is_used() => now_ms + 1000,
            None => return,
        };
        self.reactor(lead).watch_deadline(&self.slots, descriptor, deadline_ms);
    }

    /// Frees the slot, then closes the socket.
    pub(crate) fn close(&self, connection: Box<Connection<G::Memory>>) {
        if let Some(slot) = self.slots.get(connection.descriptor()) {
            drop(slot.free());
        }
        if connection.after == After::Reset {
            // A cut body that would end with the connection must not look whole.
            let _ = rustix::net::sockopt::set_socket_linger(&connection.stream, Some(std::time::Duration::ZERO));
        }
        if self.has_forked.load(Relaxed) {
            // A child's copy of the descriptor would keep both the epoll entry and the client's view of the connection.
            let _ = epoll::delete(&self.poll, &connection.stream);
            sys::shut_down(&connection.stream);
        }
        drop(connection);
        let open_before = self.counters.open.fetch_sub(1, Relaxed);
        if open_before == 1 && self.is_draining() {
            self.wake_leader();
        }
    }
}

impl<M> Reactor<M> {
    fn timeout(
        &self,
        now_ms: u64,
        has_waiting: bool,
        drain_in_ms: Option<u64>,
        look_due_ms: Option<u64>,
    ) -> Option<Timespec> {
        if !self.next_turn.is_empty() || !self.for_followers.is_empty() {
            let is_held_back = self.next_turn.is_empty() && self.held_back.is_some();
            return Some(Timespec { tv_sec: 0, tv_nsec: if is_held_back { HELD_BACK_MS * 1_000_000 } else { 0 } });
        }
        let resume_ms = match self.accepting {
            Accepting::PausedUntil(until_ms) => Some(until_ms.saturating_sub(now_ms)),
            Accepting::On | Accepting::Off => None,
        };
        let due_ms = self.wheel.due_in_ms(now_ms);
        let queue_ms = has_waiting.then_some(QUEUE_LOOK_MS);
        let look_ms = look_due_ms.map(|due_ms| due_ms.saturating_sub(now_ms));
        let ms = [resume_ms, due_ms, queue_ms, look_ms, drain_in_ms].into_iter().flatten().min()?;
        Some(Timespec { tv_sec: (ms / 1000) as i64, tv_nsec: (ms % 1000 * 1_000_000) as _ })
    }
}
