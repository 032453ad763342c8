//! What gives way when memory for peers, or the disk, is short: the slowest of those that hold it, for all the others.
//!
//! A bound on what one connection may hold bounds nothing together with a large number of connections, and a least rate for
//! each lets a crowd keep for hours what it has filled in seconds. So nobody has a right to what others need: when a quota
//! is short its holders are ordered by how fast they have been lately, and the slowest are cut until a share is free.

use crate::connection::{Connection, Phase};
use crate::engine::Engine;
use crate::gateway::{Gateway, Peer};
use crate::handover::Lead;
use crate::mailbox::Event;
use crate::pace::{BEGINNING_MS, PaceRule};
use crate::plan::Refusal;
use crate::quota::Quota;
use crate::slot::Slot;
use std::sync::Arc;

/// Whoever holds less memory than this is not cut for it: little would come free.
const LEAST_BYTES: u64 = 4 * 1024;
/// A look at all connections that has not helped is not repeated before this.
const LOOK_AGAIN_MS: u64 = 100;
/// Output that a producer may leave waiting, and a collected body keep in memory, while memory is short.
const SHORT_BYTES: usize = 64 * 1024;
/// How often a producer looks whether there is room in the file again.
const ROOM_LOOK_MS: u64 = 50;
/// The same for any other change of what is asked of its reader.
const PRESS_LOOK_MS: u64 = 1_000;
/// Memory that has come free since the heaps were trimmed last is worth the milliseconds that trimming takes.
const TRIM_BYTES: u64 = 8 * 1024 * 1024;
/// Time between two trims.
const TRIM_MS: u64 = 2_000;

/// What can be short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Store {
    /// Memory held for peers.
    Memory,
    /// Disk for bodies.
    Bodies,
    /// Disk for answers.
    Answers,
}

/// What the leader knows of the memory that peers make the process hold.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Most bytes that were held since the heaps were trimmed last.
    most: u64,
    trimmed_ms: u64,
    /// Bytes that were held at the last look, if nothing was to be done; there is nothing to look at while it is as many.
    calm: u64,
    /// By store: not before this are all connections looked at again, because the last look was in vain.
    look_ms: [u64; 3],
}

impl<G: Gateway> Engine<G> {
    /// Once a turn: whether memory is to be given back, and whether somebody has to make room.
    #[inline]
    pub(crate) fn look_after_room(&self, lead: &mut Lead, now_ms: u64) {
        // Taken back before the look: who asks after it wakes the leader again.
        self.memory.was_wanted();
        let used = self.memory.used();
        if used != self.reactor(lead).watch.calm || self.answer_quota.is_wanted() {
            self.look_at_room(lead, now_ms, used);
        }
    }

    /// When there is to be a look though nothing else happens; perhaps that is now.
    #[inline]
    pub(crate) fn look_due_ms(&self, lead: &mut Lead) -> Option<u64> {
        let watch = &mut self.reactor(lead).watch;
        let used = self.memory.used();
        watch.most = watch.most.max(used);
        let trim_ms = match watch.most {
            ..TRIM_BYTES => None,
            most if most - used >= TRIM_BYTES => Some(watch.trimmed_ms + TRIM_MS),
            _ if used == 0 => None,
            // Calls that go on let memory go without a word.
            _ => Some(self.clock.now_ms() + TRIM_MS),
        };
        // What has been held since the last look, or what nobody looked at because the look before was in vain.
        let again_ms = self.memory.is_over().then_some(watch.look_ms[Store::Memory as usize]);
        [trim_ms, again_ms].into_iter().flatten().min()
    }

    /// A thread that does not lead has held memory: if that is more than there may be, the leader is to look, who may sleep.
    #[inline]
    pub(crate) fn ask_for_memory(&self) {
        if self.memory.is_over() && self.memory.want() {
            self.wake_leader();
        }
    }

    #[cold]
    fn look_at_room(&self, lead: &mut Lead, now_ms: u64, used: u64) {
        let watch = &mut self.reactor(lead).watch;
        watch.most = watch.most.max(used);
        if watch.most - used >= TRIM_BYTES && now_ms >= watch.trimmed_ms + TRIM_MS {
            (watch.most, watch.trimmed_ms) = (used, now_ms);
            // The main thread never serves, and it frees what the gateway holds for connections that are gone.
            self.post(Event::Tidy);
        }
        let is_calm = watch.most - used < TRIM_BYTES && !self.memory.is_over();
        watch.calm = if is_calm { used } else { u64::MAX };
        if self.memory.is_over() {
            self.relieve(lead, Store::Memory);
        }
        if self.answer_quota.was_wanted() {
            self.relieve(lead, Store::Answers);
        }
    }

    /// Cuts the slowest holders until a share of the store is free. `false`: nobody could be cut.
    pub(crate) fn relieve(&self, lead: &mut Lead, store: Store) -> bool {
        let now_ms = self.clock.now_ms();
        if now_ms < self.reactor(lead).watch.look_ms[store as usize] {
            return false;
        }
        let quota = self.store(store);
        let mut holders = Vec::new();
        for (descriptor, slot) in self.slots.iter() {
            let Some(mut connection) = slot.take_idle(lead) else { continue };
            if self.holds(store, &connection, slot)
                && let Some(rank) = self.slowness(store, &mut connection, now_ms)
            {
                holders.push((rank, descriptor));
            }
            // Nobody but the leader marks, and the leader is here: giving back cannot fail.
            let _ = slot.put(connection);
        }
        holders.sort_unstable();
        let mut has_cut = false;
        for (_, descriptor) in holders {
            if quota.is_relieved() {
                break;
            }
            let Some(connection) = self.slots.get(descriptor).and_then(|slot| slot.take_idle(lead)) else { continue };
            has_cut = true;
            self.cut(lead, store, connection);
        }
        if !has_cut {
            self.reactor(lead).watch.look_ms[store as usize] = now_ms + LOOK_AGAIN_MS;
        }
        has_cut
    }

