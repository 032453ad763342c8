//! How a connection comes to rest after its requests: output leaves, then it waits for something, lingers or ends.

use crate::attend::is_head;
use crate::clock::DateText;
use crate::connection::{After, Connection, Phase};
use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::handover::Lead;
use crate::options::UNLOCKED_SEND;
use crate::outgoing::{Outgoing, push};
use crate::output::Flushed;
use crate::plan::Refusal;
use crate::reactor::Token;
use crate::record::Record;
use crate::scheduler::Job;
use crate::serve::ServingThread;
use crate::unsent::NARROW_BYTES;
use crate::{clock, sys, timer};
use dragoman_http1::response::refusal;
use rustix::event::epoll;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Relaxed;

impl<G: Gateway> Engine<G> {
    /// An answer of the engine's own; nothing after it is read as a request.
    pub(crate) fn refuse(
        &self,
        thread: &mut ServingThread<G>,
        connection: &mut Connection<G::Memory>,
        refused: Refusal,
        is_head: bool,
    ) {
        self.clock.refresh();
        let date = thread.date.at(self.clock.unix_s());
        self.answer_refusal(&mut thread.outgoing, connection, refused, is_head, date);
    }

    fn answer_refusal(
        &self,
        outgoing: &mut Outgoing,
        connection: &mut Connection<G::Memory>,
        refused: Refusal,
        is_head: bool,
        date: &[u8; 29],
    ) {
        let retry_after_s = (refused.status == 503).then_some(1);
        let out = &mut outgoing.tail;
        refusal(refused.status, refused.code, refused.text, is_head, date, retry_after_s, out);
        self.counters.refused_with(refused.code);
        self.notice(refused.code, &connection.peer, refused.text);
        if let Some(log) = &self.access_log {
            log.record(&Record::refused(&connection.peer, refused.status, clock::unix_us()));
        }
        connection.rest = Vec::new();
        connection.spool = None;
        connection.need = 0;
        connection.is_scanning = false;
        connection.after = After::Linger;
    }

    /// The leader answers for a connection that rested.
    pub(crate) fn refuse_resting(&self, lead: &mut Lead, mut connection: Box<Connection<G::Memory>>, refused: Refusal) {
        let mut outgoing = Outgoing::default();
        let date = *DateText::default().at(self.clock.unix_s());
        let is_head = is_head(&connection.rest);
        self.answer_refusal(&mut outgoing, &mut connection, refused, is_head, &date);
        self.settle_resting(lead, &mut outgoing, connection);
    }

    /// The same without a wait for the peer's end, whose descriptor somebody else needs.
    pub(crate) fn refuse_and_close(&self, mut connection: Box<Connection<G::Memory>>, refused: Refusal) {
        let mut outgoing = Outgoing::default();
        let date = *DateText::default().at(self.clock.unix_s());
        let is_head = is_head(&connection.rest);
        self.answer_refusal(&mut outgoing, &mut connection, refused, is_head, &date);
        // What does not leave now is lost with the connection.
        let _ = sys::send(connection.as_fd(), &outgoing.tail, false);
        self.close(connection);
    }

    /// The leader ends its side of a connection that rested.
    pub(crate) fn linger_resting(&self, lead: &mut Lead, mut connection: Box<Connection<G::Memory>>) {
        connection.after = After::Linger;
        self.settle_resting(lead, &mut Outgoing::default(), connection);
    }

    fn settle_resting(&self, lead: &mut Lead, outgoing: &mut Outgoing, connection: Box<Connection<G::Memory>>) {
        if let Some(owned) = self.settle_output(outgoing, connection) {
            self.rest(Some(lead), owned);
        }
    }

    /// Gives a connection back; one to which something came meanwhile is looked at in the next turn.
    pub(crate) fn rest(&self, lead: Option<&mut Lead>, connection: Box<Connection<G::Memory>>) {
        if let Err(connection) = self.give_back(lead, connection) {
            self.put_down(|inbox| inbox.connections.push(connection));
        }
    }

    /// Sends what there is to send; then the connection rests, or has ended (`None`).
    pub(crate) fn settle(
        &self,
        thread: &mut ServingThread<G>,
        connection: Box<Connection<G::Memory>>,
    ) -> Option<Box<Connection<G::Memory>>> {
        if thread.outgoing.len() >= UNLOCKED_SEND {
            thread.give_lock(self);
        }
        self.settle_output(&mut thread.outgoing, connection)
    }

    fn settle_output(
        &self,
        outgoing: &mut Outgoing,
        mut connection: Box<Connection<G::Memory>>,
    ) -> Option<Box<Connection<G::Memory>>> {
        let slot = self.slots.get(connection.descriptor())?;
        let size = outgoing.len();
        if size > NARROW_BYTES as usize {
            connection.widen(&self.wide_queues);
        }
        let (flushed, moved) = if outgoing.is_empty() && !slot.has_output() {
            (Flushed::All, 0)
        } else {
            push(slot, outgoing, connection.as_fd(), &self.memory)
        };
        connection.has_sent(moved as u64);
        match flushed {
            Flushed::All if self.is_over(&mut connection) => {
                self.close(connection);
                None
            }
            Flushed::All => Some(connection),
            Flushed::Blocked => {
                connection.phase = Phase::Flush;
                self.wait_for_reader(&mut connection, 0);
                Some(connection)
            }
            Flushed::Share => {
                connection.phase = Phase::Flush;
                drop(self.scheduler.submit(Job::Flush(connection)));
                None
            }
            Flushed::Gone => {
                *outgoing = Outgoing::default();
                self.abandon(connection);
                None
            }
        }
    }

