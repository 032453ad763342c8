//! Output of the call that runs: owned by its thread until the socket, or the connection's slot, takes it.

use crate::output::{Flushed, Output, Piece};
use crate::quota::Quota;
use crate::slot::Slot;
use crate::sys::{self, Transfer};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Thread-owned output of the call: `queue` before `tail`.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Pieces that are not plain small bytes.
    pub queue: Output,
    /// Small bytes after them.
    pub tail: Vec<u8>,
}

impl Outgoing {
    /// Bytes in memory.
    pub fn len(&self) -> usize {
        self.queue.bytes() + self.tail.len()
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.tail.is_empty()
    }

    /// Puts `output` before everything.
    pub fn prepend(&mut self, output: Box<Output>) {
        match output.into_plain() {
            Ok(mut plain) if self.queue.is_empty() => {
                plain.extend_from_slice(&self.tail);
                self.tail = plain;
            }
            Ok(plain) => self.prepend_pieces(Output::of(plain)),
            Err(output) => self.prepend_pieces(*output),
        }
    }

    fn prepend_pieces(&mut self, mut output: Output) {
        output.append(&mut self.queue);
        self.queue = output;
    }

    /// Moves the small bytes to the end of the queue.
    pub fn gather(&mut self) {
        if !self.tail.is_empty() {
            self.queue.push(Piece::Bytes { data: std::mem::take(&mut self.tail), at: 0 });
        }
    }

    /// Moves everything to the end of `output`.
    pub fn move_to(&mut self, output: &mut Output) {
        self.gather();
        output.append(&mut self.queue);
    }
}

/// Sends `outgoing` after what waits in the slot already; what is left waits there. The second value says how many bytes in
/// memory have moved.
pub(crate) fn push<M>(
    slot: &Slot<M>,
    outgoing: &mut Outgoing,
    stream: BorrowedFd<'_>,
    memory: &Arc<Quota>,
) -> (Flushed, usize) {
    let mut moved = 0;
    if outgoing.queue.is_empty() && !slot.has_output() {
        if outgoing.tail.is_empty() {
            return (Flushed::All, 0);
        }
        match sys::send(stream, &outgoing.tail, false) {
            Transfer::Bytes(count) if count == outgoing.tail.len() => {
                outgoing.tail.clear();
                return (Flushed::All, count);
            }
            Transfer::Bytes(count) => {
                outgoing.tail.drain(..count);
                moved = count;
            }
            Transfer::WouldBlock => {}
            Transfer::Gone => return (Flushed::Gone, 0),
        }
    }
    let mut waiting = slot.lock_output();
    let output = waiting.get_or_insert_default();
    outgoing.move_to(output);
    // The flag first, then another attempt: an edge that came before the flag was seen by nobody, and only a send that
    // finds the socket full makes the next edge come.
    slot.set_has_output(true);
    let held = output.bytes();
    let flushed = output.flush(stream, false);
    moved += held - output.bytes();
    if flushed == Flushed::All {
        *waiting = None;
        slot.set_has_output(false);
    } else {
        output.count(memory);
    }
    (flushed, moved)
}
