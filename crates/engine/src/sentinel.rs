//! The sentinel: a thread that ticks while there is work and deposes a leader whose call outlives a tick.

use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::leadership::Leadership;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

/// Ticks without work before the sentinel sleeps: going idle and busy again within this costs no wake-up.
const IDLE_TICKS: u32 = 100;

/// State shared between the sentinel's thread and the leader.
#[derive(Debug)]
pub struct Sentinel {
    tick: Duration,
    thread: OnceLock<Thread>,
    is_started: AtomicBool,
    has_work: AtomicBool,
    is_asleep: AtomicBool,
}

impl Sentinel {
    /// A sentinel that has no thread yet.
    pub fn new(tick: Duration) -> Self {
        Self {
            tick,
            thread: OnceLock::new(),
            is_started: AtomicBool::new(false),
            has_work: AtomicBool::new(false),
            is_asleep: AtomicBool::new(false),
        }
    }

    /// The leader has events: the sentinel stays awake, or wakes.
    pub fn work(&self) {
        // The store must be seen by a sentinel that decides to sleep, or its decision by the load below: hence SeqCst.
        self.has_work.store(true, SeqCst);
        if self.is_asleep.load(SeqCst) {
            self.wake();
        }
    }

    /// Wakes it for good reasons of another kind, such as the end.
    pub fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Starts the thread, once. It ends with the engine.
    pub fn start<G: Gateway>(engine: &Arc<Engine<G>>) {
        if engine.sentinel.is_started.swap(true, SeqCst) {
            return;
        }
        let watched = Arc::clone(engine);
        let spawned = std::thread::Builder::new()
            .name("dragoman-sentinel".into())
            .stack_size(128 * 1024)
            .spawn(move || watched.sentinel.watch(&watched));
        match spawned {
            Ok(handle) => drop(engine.sentinel.thread.set(handle.thread().clone())),
            Err(error) => engine.log(
                crate::mailbox::Level::Error,
                format!("the sentinel thread could not be started ({error}): a slow call will block the others"),
            ),
        }
    }

    fn watch<G: Gateway>(&self, engine: &Engine<G>) {
        let mut before = 0;
        let mut idle_ticks = 0;
        while !engine.is_stopping() {
            std::thread::sleep(self.tick);
            engine.clock.advance();
            let now = engine.leadership.observe();
            if Leadership::is_busy(now) && now == before && engine.scheduler.depose(|| engine.leadership.depose(now)) {
                engine.counters.deposed();
            }
            before = now;
            let is_working = self.has_work.swap(false, Relaxed) || Leadership::is_busy(now);
            idle_ticks = if is_working { 0 } else { idle_ticks + 1 };
            if idle_ticks >= IDLE_TICKS {
                self.sleep();
                idle_ticks = 0;
            }
        }
    }

    fn sleep(&self) {
        self.is_asleep.store(true, SeqCst);
        if !self.has_work.load(SeqCst) {
            std::thread::park();
        }
        self.is_asleep.store(false, SeqCst);
    }
}
