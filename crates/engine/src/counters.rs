//! What happened since start, counted; read by statistics, the drain's account and tests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident => $bump:ident),* $(,)?) => {
        /// Counters of one engine.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
            /// Connections that are open.
            pub open: AtomicUsize,
            /// Refused messages by the code of their refusal.
            by_code: Mutex<BTreeMap<&'static str, u64>>,
        }

        impl Counters {
            // One more; how many there are now.
            $($(#[$doc])* pub fn $bump(&self) -> u64 { self.$name.fetch_add(1, Relaxed) + 1 })*

            /// All counters by name; behind them the codes of the refusals that there were.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                let mut all = vec![
                    $((stringify!($name), self.$name.load(Relaxed)),)*
                    ("open", self.open.load(Relaxed) as u64),
                ];
                let by_code = self.by_code.lock().unwrap_or_else(PoisonError::into_inner);
                all.extend(by_code.iter().map(|(code, count)| (*code, *count)));
                all
            }
        }
    };
}

counters! {
    /// Connections accepted.
    accepted => accepted,
    /// Requests that the gateway has answered.
    requests => answered,
    /// Leaders deposed in the middle of a call.
    depositions => deposed,
    /// Requests handed to a follower before the call.
    handoffs => handed_off,
    /// Messages refused by the engine itself.
    refused => refused,
    /// Responses cut because the application failed or the client went away.
    aborted => aborted,
    /// Connections closed because no byte came after they were accepted.
    first_byte_timeouts => first_byte_timed_out,
    /// Connections closed because their head was not whole in time.
    head_timeouts => head_timed_out,
    /// Kept connections closed because no further request came.
    idle_timeouts => idle_timed_out,
    /// Requests whose body brought no byte in time.
    body_timeouts => body_timed_out,
    /// Requests whose body came below the least rate.
    slow_bodies => body_too_slow,
    /// Connections cut because no output was taken in time.
    write_timeouts => write_timed_out,
    /// Connections cut because output was taken below the least rate.
    slow_readers => write_too_slow,
    /// Connections ended because the rest of an unread body did not come in time.
    discard_timeouts => discard_timed_out,
    /// Waiting connections closed to make room for new ones.
    evictions => evicted,
    /// Bodies refused because the disk, or the quota, had no room for them.
    spool_refusals => spool_refused,
    /// Requests answered 503 because the queue was full.
    overloads => overloaded,
    /// Requests answered 503 because they had waited too long for a thread.
    queue_timeouts => queue_timed_out,
    /// Accepting paused for want of descriptors or memory.
    accept_pauses => accept_paused,
    /// Connections cut in the middle of a call because too many calls waited for slow peers, and theirs was the slowest.
    peer_waits_cut => peer_wait_cut,
    /// Connections cut because memory for peers was short, and they were the slowest that held it.
    memory_cuts => cut_for_memory,
    /// The same for the disk: bodies refused, answers cut.
    spool_cuts => cut_for_disk,
    /// Connections closed because the client did not end its side in time after its last answer.
    linger_timeouts => linger_timed_out,
    /// Connections ended because the application left more of a body unread than is thrown away.
    unread_bodies => body_left_unread,
    /// Bodies that went to a file on their way in.
    spooled_bodies => body_spooled,
    /// Answers of which a part went to a file, so that a slow reader did not hold the only call.
    spilled_answers => answer_spilled,
    /// Times that a call had to wait because its client took the answer more slowly than it was made.
    producer_waits => producer_waited,
}

impl Counters {
    /// One more message refused with this code. Refusals are rare enough for a lock.
    pub fn refused_with(&self, code: &'static str) {
        self.refused();
        *self.by_code.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }
}
