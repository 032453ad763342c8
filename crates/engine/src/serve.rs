//! The life of a serving thread: it waits for an assignment, leads or follows, and waits again.

use crate::clock::DateText;
use crate::connection::{After, Connection, Phase};
use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::handover::Lead;
use crate::heap;
use crate::in_flight::InFlight;
use crate::memo::Memo;
use crate::options::READ_BYTES;
use crate::outgoing::Outgoing;
use crate::output::Flushed;
use crate::scheduler::{Assignment, Job, Parking};
use crate::sentinel::Sentinel;
use crate::sys;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The engine's own state cannot be trusted after a panic in it, and its leadership would be lost with the thread: the
/// process ends, loudly, and a supervisor replaces it. (A panic in the gateway does not come here.)
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("dragoman: the engine panicked (see above); the process cannot go on and aborts");
            std::process::abort();
        }
    }
}

/// What one serving thread owns.
pub(crate) struct ServingThread<G: Gateway> {
    pub gateway: G::Thread,
    /// It holds a permit: every call does.
    pub has_permit: bool,
    /// It holds the gateway's lock.
    pub has_lock: bool,
    /// The tick at which it took the lock.
    pub lock_tick: u64,
    /// The tick at which it last told the sentinel of a call.
    pub work_tick: u64,
    /// Where bytes are read to; nothing is kept in it between two connections.
    pub scratch: Vec<u8>,
    pub outgoing: Outgoing,
    pub memo: Memo,
    pub date: DateText,
    pub in_flight: Arc<InFlight>,
    parking: Parking<G::Memory>,
}

impl<G: Gateway> ServingThread<G> {
    fn new(engine: &Engine<G>) -> Self {
        let in_flight = Arc::new(InFlight::default());
        engine.register_in_flight(&in_flight);
        Self {
            gateway: engine.gateway.enter(),
            has_permit: false,
            has_lock: false,
            lock_tick: 0,
            work_tick: u64::MAX,
            scratch: vec![0; READ_BYTES],
            outgoing: Outgoing::default(),
            memo: Memo::default(),
            date: DateText::default(),
            in_flight,
            parking: Parking::default(),
        }
    }

    /// Takes the gateway's lock, or gives others their turn when it was held for a tick.
    pub fn take_lock(&mut self, engine: &Engine<G>) {
        let tick = engine.clock.tick();
        if self.has_lock {
            if self.lock_tick == tick {
                return;
            }
            engine.gateway.suspend(&mut self.gateway);
        }
        engine.scheduler.lock_wait_begins();
        self.take_counted_lock(engine);
    }

    /// The same for a thread that is counted as waiting already.
    fn take_counted_lock(&mut self, engine: &Engine<G>) {
        let tick = engine.clock.tick();
        engine.gateway.resume(&mut self.gateway);
        engine.scheduler.lock_wait_ends();
        self.has_lock = true;
        self.lock_tick = engine.clock.tick();
        if self.lock_tick != tick {
            // The wait may have been long, and nobody else need have looked at the clock meanwhile.
            engine.clock.refresh();
        }
    }

    /// Whether it may begin a call now: takes a permit where it has none.
    pub fn may_begin(&mut self, engine: &Engine<G>) -> bool {
        if !engine.scheduler.has_room_at_lock() {
            return false;
        }
        self.has_permit = self.has_permit || engine.scheduler.try_take_permit();
        self.has_permit
    }

    /// Gives the lock back before anything that takes long.
    pub fn give_lock(&mut self, engine: &Engine<G>) {
        if std::mem::take(&mut self.has_lock) {
            engine.gateway.suspend(&mut self.gateway);
        }
    }

    /// Gives lock and permit back before anything that waits.
    pub fn give_way(&mut self, engine: &Engine<G>) {
        self.give_lock(engine);
        if std::mem::take(&mut self.has_permit) {
            engine.scheduler.give_permit();
        }
    }
}

impl<G: Gateway> Engine<G> {
    /// The rush is over when the first of its threads retires; the others follow it closely.
    fn give_memory_back(&self) {
        let now_ms = self.clock.now_ms();
        let last_ms = self.gave_back_ms.load(Relaxed);
        let is_due = now_ms >= last_ms + self.options.retire_ms && !self.is_stopping();
        if is_due && self.gave_back_ms.compare_exchange(last_ms, now_ms, Relaxed, Relaxed).is_ok() {
            heap::give_back();
        }
    }

