//! One HTTP/1 connection between events: its socket, what has come of a message, and what it waits for.

use crate::gateway::Peer;
use crate::pace::{Pace, PaceRule};
use crate::quota::{Holding, Quota};
use crate::spool::Spool;
use crate::sys;
use crate::unsent::{PROVEN_BYTES, WideQueue, WideQueues};
use dragoman_http1::Scanner;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Output below this proves nothing of a reader, and counting it would cost every small answer.
const COUNTED_BYTES: u64 = 16 * 1024;

/// What a connection waits for: each has its own timeout and its own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first byte after accept; silence closes it without a word.
    FirstByte,
    /// The next request; silence closes it without a word.
    Idle,
    /// The rest of a head; 408.
    Head,
    /// The rest of a body that is collected before the call; 408.
    Body,
    /// The socket to take output; a stall aborts.
    Flush,
    /// The rest of a body that the application did not read, to be thrown away.
    Discard {
        /// Bytes of it that are still to come.
        left: u64,
    },
    /// The peer to close after our end.
    Linger {
        /// Bytes that are still read and thrown away.
        left: u64,
    },
}

/// How a connection goes on when its output is with the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// The next request.
    Next,
    /// Throw the rest of a body away, then the next request.
    Discard(u64),
    /// Close at once: the peer sends nothing more.
    Close,
    /// Close with a reset, so that nobody takes what was sent for whole.
    Reset,
    /// Our end, then wait a little for the peer's, so that a reset does not overtake the answer.
    Linger,
}

/// A connection.
#[derive(Debug)]
pub struct Connection<M> {
    /// It takes its output well: the kernel may hold more of it. Dropped first: it must not outlive the socket.
    wide: Option<WideQueue>,
    /// The socket.
    pub stream: OwnedFd,
    /// Generation of its slot: an event with another one is of an earlier connection.
    pub generation: u32,
    /// Index of the listener that took it.
    pub listener: u16,
    /// Entry of the thread's memo that its last head was.
    pub memo_hint: u16,
    /// Who is at the other end.
    pub peer: Peer,
    /// What it waits for.
    pub phase: Phase,
    /// What comes after its output.
    pub after: After,
    /// When the waiting ends, monotonic milliseconds.
    pub deadline_ms: u64,
    /// When its request began to wait for a thread.
    pub queued_ms: u64,
    /// How the peer keeps to what it owes, while it sends a body or takes output.
    pub pace: Option<Pace>,
    /// Output that the kernel held for the peer when it was last asked.
    unacknowledged: u64,
    /// Bytes of large output that have gone to the kernel.
    sent_bytes: u64,
    /// Bytes of a message that is not complete. Empty and without memory between messages.
    pub rest: Vec<u8>,
    /// How far `rest` was searched for the head's end.
    pub scanner: Scanner,
    /// A part of a head is in `rest`, and the scanner has begun.
    pub is_scanning: bool,
    /// Bytes of `rest` that make a whole request, once its head was read; 0 before.
    pub need: usize,
    /// A body that is collected before the call; its head is in `rest`.
    pub spool: Option<Box<Spool>>,
    /// Memory of `rest` and `spool`, counted with that of all connections.
    holding: Holding,
    /// The peer has closed its side.
    pub is_half_closed: bool,
    /// The socket is with the reactor's epoll.
    pub is_registered: bool,
    /// Everything that had come was read when it was handed to a follower: an event will tell of more.
    pub is_drained: bool,
    /// What the gateway keeps.
    pub memory: M,
}

impl<M: Default> Connection<M> {
    /// A connection that was just accepted.
    pub fn new(stream: OwnedFd, listener: u16, peer: Peer) -> Self {
        Self {
            stream,
            generation: 0,
            listener,
            memo_hint: 0,
            peer,
            phase: Phase::FirstByte,
            after: After::Next,
            deadline_ms: 0,
            queued_ms: 0,
            pace: None,
            unacknowledged: 0,
            sent_bytes: 0,
            wide: None,
            rest: Vec::new(),
            scanner: Scanner::new(),
            is_scanning: false,
            need: 0,
            spool: None,
            holding: Holding::default(),
            is_half_closed: false,
            is_registered: false,
            is_drained: false,
            memory: M::default(),
        }
    }
}

