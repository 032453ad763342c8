//! Attending to one connection: read, plan, call, answer, as far as its bytes go; then it rests, lingers or ends.

use crate::connection::{After, Connection, Phase};
use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::handover::Lead;
use crate::options::{BATCH_BYTES, BATCH_REQUESTS};
use crate::outgoing::{Outgoing, push};
use crate::output::Flushed;
use crate::plan::{BodyPlan, Plan, Planned, Refusal};
use crate::predictor::Predictor;
use crate::reactor::Ready;
use crate::relief::Store;
use crate::scheduler::Job;
use crate::serve::ServingThread;
use crate::spool::SpoolError;
use crate::sys::{self, Transfer};
use dragoman_http1::MAX_EMPTY_LINES;
use dragoman_http1::response::CONTINUE;
use std::os::fd::AsFd;

/// Reads of one connection before others get their turn.
const READS: usize = 8;

/// What a read brought.
enum Fill {
    /// So many bytes at the front of the scratch buffer.
    Scratch(usize),
    /// The message in the connection's `rest` has grown enough to be looked at.
    Rest,
    /// Bytes came, but the message needs more.
    More,
    /// Nothing was there.
    Nothing,
    /// There may be more, but others get their turn.
    Share,
    /// The peer's end.
    End,
    /// A broken connection.
    Broken,
    /// A message that may not be read on.
    Refused(Refusal),
    /// A body for which the leader has to make room.
    Short,
}

/// Why the requests of a run of bytes came to an end.
enum Stop<M> {
    /// All bytes are used up or kept.
    Starved(Box<Connection<M>>),
    /// Nothing more is read: what there is to send is sent, then the connection waits or ends.
    Settle(Box<Connection<M>>),
    /// Output must leave before the requests in the connection's `rest` are looked at.
    Blocked(Box<Connection<M>>),
    /// The connection has had its share: others get their turn.
    Share(Box<Connection<M>>),
    /// The request in the connection's `rest` is for a follower.
    HandOff(Box<Connection<M>>),
    /// The body in the connection's spool is for the leader, which can make room for it.
    Short(Box<Connection<M>>),
    /// The client is gone.
    Gone(Box<Connection<M>>),
}

impl<G: Gateway> Engine<G> {
    /// Attends to a connection because of an event. `lead` is `Some` for the leader, and comes back unless it was deposed.
    pub(crate) fn attend(
        &self,
        thread: &mut ServingThread<G>,
        mut lead: Option<Lead>,
        mut connection: Box<Connection<G::Memory>>,
        mut is_hangup: bool,
    ) -> Option<Lead> {
        loop {
            if connection.phase == Phase::Flush {
                match self.flush_waiting(&mut connection) {
                    Flushed::All if self.is_over(&mut connection) => {
                        self.close(connection);
                        return lead;
                    }
                    Flushed::All => {}
                    Flushed::Gone => {
                        self.abandon(connection);
                        return lead;
                    }
                    Flushed::Share => {
                        drop(self.scheduler.submit(Job::Flush(connection)));
                        return lead;
                    }
                    Flushed::Blocked => {
                        match self.give_back(lead.as_mut(), connection) {
                            Ok(()) => return lead,
                            Err(owned) => connection = owned,
                        }
                        continue;
                    }
                }
            }
            let Some(owned) = self.read_and_answer(thread, &mut lead, connection, is_hangup, false) else {
                return lead;
            };
            match self.give_back(lead.as_mut(), owned) {
                Ok(()) => return lead,
                // Something came while it was away from the reactor: nothing will report it again.
                Err(owned) => connection = owned,
            }
            is_hangup = true;
        }
    }

    /// Attends to a connection whose `rest` begins with a complete request.
    pub(crate) fn attend_rest(&self, thread: &mut ServingThread<G>, mut connection: Box<Connection<G::Memory>>) {
        let is_drained = std::mem::take(&mut connection.is_drained);
        let Some(owned) = self.read_and_answer(thread, &mut None, connection, true, is_drained) else { return };
        if let Err(owned) = self.give_back(None, owned) {
            self.attend(thread, None, owned, true);
        }
    }

