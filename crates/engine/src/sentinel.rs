//! The sentinel: a thread that ticks while there is work, deposes a leader whose call outlives a tick, and misses one.

use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::handover::{Drowse, Leadership};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

/// Ticks without work before the sentinel sleeps: going idle and busy again within this costs no wake-up.
const IDLE_TICKS: u32 = 100;
/// Ticks until a thread that could not be started is asked for again.
const START_TICKS: u32 = 100;

/// State shared between the sentinel's thread and the leader.
#[derive(Debug)]
pub struct Sentinel {
    tick: Duration,
    thread: OnceLock<Thread>,
    is_started: AtomicBool,
    drowse: Drowse,
}

impl Sentinel {
    /// A sentinel that has no thread yet.
    pub fn new(tick: Duration) -> Self {
        Self { tick, thread: OnceLock::new(), is_started: AtomicBool::new(false), drowse: Drowse::default() }
    }

    /// The leader has events: the sentinel stays awake, or wakes.
    pub fn work(&self) {
        if self.drowse.work() {
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
        let spawned =
            std::thread::Builder::new().name("dragoman-sentinel".into()).stack_size(128 * 1024).spawn(move || {
                // Known before it can sleep: whoever wakes it knows it then.
                let _ = watched.sentinel.thread.set(std::thread::current());
                watched.sentinel.watch(&watched);
            });
        if let Err(error) = spawned {
            engine.log(
                crate::mailbox::Level::Error,
                format!("the sentinel thread could not be started ({error}): a slow call will block the others"),
            );
        }
    }

    fn watch<G: Gateway>(&self, engine: &Engine<G>) {
        let mut before = 0;
        let (mut idle_ticks, mut failed_ticks) = (0, 0);
        while !engine.is_stopping() {
            std::thread::sleep(self.tick);
            engine.clock.advance();
            let now = engine.leadership.observe();
            if Leadership::is_busy(now) && now == before && engine.scheduler.depose(|| engine.leadership.depose(now)) {
                engine.counters.deposed();
            }
            before = now;
            let has_failed = engine.scheduler.has_failed_start();
            failed_ticks = if has_failed { failed_ticks + 1 } else { 0 };
            if failed_ticks == START_TICKS {
                failed_ticks = 0;
                engine.scheduler.start_leader();
            }
            let is_working = self.drowse.had_work() || Leadership::is_busy(now) || has_failed;
            idle_ticks = if is_working { 0 } else { idle_ticks + 1 };
            if idle_ticks >= IDLE_TICKS {
                self.drowse.sleep(std::thread::park);
                idle_ticks = 0;
            }
        }
    }
}
