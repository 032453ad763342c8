//! The engine of one process: everything that its threads share, and what the outside may ask of it.

use crate::access_log::AccessLog;
use crate::clock::Clock;
use crate::connection::Connection;
use crate::counters::Counters;
use crate::drain::WayOut;
use crate::gateway::{Gateway, Peer};
use crate::handover::{Bounds, Inbox, Lead, Leadership};
use crate::in_flight::InFlight;
use crate::listener::Listener;
use crate::mailbox::{Event, Level, Mailbox};
use crate::notices::Notices;
use crate::options::Options;
use crate::peer_waits::PeerWaits;
use crate::predictor::Predictor;
use crate::quota::Quota;
use crate::reactor::{Reactor, Token};
use crate::scheduler::Scheduler;
use crate::sentinel::Sentinel;
use crate::slot::Slots;
use crate::sys;
use crate::unsent::WideQueues;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::cell::UnsafeCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// One in so many descriptors may be a file with bodies, and as many files with answers.
const FILES_SHARE: usize = 10;

/// What threads that are not the leader put down for it.
#[derive(Debug)]
pub(crate) struct PutDown<M> {
    /// Slots whose deadline is before their entry in the timer wheel.
    pub timers: Vec<u32>,
    /// Connections that want to be looked at.
    pub connections: Vec<Box<Connection<M>>>,
}

impl<M> Default for PutDown<M> {
    fn default() -> Self {
        Self { timers: Vec::new(), connections: Vec::new() }
    }
}

/// One process's engine around one gateway.
pub struct Engine<G: Gateway> {
    pub(crate) gateway: G,
    pub(crate) options: Options,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) slots: Slots<G::Memory>,
    pub(crate) clock: Clock,
    pub(crate) leadership: Leadership,
    pub(crate) scheduler: Scheduler<G::Memory>,
    pub(crate) peer_waits: PeerWaits,
    pub(crate) predictor: Predictor,
    pub(crate) sentinel: Sentinel,
    pub(crate) counters: Counters,
    pub(crate) notices: Notices,
    pub(crate) quota: Arc<Quota>,
    /// Of answers that wait in files: slow readers must not take the room of uploads.
    pub(crate) answer_quota: Arc<Quota>,
    /// Memory that is held for peers: what has come of their messages, and what they have not taken yet.
    pub(crate) memory: Arc<Quota>,
    pub(crate) wide_queues: WideQueues,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) way_out: WayOut,
    pub(crate) poll: OwnedFd,
    pub(crate) connections: usize,
    /// Descriptors that clients may use up: the others are the application's.
    share: usize,
    pub(crate) signal_reader: OwnedFd,
    /// The process has a forked child that may hold copies of our descriptors.
    pub(crate) has_forked: AtomicBool,
    is_child: AtomicBool,
    /// When the heaps last gave back what they held free.
    pub(crate) gave_back_ms: AtomicU64,
    /// /dev/null, to stand in the place of what is let go; opened while descriptors are to be had.
    pub(crate) null: OwnedFd,
    mailbox: Arc<Mailbox>,
    reactor: UnsafeCell<Reactor<G::Memory>>,
    inbox: Inbox<PutDown<G::Memory>>,
    wake: OwnedFd,
    signal_writer: OwnedFd,
    in_flight: Mutex<Vec<Weak<InFlight>>>,
}

// SAFETY: everything but `reactor` is Sync by itself; `reactor` is reached only through a `&mut Lead`, of which there is
// one at a time, and which moves between threads by an acquire and release of the leadership word or of a lock.
unsafe impl<G: Gateway> Sync for Engine<G> {}