    /// Main thread: gives the memory back that is free, once what the gateway has released is freed.
    pub fn tidy(&self) {
        heap::give_back();
    }

    /// Body of one serving thread: returns when the thread is not needed any more or the engine has stopped.
    pub fn serve(self: &Arc<Self>) {
        Sentinel::start(self);
        let _guard = AbortOnPanic;
        self.scheduler.thread_enters();
        let mut thread = ServingThread::new(self);
        loop {
            match self.scheduler.next(&thread.parking) {
                Assignment::Retire => {
                    self.give_memory_back();
                    break;
                }
                Assignment::Lead(lead) => self.lead(lead, &mut thread),
                Assignment::Job(Job::Flush(connection)) => self.flush_file(connection),
                Assignment::Job(Job::Call(connection)) => {
                    thread.has_permit = true;
                    if self.has_left(&connection) {
                        self.scheduler.lock_wait_ends();
                        self.abandon(connection);
                    } else {
                        thread.take_counted_lock(self);
                        self.clock.refresh();
                        self.attend_rest(&mut thread, connection);
                    }
                    self.run_more(&mut thread);
                }
            }
        }
        let ServingThread { gateway, .. } = thread;
        self.gateway.leave(gateway);
        // The last one out: whoever joins the serving threads finds every line written.
        if self.is_stopped() {
            self.close_access_log();
        }
    }

    /// Leads until deposed or until the engine stops.
    fn lead(&self, mut lead: Lead, thread: &mut ServingThread<G>) {
        // The batch may hold requests from before: it is watched from its first one on.
        self.sentinel.work();
        self.send_waiting_answers(&mut lead);
        self.hand_off(&mut lead);
        while !self.is_stopping() {
            if self.has_overdue_hand_off(&mut lead) {
                thread.give_lock(self);
                self.hand_off(&mut lead);
            }
            let Some(ready) = self.reactor(&mut lead).batch.pop_front() else {
                thread.give_way(self);
                self.hand_off(&mut lead);
                self.turn(&mut lead);
                continue;
            };
            let Some((connection, is_hangup)) = self.take_ready(&mut lead, ready) else { continue };
            match self.attend(thread, Some(lead), connection, is_hangup) {
                Some(kept) => lead = kept,
                None => return self.run_more(thread),
            }
        }
        thread.give_way(self);
        self.close_all(&mut lead);
        self.scheduler.stop();
        self.sentinel.wake();
    }

    /// A thread with a permit goes on with what waits; then it has neither that nor the lock.
    fn run_more(&self, thread: &mut ServingThread<G>) {
        while let Some(connection) = self.scheduler.more() {
            if self.has_left(&connection) {
                self.abandon(connection);
            } else {
                self.attend_rest(thread, connection);
            }
        }
        thread.give_way(self);
    }

    /// Whether the client of a request that has waited is gone: nobody would get the answer. One that has closed its side
    /// (FIN) may still read.
    pub(crate) fn has_left(&self, connection: &Connection<G::Memory>) -> bool {
        sys::is_broken(connection.as_fd())
    }

    /// A follower sends a share of a file.
    fn flush_file(&self, mut connection: Box<Connection<G::Memory>>) {
        let Some(slot) = self.slots.get(connection.descriptor()) else { return };
        let (flushed, moved) = slot.flush(connection.as_fd(), true);
        connection.has_sent(moved);
        if flushed != Flushed::All {
            connection.widen(&self.wide_queues);
        }
        self.clock.refresh();
        self.wait_for_reader(&mut connection, moved);
        match flushed {
            Flushed::Gone => self.abandon(connection),
            Flushed::Share => drop(self.scheduler.submit(Job::Flush(connection))),
            Flushed::Blocked => self.rest(None, connection),
            // What comes after its output is the reactor's to decide.
            Flushed::All => {
                connection.phase = Phase::Flush;
                self.put_down(|inbox| inbox.connections.push(connection));
            }
        }
    }

    /// Ends a connection that broke or stalled: by a reset, so that the kernel keeps nothing for it.
    pub(crate) fn abandon(&self, mut connection: Box<Connection<G::Memory>>) {
        connection.after = After::Reset;
        self.counters.aborted();
        self.close(connection);
    }
}
