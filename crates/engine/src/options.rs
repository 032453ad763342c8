//! What the engine is told at start: limits, times, sizes.

use crate::forwarded::Trusted;
use crate::pace::PaceRule;
use dragoman_http1::Limits;
use std::path::PathBuf;

/// Settings of one engine. Times in milliseconds, sizes in bytes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Application calls at once, >= 1.
    pub threads: u32,
    /// Bounds on messages.
    pub limits: Limits,
    /// Value of the Server field; empty for none.
    pub server: String,
    /// First byte after accept.
    pub first_byte_ms: u64,
    /// Whole head after its first byte.
    pub head_ms: u64,
    /// Between requests of a kept connection.
    pub keep_alive_ms: u64,
    /// What a peer owes that sends a body.
    pub body_pace: PaceRule,
    /// What a peer owes that takes output.
    pub write_pace: PaceRule,
    /// How long the peer's end, or the rest of an unread body, is waited for after the last answer.
    pub linger_ms: u64,
    /// Bytes of an unread body that are read and thrown away to keep the connection.
    pub discard_bytes: u64,
    /// Whose X-Forwarded fields count.
    pub trusted: Trusted,
    /// Path of the readiness probe; empty for none.
    pub ready_path: String,
    /// Answered requests after which the main thread is told, once; 0 for never.
    pub max_requests: u64,
    /// How long everything is still served after TERM, before the drain begins.
    pub drain_delay_ms: u64,
    /// How long idle connections are kept for their next request during a drain.
    pub drain_linger_ms: u64,
    /// Bodies with a length up to this are complete before the call.
    pub body_buffer: usize,
    /// Collected bodies up to this stay in memory.
    pub chunked_memory: usize,
    /// Where larger ones go.
    pub spool_directory: PathBuf,
    /// Bytes that all bodies together may take there.
    pub spool_quota: u64,
    /// Memory that may be held for all peers together.
    pub held_memory: u64,
    /// Output held for one connection before its producer waits.
    pub output_buffer: usize,
    /// Requests waiting for a thread before 503.
    pub queue: usize,
    /// How long one waits there before 503.
    pub queue_ms: u64,
    /// Open connections; 0: 80 % of the descriptor limit.
    pub connections: usize,
    /// Length of a scheduler tick in microseconds.
    pub tick_us: u64,
    /// How long a follower stays without work.
    pub retire_ms: u64,
    /// Threads that may wait for a client in the middle of a call, beside `threads`.
    pub waiting_threads: u32,
    /// After how long the kernel gives up a client that acknowledges nothing, or asks a silent one whether it is there.
    pub vanished_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: 64,
            limits: Limits::default(),
            server: "dragoman".into(),
            first_byte_ms: 10_000,
            head_ms: 10_000,
            keep_alive_ms: 75_000,
            body_pace: PaceRule { idle_ms: 30_000, rate: 500, grace_ms: 10_000 },
            write_pace: PaceRule { idle_ms: 30_000, rate: 500, grace_ms: 10_000 },
            linger_ms: 1_000,
            discard_bytes: 64 * 1024,
            trusted: Trusted::default(),
            ready_path: String::new(),
            max_requests: 0,
            drain_delay_ms: 0,
            drain_linger_ms: 2_000,
            body_buffer: 64 * 1024,
            chunked_memory: 1024 * 1024,
            spool_directory: std::env::temp_dir(),
            spool_quota: 1024 * 1024 * 1024,
            held_memory: 512 * 1024 * 1024,
            output_buffer: 1024 * 1024,
            queue: 1024,
            queue_ms: 30_000,
            connections: 0,
            tick_us: 1_000,
            retire_ms: 10_000,
            waiting_threads: 256,
            vanished_ms: 60_000,
        }
    }
}

/// Requests answered in one batch of a pipelining client before the answers leave.
pub const BATCH_REQUESTS: usize = 16;
/// Bytes of answers in such a batch.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Output from which on the gateway's lock is given back while the kernel copies it.
pub const UNLOCKED_SEND: usize = 64 * 1024;
/// Size of a thread's read buffer.
pub const READ_BYTES: usize = 64 * 1024;