    fn cut(&self, lead: &mut Lead, store: Store, connection: Box<Connection<G::Memory>>) {
        self.tell_cut(store, &connection.peer);
        match connection.phase {
            Phase::Head | Phase::Body => self.refuse_resting(lead, connection, Refusal::MADE_ROOM),
            _ => self.abandon(connection),
        }
    }

    /// A connection has had to make room for others.
    pub(crate) fn tell_cut(&self, store: Store, peer: &Peer) {
        let (reason, text) = match store {
            Store::Memory => ("memory-short", "memory for clients was short (--held-memory): the slowest were cut"),
            Store::Bodies => ("spool-short", "room for bodies was short (--spool-quota): the slowest were refused"),
            Store::Answers => ("answers-short", "room for answers was short (--spool-quota): the slowest were cut"),
        };
        match store {
            Store::Memory => self.counters.cut_for_memory(),
            Store::Bodies | Store::Answers => self.counters.cut_for_disk(),
        };
        self.notice(reason, peer, text);
    }

    fn store(&self, store: Store) -> &Arc<Quota> {
        match store {
            Store::Memory => &self.memory,
            Store::Bodies => &self.quota,
            Store::Answers => &self.answer_quota,
        }
    }

    /// Whether cutting the connection would make room.
    fn holds(&self, store: Store, connection: &Connection<G::Memory>, slot: &Slot<G::Memory>) -> bool {
        let frees = |bytes| slot.lock_output().as_ref().is_some_and(|output| output.frees(bytes));
        match (store, connection.phase) {
            (Store::Memory, _) => connection.held_bytes() >= LEAST_BYTES || slot.has_output() && frees(LEAST_BYTES),
            (Store::Bodies, Phase::Body) => connection.spool.as_ref().is_some_and(|spool| spool.has_file()),
            (Store::Answers, Phase::Flush) => slot.lock_output().as_ref().is_some_and(|output| output.is_spilled()),
            _ => false,
        }
    }

    /// The order in which holders make room: those that have been slowest lately first. Those that have only begun have no
    /// speed yet; where room must be had nevertheless, which is in memory, the eldest of them follow.
    fn slowness(&self, store: Store, connection: &mut Connection<G::Memory>, now_ms: u64) -> Option<(bool, u64)> {
        if connection.phase == Phase::Flush {
            // The kernel may have passed on what it held, without an event.
            self.wait_for_reader(connection, 0);
        }
        let (rate, began_ms) = match (connection.phase, connection.pace) {
            (Phase::Head, _) => {
                let began_ms = connection.deadline_ms.saturating_sub(self.options.head_ms);
                let age_ms = now_ms.saturating_sub(began_ms);
                let rate = connection.rest.len() as u64 * 1000 / age_ms.max(1);
                ((age_ms >= BEGINNING_MS).then_some(rate), began_ms)
            }
            (_, Some(pace)) => (pace.settled_speed(now_ms), pace.began_ms()),
            (_, None) => (None, now_ms),
        };
        match rate {
            Some(rate) => Some((false, rate)),
            None => (store == Store::Memory).then_some((true, began_ms)),
        }
    }

    /// Output that a producer may leave waiting.
    pub(crate) fn output_mark(&self) -> usize {
        let most = self.options.output_buffer;
        if self.memory.is_short() { most.min(SHORT_BYTES) } else { most }
    }

    /// Bytes of a collected body that stay in memory.
    pub(crate) fn spool_mark(&self) -> usize {
        let most = self.options.chunked_memory;
        if self.memory.is_short() { most.min(SHORT_BYTES) } else { most }
    }

    /// What is asked of a reader for whom a producer waits, and for how long at most before that is asked again.
    ///
    /// `holds_all`: the producer has the only permit, so that everybody waits for this reader. What is asked then is what no
    /// trickle gives, and a moment's patience.
    pub(crate) fn demand(&self, holds_all: bool) -> Demand {
        let PaceRule { idle_ms, rate, grace_ms } = self.options.write_pace;
        let store = match holds_all {
            true => Store::Answers,
            false if self.memory.is_over() => Store::Memory,
            false => return Demand { rule: self.options.write_pace, look_ms: PRESS_LOOK_MS, store: None },
        };
        let rule = PaceRule {
            idle_ms: idle_ms.min(PATIENCE_MS),
            rate: rate.max(PRESSED_RATE),
            grace_ms: grace_ms.min(PATIENCE_MS),
        };
        Demand { rule, look_ms: if holds_all { ROOM_LOOK_MS } else { PRESS_LOOK_MS }, store: Some(store) }
    }
}

/// Time that a reader has while everybody waits for it.
const PATIENCE_MS: u64 = 1_000;
/// Bytes a second that it has to take then.
const PRESSED_RATE: u64 = 1024 * 1024;

/// What is asked of a reader for whom a producer waits.
pub(crate) struct Demand {
    pub rule: PaceRule,
    /// After so long it is asked anew.
    pub look_ms: u64,
    /// What is short, so that this much is asked.
    pub store: Option<Store>,
}