impl<M> Connection<M> {
    /// Whether `rest` begins with something that was not looked at yet, so that no further byte need come.
    pub fn has_unread_request(&self) -> bool {
        let is_collecting = self.spool.as_ref().is_some_and(|spool| !spool.is_complete());
        !self.rest.is_empty() && !self.is_scanning && self.need == 0 && !is_collecting
    }

    /// Output waits for the peer, and so many bytes have gone to the kernel since it was last looked at. Returns until
    /// when the peer is waited for.
    ///
    /// A full socket buffer takes nothing for long although its reader reads: what counts is what it acknowledges.
    pub fn wait_for_reader(&mut self, rule: &PaceRule, now_ms: u64, moved: u64) -> u64 {
        let before = std::mem::replace(&mut self.unacknowledged, sys::unacknowledged(self.stream.as_fd()));
        match &mut self.pace {
            Some(pace) => pace.moved(rule, now_ms, (before + moved).saturating_sub(self.unacknowledged)),
            None => self.pace = Some(Pace::new(rule)),
        }
        self.pace.get_or_insert_default().wait(rule, now_ms)
    }

    /// So many bytes of output have gone to the kernel at once.
    pub(crate) fn has_sent(&mut self, bytes: u64) {
        if bytes >= COUNTED_BYTES {
            self.sent_bytes += bytes;
        }
    }

    /// Much output is to go to the kernel: it may hold more of it for a reader that has acknowledged enough before.
    pub(crate) fn widen(&mut self, queues: &WideQueues) {
        if self.wide.is_none()
            && self.sent_bytes >= PROVEN_BYTES
            && self.sent_bytes.saturating_sub(sys::unacknowledged(self.stream.as_fd())) >= PROVEN_BYTES
        {
            self.wide = queues.widen(self.stream.as_fd());
        }
    }

    /// A request begins: a wide queue is in use again, if it was not lost meanwhile.
    pub(crate) fn take_wide_queue_up(&mut self) {
        if self.wide.as_ref().is_some_and(|queue| !queue.goes_on()) {
            self.wide = None;
        }
    }

    /// It waits for its next request: whoever needs a wide queue may have this one's.
    pub(crate) fn lay_wide_queue_down(&mut self, now_ms: u64) {
        if let Some(queue) = &self.wide {
            queue.rests(now_ms);
        }
    }

    /// A body is on its way in. Returns until when the peer is waited for.
    pub fn wait_for_sender(&mut self, rule: &PaceRule, now_ms: u64) -> u64 {
        self.pace.get_or_insert_with(|| Pace::new(rule)).wait(rule, now_ms)
    }

    /// Counts the memory that it holds of what has come.
    #[inline]
    pub(crate) fn count_held(&mut self, memory: &Arc<Quota>) {
        if self.rest.capacity() > 0 || self.spool.is_some() || self.holding.is_some() {
            self.count_held_bytes(memory);
        }
    }

    #[cold]
    fn count_held_bytes(&mut self, memory: &Arc<Quota>) {
        let spooled = self.spool.as_ref().map_or(0, |spool| spool.memory());
        self.holding.set(memory, self.rest.capacity() + spooled);
    }

    /// What was counted last.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.holding.frees()
    }

    /// Whether a body waits for room on the disk.
    pub(crate) fn is_short_of_room(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| spool.is_short_of_room())
    }

    /// Whether it rests until its peer sends something.
    pub fn waits_for_bytes(&self) -> bool {
        matches!(self.phase, Phase::FirstByte | Phase::Head | Phase::Body | Phase::Idle)
    }

    /// Descriptor number, which is the slot number.
    pub fn descriptor(&self) -> u32 {
        self.stream.as_raw_fd() as u32
    }
}

impl<M> AsFd for Connection<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