    /// Reads and answers until nothing more is there. `None`: the connection has ended or somebody else has it.
    fn read_and_answer(
        &self,
        thread: &mut ServingThread<G>,
        lead: &mut Option<Lead>,
        mut connection: Box<Connection<G::Memory>>,
        is_hangup: bool,
        mut is_drained: bool,
    ) -> Option<Box<Connection<G::Memory>>> {
        let mut scratch = std::mem::take(&mut thread.scratch);
        let mut reads = 0;
        let settled = loop {
            let fill = if connection.has_unread_request() {
                Fill::Rest
            } else if connection.is_short_of_room() {
                self.find_room(lead.as_mut(), &mut connection)
            } else if is_drained {
                Fill::Nothing
            } else if reads == READS {
                Fill::Share
            } else {
                reads += 1;
                if connection.spool.is_some() {
                    // What is read goes to a file, perhaps.
                    thread.give_lock(self);
                }
                self.fill(&mut connection, &mut scratch, is_hangup, &mut is_drained)
            };
            let stop = match fill {
                Fill::More => continue,
                Fill::Nothing => Stop::Settle(connection),
                Fill::Share => Stop::Share(connection),
                Fill::End => {
                    connection.is_half_closed = true;
                    connection.after = After::Close;
                    Stop::Settle(connection)
                }
                Fill::Broken => Stop::Gone(connection),
                Fill::Short => Stop::Short(connection),
                Fill::Refused(refusal) => {
                    let is_head = is_head(&connection.rest);
                    self.refuse(thread, &mut connection, refusal, is_head);
                    Stop::Settle(connection)
                }
                Fill::Scratch(count) => self.requests(thread, lead, connection, &scratch[..count], Vec::new()),
                Fill::Rest => {
                    let rest = std::mem::take(&mut connection.rest);
                    connection.need = 0;
                    self.requests(thread, lead, connection, &[], rest)
                }
            };
            match stop {
                Stop::Starved(owned) => connection = owned,
                Stop::Settle(owned) => break self.settle(thread, owned),
                Stop::Blocked(owned) => match self.settle(thread, owned) {
                    // The socket took it after all, and no event will speak of bytes that are here already.
                    Some(owned) if owned.phase != Phase::Flush => connection = owned,
                    settled => break settled,
                },
                Stop::Share(owned) => match self.settle(thread, owned) {
                    Some(owned) if owned.phase != Phase::Flush => match self.queue_again(lead.as_mut(), owned) {
                        Ok(()) => break None,
                        Err(owned) => (connection, reads) = (owned, 0),
                    },
                    settled => break settled,
                },
                Stop::Short(owned) => match self.settle(thread, owned) {
                    Some(owned) if owned.phase != Phase::Flush => {
                        self.put_down(|inbox| inbox.connections.push(owned));
                        break None;
                    }
                    settled => break settled,
                },
                Stop::HandOff(owned) => {
                    connection = owned;
                    // Without the leadership there is nobody to hand it to.
                    let Some(lead) = lead else { continue };
                    connection.is_drained = is_drained;
                    connection.deadline_ms = self.clock.now_ms() + self.options.queue_ms;
                    connection.count_held(&self.memory);
                    self.reactor(lead).for_followers.push_back((self.clock.tick(), connection));
                    break None;
                }
                Stop::Gone(owned) => {
                    thread.outgoing = Outgoing::default();
                    self.abandon(owned);
                    break None;
                }
            }
        };
        thread.scratch = scratch;
        settled
    }

    /// A connection that has had its share goes behind the others: of the next turn, or of those that wait for a follower.
    fn queue_again(
        &self,
        lead: Option<&mut Lead>,
        mut connection: Box<Connection<G::Memory>>,
    ) -> Result<(), Box<Connection<G::Memory>>> {
        match lead {
            Some(lead) => {
                self.reactor(lead).next_turn.push(Ready::Resumed(connection));
                Ok(())
            }
            None if self.scheduler.has_waiting() && connection.has_unread_request() => {
                connection.deadline_ms = self.clock.now_ms() + self.options.queue_ms;
                self.wait_for_thread(connection)?;
                // It looks after the queue.
                self.wake_leader();
                Ok(())
            }
            None => Err(connection),
        }
    }