impl<G: Gateway> Engine<G> {
    /// An engine that listens once threads serve. No thread exists yet.
    pub fn new(
        gateway: G,
        listeners: Vec<Listener>,
        options: Options,
        access_log: Option<AccessLog>,
    ) -> io::Result<Arc<Self>> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(1 << 20);
        let descriptors = limit.clamp(64, 1 << 20) as usize;
        let share = descriptors / 5 * 4;
        let connections = if options.connections > 0 { options.connections } else { share };
        let files = (descriptors / FILES_SHARE) as u64;
        let clock = Clock::new();
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let (signal_reader, signal_writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        epoll::add(&poll, &wake, Token::Wake.data(), epoll::EventFlags::IN)?;
        epoll::add(&poll, &signal_reader, Token::Signal.data(), epoll::EventFlags::IN)?;
        for listener in &listeners {
            listener.give_up_after(Duration::from_millis(options.vanished_ms))?;
        }
        let mailbox = Arc::new(Mailbox::new()?);
        let (leadership, lead) = Leadership::new();
        let bounds = Bounds {
            permits: options.threads.max(1),
            queue: options.queue,
            peer_waits: options.waiting_threads,
            retire: Duration::from_millis(options.retire_ms),
        };
        let scheduler = Scheduler::new(lead, bounds, Arc::clone(&mailbox));
        let reactor = UnsafeCell::new(Reactor::new(clock.now_ms()));
        Ok(Arc::new(Self {
            gateway,
            slots: Slots::new(descriptors),
            leadership,
            scheduler,
            peer_waits: PeerWaits::new(options.waiting_threads),
            predictor: Predictor::default(),
            sentinel: Sentinel::new(Duration::from_micros(options.tick_us.max(100))),
            counters: Counters::default(),
            notices: Notices::default(),
            quota: Quota::of_files(options.spool_quota, files),
            answer_quota: Quota::of_files(options.spool_quota, files),
            memory: Quota::new(options.held_memory),
            wide_queues: WideQueues::default(),
            access_log,
            way_out: WayOut::default(),
            poll,
            connections,
            share,
            signal_reader,
            has_forked: AtomicBool::new(false),
            is_child: AtomicBool::new(false),
            gave_back_ms: AtomicU64::new(0),
            null: rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?,
            signal_writer,
            mailbox,
            reactor,
            inbox: Inbox::default(),
            wake,
            in_flight: Mutex::new(Vec::new()),
            clock,
            options,
            listeners,
        }))
    }

    /// The gateway.
    pub fn gateway(&self) -> &G {
        &self.gateway
    }

    /// Main thread: waits for something to do; empty at the timeout.
    pub fn wait(&self, timeout: Option<Duration>) -> Vec<Event> {
        self.mailbox.wait(timeout)
    }

