//! What becomes of connections whose time is up, and of those that have to make room for new ones.

use crate::connection::{Connection, Phase};
use crate::engine::Engine;
use crate::gateway::{Gateway, Peer};
use crate::handover::Lead;
use crate::pace::Breach;
use crate::plan::Refusal;
use crate::sys;
use std::os::fd::AsFd;

/// Least number of connections that make room at once: a look at all of them is paid for by several newcomers.
const MAKE_ROOM: usize = 16;
/// One in so many of those that could make room does.
const MAKE_ROOM_SHARE: usize = 32;
/// Time that a connection without a whole request is left alone, however short room is.
const LEFT_ALONE_MS: u64 = 1_000;
/// Bytes a second with which a body, or an answer, is left to its end, however short room is.
const STEADY: u64 = 8 * 1024;

impl<G: Gateway> Engine<G> {
    /// The leader looks at a connection whose deadline has passed.
    pub(crate) fn time_out(&self, lead: &mut Lead, mut connection: Box<Connection<G::Memory>>) {
        match connection.phase {
            Phase::FirstByte => {
                self.counters.first_byte_timed_out();
                self.notice("first-byte-timeout", &connection.peer, "a client sent nothing in time and was closed");
                self.write_off(&connection);
                self.close(connection);
            }
            Phase::Idle => {
                self.counters.idle_timed_out();
                let text = "a kept connection brought no further request in time and was closed";
                self.remark("idle-timeout", &connection.peer, text);
                self.write_off(&connection);
                self.close(connection);
            }
            Phase::Linger { .. } => {
                self.counters.linger_timed_out();
                let text = "a client did not end its side in time after its last answer and was closed";
                self.remark("linger-timeout", &connection.peer, text);
                self.close(connection);
            }
            Phase::Head => {
                self.counters.head_timed_out();
                self.refuse_resting(lead, connection, Refusal::HEAD_TIMEOUT);
            }
            Phase::Body => {
                let pace = connection.pace.unwrap_or_default();
                let breach = pace.breach(&self.options.body_pace, self.clock.now_ms());
                let refusal = self.count_slow_sender(breach.unwrap_or(Breach::Idle));
                self.refuse_resting(lead, connection, refusal);
            }
            Phase::Flush => {
                // The kernel may have passed on what it held, without an event.
                self.wait_for_reader(&mut connection, 0);
                let pace = connection.pace.unwrap_or_default();
                match pace.breach(&self.options.write_pace, self.clock.now_ms()) {
                    None => self.rest(Some(lead), connection),
                    Some(breach) => {
                        self.tell_slow_reader(&connection.peer, breach);
                        self.abandon(connection);
                    }
                }
            }
            // The answer is with the peer, or on its way: only the rest of the body never came.
            Phase::Discard { .. } => {
                self.counters.discard_timed_out();
                let text = "the rest of a body that the application did not read did not come in time";
                self.notice("discard-timeout", &connection.peer, text);
                self.linger_resting(lead, connection);
            }
        }
    }

    /// A client did not keep up with its own body during a call.
    pub(crate) fn tell_slow_sender(&self, peer: &Peer, breach: Breach) -> Refusal {
        let refusal = self.count_slow_sender(breach);
        self.notice(refusal.code, peer, refusal.text);
        refusal
    }

    fn count_slow_sender(&self, breach: Breach) -> Refusal {
        match breach {
            Breach::Idle => {
                self.counters.body_timed_out();
                Refusal::BODY_TIMEOUT
            }
            Breach::Rate => {
                self.counters.body_too_slow();
                Refusal::BODY_TOO_SLOW
            }
        }
    }

    /// A client did not take its answer; the connection is cut.
    pub(crate) fn tell_slow_reader(&self, peer: &Peer, breach: Breach) {
        match breach {
            Breach::Idle => {
                self.counters.write_timed_out();
                self.notice("write-timeout", peer, "a client took nothing of its response in time and was cut");
            }
            Breach::Rate => {
                self.counters.write_too_slow();
                self.notice("write-too-slow", peer, "a client took its response too slowly and was cut");
            }
        }
    }