    /// All output has left: what the connection waits for now, and until when. `true`: it has ended.
    pub(crate) fn is_over(&self, connection: &mut Connection<G::Memory>) -> bool {
        let now_ms = self.clock.now_ms();
        if connection.after == After::Close && !connection.is_half_closed && !sys::is_settled(connection.as_fd()) {
            connection.after = After::Linger;
        }
        match connection.after {
            After::Close | After::Reset => return true,
            After::Linger => {
                connection.after = After::Next;
                sys::shut_down_writing(connection.as_fd());
                connection.phase = Phase::Linger { left: self.options.discard_bytes };
                connection.deadline_ms = now_ms + self.options.linger_ms;
                return false;
            }
            After::Discard(left) => {
                connection.after = After::Next;
                connection.phase = Phase::Discard { left };
                connection.deadline_ms = now_ms + self.options.linger_ms;
                return false;
            }
            After::Next => {}
        }
        if connection.is_half_closed {
            return true;
        }
        let before = connection.phase;
        if connection.spool.is_some() || connection.need > 0 {
            if before != Phase::Body {
                connection.phase = Phase::Body;
                connection.pace = None;
            }
            connection.deadline_ms = connection.wait_for_sender(&self.options.body_pace, now_ms);
            return false;
        }
        connection.pace = None;
        (connection.phase, connection.deadline_ms) = match before {
            Phase::Linger { .. } | Phase::Discard { .. } => return false,
            Phase::Head if connection.is_scanning => return false,
            _ if connection.is_scanning => (Phase::Head, now_ms + self.options.head_ms),
            Phase::FirstByte => {
                self.shorten_wait(connection, now_ms);
                return false;
            }
            _ if self.is_draining() => (Phase::Idle, now_ms + self.options.drain_linger_ms),
            _ => (Phase::Idle, now_ms + self.options.keep_alive_ms),
        };
        connection.lay_wide_queue_down(now_ms);
        false
    }

    /// Sends what waits in the slot of a connection that the reactor held for its output.
    pub(crate) fn flush_waiting(&self, connection: &mut Connection<G::Memory>) -> Flushed {
        let Some(slot) = self.slots.get(connection.descriptor()) else { return Flushed::Gone };
        let (flushed, moved) = slot.flush(connection.as_fd(), false);
        connection.has_sent(moved);
        match flushed {
            Flushed::All => connection.phase = Phase::Idle,
            // Events without progress, such as bytes of the peer's own, renew nothing.
            Flushed::Blocked | Flushed::Share => {
                self.wait_for_reader(connection, moved);
                connection.widen(&self.wide_queues);
            }
            Flushed::Gone => {}
        }
        flushed
    }

    /// Until when a connection with output that waits is waited for.
    pub(crate) fn wait_for_reader(&self, connection: &mut Connection<G::Memory>, moved: u64) {
        connection.deadline_ms = connection.wait_for_reader(&self.options.write_pace, self.clock.now_ms(), moved);
    }

    /// Lets the reactor hear of the socket, once. `false`: it cannot, and the connection is of no use.
    pub(crate) fn register(&self, connection: &mut Connection<G::Memory>) -> bool {
        if connection.is_registered {
            return true;
        }
        // Registering reports what is there already, so nothing that came before is missed.
        let token = Token::Connection { descriptor: connection.descriptor(), generation: connection.generation };
        let interest = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP;
        let interest = interest | epoll::EventFlags::PRI | epoll::EventFlags::ET;
        let added = epoll::add(&self.poll, &connection.stream, token.data(), interest);
        connection.is_registered = added.is_ok();
        connection.is_registered
    }

    /// Lets the reactor hear no more of a socket whose next bytes a call waits for by itself: each would wake the leader, for
    /// nothing. Resting registers it again.
    pub(crate) fn unregister(&self, connection: &mut Connection<G::Memory>) {
        if connection.is_registered {
            connection.is_registered = epoll::delete(&self.poll, &connection.stream).is_err();
        }
    }

    /// Puts the connection into its slot, where the leader finds it. `Err`: something came meanwhile.
    pub(crate) fn give_back(
        &self,
        lead: Option<&mut Lead>,
        mut connection: Box<Connection<G::Memory>>,
    ) -> Result<(), Box<Connection<G::Memory>>> {
        let descriptor = connection.descriptor();
        let Some(slot) = self.slots.get(descriptor) else { return Ok(()) };
        if self.is_stopping() || !self.register(&mut connection) {
            self.write_off(&connection);
            self.abandon(connection);
            return Ok(());
        }
        let deadline_ms = connection.deadline_ms;
        connection.count_held(&self.memory);
        match lead {
            Some(lead) => {
                self.reactor(lead).watch_deadline(&self.slots, descriptor, deadline_ms);
                slot.put(connection)
            }
            None => {
                slot.put(connection)?;
                // 0: the leader has never seen it rest, and it has no entry in the wheel yet.
                let entered = slot.timer.load(Relaxed);
                // A drain that has begun since its deadline was set may not have found it at rest.
                if entered == 0 || entered > timer::tick_of(deadline_ms) || self.is_draining() {
                    self.put_down(|inbox| inbox.timers.push(descriptor));
                } else {
                    self.ask_for_memory();
                }
                Ok(())
            }
        }
    }
}