    /// Where signal numbers are written, one byte each: 15 drains, 2 and 3 stop. Non-blocking.
    pub fn signal_writer(&self) -> BorrowedFd<'_> {
        self.signal_writer.as_fd()
    }

    /// The process has forked: from now on connections are shut down before they are closed.
    pub fn note_fork(&self) {
        self.has_forked.store(true, Release);
    }

    /// In a forked child: lets go of every descriptor that belongs to the parent's serving. Nothing may be served here: a
    /// call that returns into the engine ends the process.
    pub fn forget_in_child(&self) {
        self.is_child.store(true, Release);
        self.way_out.forbid();
        let descriptors = self.slots.iter().filter(|(_, slot)| slot.is_used()).map(|(descriptor, _)| descriptor as i32);
        let own = [&self.poll, &self.wake, &self.signal_reader, &self.signal_writer];
        let own = own.into_iter().map(AsRawFd::as_raw_fd);
        let listeners = self.listeners.iter().map(|listener| listener.as_fd().as_raw_fd());
        own.chain(listeners).chain(descriptors).for_each(|descriptor| sys::let_go(descriptor, &self.null));
    }

    /// Whether this is a forked child of the process that serves.
    pub(crate) fn is_child(&self) -> bool {
        self.is_child.load(Acquire)
    }

    /// Whether clients have so many connections, or descriptors with them, that a new one has to find room.
    pub(crate) fn is_full(&self) -> bool {
        let open = self.counters.open.load(Relaxed);
        let files = self.quota.open_files() + self.answer_quota.open_files();
        open >= self.connections || open + files as usize + self.scheduler.peer_waits() as usize >= self.share
    }

    /// Serving threads that have entered and not left.
    pub fn threads(&self) -> u32 {
        self.scheduler.threads()
    }

    /// Whether the engine has stopped and its last serving thread has left.
    pub fn is_stopped(&self) -> bool {
        self.is_stopping() && self.threads() == 0
    }

    /// "METHOD target" of each request that is inside the gateway.
    pub fn stuck(&self) -> Vec<String> {
        let in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        in_flight.iter().filter_map(Weak::upgrade).filter_map(|thread| thread.text()).collect()
    }

    /// Counters by name.
    pub fn stats(&self) -> Vec<(&'static str, u64)> {
        self.counters.all()
    }

    /// The access log, to reopen or close it.
    pub fn access_log(&self) -> Option<&AccessLog> {
        self.access_log.as_ref()
    }

    /// Writes out what the access log still holds, within a second. Idempotent.
    pub fn close_access_log(&self) {
        if let Some(log) = &self.access_log {
            log.close();
        }
    }

    /// The main thread could not start a thread that it was asked for.
    pub fn thread_failed(&self) {
        self.scheduler.thread_failed();
        self.sentinel.work();
    }

    /// A line for the error log.
    pub fn log(&self, level: Level, text: String) {
        self.mailbox.post(Event::Log(level, text));
    }

    /// A line about a peer: one per reason and minute.
    pub(crate) fn notice(&self, reason: &'static str, peer: &Peer, text: &str) {
        self.say(Level::Info, reason, peer, text);
    }

    /// The same about what is no fault of anybody's.
    pub(crate) fn remark(&self, reason: &'static str, peer: &Peer, text: &str) {
        self.say(Level::Debug, reason, peer, text);
    }

    fn say(&self, level: Level, reason: &'static str, peer: &Peer, text: &str) {
        let Some(silent) = self.notices.count(reason, self.clock.now_ms()) else { return };
        self.log(level, format!("{reason}: {text}; peer {peer}{}", more(silent)));
    }

    /// A line about the state of the process: one per reason and minute.
    pub(crate) fn tell(&self, level: Level, reason: &'static str, text: &str) {
        let Some(silent) = self.notices.count(reason, self.clock.now_ms()) else { return };
        self.log(level, format!("{text}{}", more(silent)));
    }

    pub(crate) fn post(&self, event: Event) {
        self.mailbox.post(event);
    }

    pub(crate) fn register_in_flight(&self, in_flight: &Arc<InFlight>) {
        let mut all = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|thread| thread.strong_count() > 0);
        all.push(Arc::downgrade(in_flight));
    }

    /// The reactor, for the one who leads.
    pub(crate) fn reactor<'a>(&'a self, _lead: &'a mut Lead) -> &'a mut Reactor<G::Memory> {
        // SAFETY: the borrow of the only `Lead` makes this the only reference for its life.
        unsafe { &mut *self.reactor.get() }
    }

    /// Puts something down for the leader and wakes it.
    pub(crate) fn put_down(&self, fill: impl FnOnce(&mut PutDown<G::Memory>)) {
        self.inbox.put_down(fill);
        self.wake_leader();
    }

    /// What was put down since the last time.
    pub(crate) fn take_inbox(&self) -> Option<PutDown<G::Memory>> {
        self.inbox.take()
    }

    /// Ends the leader's wait for events.
    pub(crate) fn wake_leader(&self) {
        // Full means that a wake-up is pending already.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    pub(crate) fn clear_wake(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
    }
}

/// How many events were not told of, if any.
fn more(silent: u64) -> String {
    if silent > 0 { format!(" ({silent} more since the last such line)") } else { String::new() }
}