    /// A request in the connection's `rest` waits for a follower; beyond the queue's bound it comes back.
    pub(crate) fn wait_for_thread(
        &self,
        mut connection: Box<Connection<G::Memory>>,
    ) -> Result<(), Box<Connection<G::Memory>>> {
        connection.queued_ms = self.clock.now_ms();
        self.scheduler.submit(Job::Call(connection))
    }

    /// Reads once, and does with the bytes what the connection's phase asks for.
    fn fill(
        &self,
        connection: &mut Connection<G::Memory>,
        scratch: &mut [u8],
        is_hangup: bool,
        is_drained: &mut bool,
    ) -> Fill {
        let count = match sys::receive(connection.as_fd(), scratch) {
            Transfer::WouldBlock => return Fill::Nothing,
            Transfer::Gone => return Fill::Broken,
            Transfer::Bytes(0) => return Fill::End,
            Transfer::Bytes(count) => count,
        };
        // A short read means drained, unless the peer's end came in the same event: then no further edge would tell.
        *is_drained = count < scratch.len() && !is_hangup;
        if connection.phase == Phase::Body
            && let Some(pace) = &mut connection.pace
        {
            pace.moved(&self.options.body_pace, self.clock.now_ms(), count as u64);
        }
        let bytes = &scratch[..count];
        match &mut connection.phase {
            Phase::Linger { left } => {
                *left = left.saturating_sub(count as u64);
                return if *left == 0 { Fill::End } else { Fill::More };
            }
            Phase::Discard { left } => {
                let unread = (*left).min(count as u64);
                *left -= unread;
                if *left > 0 {
                    return Fill::More;
                }
                connection.phase = Phase::Idle;
                if unread as usize == count {
                    return Fill::More;
                }
                connection.rest.extend_from_slice(&bytes[unread as usize..]);
                return Fill::Rest;
            }
            _ => {}
        }
        if let Some(spool) = &mut connection.spool {
            let fill = match spool.feed(bytes, &self.options.limits, self.spool_plan()) {
                Err(error) => Fill::Refused(self.spool_refusal(&connection.peer, error)),
                Ok(used) => {
                    // Nothing, unless the body has ended.
                    connection.rest.extend_from_slice(&bytes[used..]);
                    if spool.is_complete() { Fill::Rest } else { Fill::More }
                }
            };
            connection.count_held(&self.memory);
            return fill;
        }
        if connection.rest.is_empty() {
            return Fill::Scratch(count);
        }
        connection.rest.extend_from_slice(bytes);
        connection.count_held(&self.memory);
        if connection.rest.len() < connection.need { Fill::More } else { Fill::Rest }
    }

    /// A body has found the disk's quota used up: those that hold it and are slowest make room, which is the leader's to do.
    fn find_room(&self, lead: Option<&mut Lead>, connection: &mut Connection<G::Memory>) -> Fill {
        let Some(lead) = lead else { return Fill::Short };
        self.relieve(lead, Store::Bodies);
        let Some(spool) = &mut connection.spool else { return Fill::More };
        match spool.write_out(self.spool_plan()) {
            Err(error) => Fill::Refused(self.spool_refusal(&connection.peer, error)),
            Ok(()) if spool.is_short_of_room() => {
                Fill::Refused(self.spool_refusal(&connection.peer, SpoolError::Io(self.quota.error())))
            }
            Ok(()) if spool.is_complete() => Fill::Rest,
            Ok(()) => Fill::More,
        }
    }