    /// So many calls wait for their peers that this one, the slowest, is cut.
    pub(crate) fn tell_cut_wait(&self, peer: &Peer) {
        self.counters.peer_wait_cut();
        self.notice(
            "peer-wait-cut",
            peer,
            "too many calls waited for slow clients, or connections were short: the slowest was cut",
        );
    }

    /// Ends the connections that have waited longest without a request under way: kept ones first, then silent ones, then
    /// those with a part of a head; then those whose answer has left; then the slowest that send a body, then the slowest that
    /// take an answer. `false`: there was none.
    pub(crate) fn make_room(&self, lead: &mut Lead) -> bool {
        let now_ms = self.clock.now_ms();
        let mut waiting = Vec::new();
        for (descriptor, slot) in self.slots.iter() {
            let Some(mut connection) = slot.take_idle(lead) else { continue };
            if let Some(rank) = self.rank(&mut connection, now_ms) {
                waiting.push((rank, descriptor));
            }
            // Nobody but the leader marks, and the leader is here: giving back cannot fail.
            let _ = slot.put(connection);
        }
        let most = waiting.len().min(MAKE_ROOM.max(waiting.len() / MAKE_ROOM_SHARE));
        if most == 0 {
            // Nobody rests who could make room: of the calls that wait for their peers the slowest do, in a moment.
            self.peer_waits.cut_slowest(MAKE_ROOM, STEADY, now_ms, |descriptor| self.to_go(descriptor));
            return false;
        }
        waiting.select_nth_unstable(most - 1);
        let mut has_made_room = false;
        for (place, (_, descriptor)) in waiting.into_iter().enumerate() {
            if has_made_room && place >= most {
                break;
            }
            let Some(slot) = self.slots.get(descriptor) else { continue };
            let Some(connection) = slot.take_idle(lead) else { continue };
            if connection.waits_for_bytes() && sys::has_unread(connection.as_fd()) {
                // What it waits for has come already: only its turn has not.
                let _ = slot.put(connection);
                continue;
            }
            has_made_room = true;
            self.evict(connection);
        }
        has_made_room
    }

    fn evict(&self, connection: Box<Connection<G::Memory>>) {
        self.counters.evicted();
        let text =
            "room was short: the connections that had waited longest without a request, or moved least, were ended";
        self.notice("evicted", &connection.peer, text);
        match connection.phase {
            Phase::Body => self.refuse_and_close(connection, Refusal::BODY_TOO_SLOW),
            Phase::Flush => self.abandon(connection),
            _ => self.close(connection),
        }
    }

    /// The order in which connections make room: kind, then the begin of their wait, or how fast they move what they owe.
    fn rank(&self, connection: &mut Connection<G::Memory>, now_ms: u64) -> Option<(u8, u64)> {
        let (kind, time_ms, left_alone_ms) = match connection.phase {
            Phase::Idle => (0, self.options.keep_alive_ms, 0),
            Phase::FirstByte => (1, self.options.first_byte_ms, LEFT_ALONE_MS),
            Phase::Head => (2, self.options.head_ms, LEFT_ALONE_MS),
            Phase::Linger { .. } | Phase::Discard { .. } => (3, self.options.linger_ms, 0),
            Phase::Body | Phase::Flush => {
                let kind = if connection.phase == Phase::Body { 4 } else { 5 };
                if connection.phase == Phase::Flush {
                    // The kernel may have passed on what it held, without an event.
                    self.wait_for_reader(connection, 0);
                }
                let speed = connection.pace.unwrap_or_default().speed(now_ms, 0);
                return (speed < STEADY).then_some((kind, speed));
            }
        };
        let since_ms = connection.deadline_ms.saturating_sub(time_ms);
        (since_ms + left_alone_ms <= now_ms).then_some((kind, since_ms))
    }
}
