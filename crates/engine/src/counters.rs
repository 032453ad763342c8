//! What happened since start, counted; read by statistics, the drain's account and tests.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident => $bump:ident),* $(,)?) => {
        /// Counters of one engine.
        #[derive(Debug, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: AtomicU64,)*
            /// Connections that are open.
            pub open: AtomicUsize,
        }

        impl Counters {
            $($(#[$doc])* pub fn $bump(&self) { self.$name.fetch_add(1, Relaxed); })*

            /// All counters by name.
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![
                    $((stringify!($name), self.$name.load(Relaxed)),)*
                    ("open", self.open.load(Relaxed) as u64),
                ]
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
    /// Connections ended by a timeout.
    timeouts => timed_out,
    /// Requests answered 503 because the queue was full.
    overloads => overloaded,
    /// Accepting paused for want of descriptors or memory.
    accept_pauses => accept_paused,
}