    /// Answers the requests at the front of the bytes, which are `owned`, or else lie in `scratch`.
    fn requests(
        &self,
        thread: &mut ServingThread<G>,
        lead: &mut Option<Lead>,
        mut connection: Box<Connection<G::Memory>>,
        scratch: &[u8],
        mut owned: Vec<u8>,
    ) -> Stop<G::Memory> {
        let bytes = if owned.is_empty() { scratch } else { owned.as_slice() };
        let Some(slot) = self.slots.get(connection.descriptor()) else { return Stop::Gone(connection) };
        let mut at = 0;
        let mut answered = 0;
        let tick = self.clock.tick();
        let (keep, is_blocked) = loop {
            let planned = match self.plan(&mut thread.memo, &mut connection, &bytes[at..]) {
                Plan::Request(planned) => planned,
                Plan::Refused(refusal) => {
                    self.refuse(thread, &mut connection, refusal, is_head(&bytes[at..]));
                    return Stop::Settle(connection);
                }
                Plan::Tls => {
                    let (code, text) = ("tls-on-clear-text", "a TLS client came to a clear-text port and was closed");
                    self.counters.refused_with(code);
                    self.notice(code, &connection.peer, text);
                    connection.after = After::Linger;
                    return Stop::Settle(connection);
                }
                Plan::More { keep, owes_continue } => {
                    if owes_continue {
                        thread.outgoing.tail.extend_from_slice(CONTINUE);
                    }
                    break (keep, false);
                }
            };
            let key = Predictor::key(planned.line.method, planned.line.path);
            let is_probe = self.is_probe(&planned.line);
            let is_for_follower =
                !is_probe && lead.is_some() && (self.predictor.is_slow(key) || !thread.may_begin(self));
            if !thread.outgoing.is_empty() && (is_for_follower || lead.is_none() || is_due(thread, &planned, answered))
            {
                match push(slot, &mut thread.outgoing, connection.as_fd(), &self.memory).0 {
                    Flushed::All => {}
                    Flushed::Gone => return Stop::Gone(connection),
                    Flushed::Blocked | Flushed::Share => {
                        connection.rest = planned.message(&bytes[at..]);
                        return Stop::Blocked(connection);
                    }
                }
            }
            if answered >= BATCH_REQUESTS || answered > 0 && self.clock.tick() != tick {
                connection.rest = planned.message(&bytes[at..]);
                return Stop::Share(connection);
            }
            if is_for_follower {
                connection.rest = planned.message(&bytes[at..]);
                return Stop::HandOff(connection);
            }
            at += planned.consumed;
            answered += 1;
            if is_probe {
                self.answer_probe(thread, &mut connection, &planned);
            } else if !self.call(thread, lead, &mut connection, slot, &planned, key) {
                return Stop::Gone(connection);
            }
            if connection.after != After::Next {
                if connection.after == After::Close && at < bytes.len() {
                    // Closing over unread bytes would reset the connection, and the answer with it.
                    connection.after = After::Linger;
                }
                return Stop::Settle(connection);
            }
            if slot.has_output() {
                break (bytes.len() - at, true);
            }
            if at == bytes.len() {
                return Stop::Starved(connection);
            }
        };
        connection.rest = if at == 0 && !owned.is_empty() {
            owned.truncate(keep);
            owned
        } else {
            let mut rest = Vec::with_capacity(keep.max(connection.need));
            rest.extend_from_slice(&bytes[at..at + keep]);
            rest
        };
        if is_blocked { Stop::Blocked(connection) } else { Stop::Starved(connection) }
    }
}

/// Whether a message that need not be readable otherwise is a HEAD request, whose answer has no body.
pub(crate) fn is_head(mut message: &[u8]) -> bool {
    // RFC 9112 §2.2: empty lines before the request line count for nothing, here too. Where there are too many of them
    // the message is refused before its method has come, and what comes with them must not make another answer of it.
    for _ in 0..MAX_EMPTY_LINES {
        message = message.strip_prefix(b"\r\n").unwrap_or(message);
    }
    message.starts_with(b"HEAD ")
}

/// Whether answers that wait must leave before the next call: it may take long to come, or there are enough of them.
fn is_due<G: Gateway>(thread: &ServingThread<G>, planned: &Planned<'_>, answered: usize) -> bool {
    matches!(planned.body, BodyPlan::Stream { .. })
        || answered >= BATCH_REQUESTS
        || thread.outgoing.tail.len() >= BATCH_BYTES
        || thread.outgoing.queue.bytes() > 0
}

#[cfg(test)]
mod tests {
    use super::is_head;

    #[test]
    fn the_method_is_that_behind_the_empty_lines_that_are_skipped_and_no_further() {
        assert!(is_head(b"HEAD / HTTP/1.1\r\n"));
        assert!(is_head(b"\r\n\r\n\r\nHEAD / HTTP/1.1\r\n"));
        assert!(!is_head(b"\r\n\r\n\r\n\r\nHEAD / HTTP/1.1\r\n"));
        assert!(!is_head(b"GET / HTTP/1.1\r\n"));
        assert!(!is_head(b"\r\n\r\n\r\n\r\n"));
    }
}
