//! The way out: from TERM over the delay and the drain to the last connection, and the account of what was lost on it.

use crate::clock::monotonic_us;
use crate::connection::{Connection, Phase};
use crate::engine::Engine;
use crate::gateway::{Gateway, Peer};
use crate::handover::Lead;
use crate::mailbox::Event;
use crate::reactor::Ready;
use crate::sys;
use std::fmt;
use std::os::fd::AsFd;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Requests that an account names.
const NAMED: usize = 5;

/// How far the engine is on its way out. It never goes back.
const RUNNING: u8 = 0;
/// TERM has come: everything is served as before, but answers end their connections, and the readiness probe says no.
const LEAVING: u8 = 1;
/// The doors are closed; what was accepted is answered.
const DRAINING: u8 = 2;
/// Everything ends now.
const STOPPING: u8 = 3;

/// Where the engine stands on its way out, and what was lost so far.
#[derive(Debug, Default)]
pub(crate) struct WayOut {
    phase: AtomicU8,
    /// Others serve in this process's place, so that the readiness probe goes on saying yes.
    is_replaced: AtomicBool,
    began: OnceLock<Began>,
    dropped: AtomicU64,
    closed_idle: AtomicU64,
    cut: Mutex<Cut>,
}

#[derive(Clone, Copy, Debug)]
struct Began {
    at_ms: u64,
    requests_before: u64,
}

/// Answers that were cut after their calls had ended.
#[derive(Debug, Default)]
struct Cut {
    count: u64,
    named: Vec<String>,
}

/// What became of the requests since TERM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Requests that the application has answered.
    pub answered: u64,
    /// Time since TERM.
    pub duration_ms: u64,
    /// Connections that ended with bytes of a request, or a whole one, that no answer was begun for.
    pub dropped: u64,
    /// Connections that ended while their request was in the application, or its answer on the way.
    pub cut: u64,
    /// The first few of those: "METHOD target".
    pub cut_requests: Vec<String>,
    /// Connections that were closed while they were idle. A request may have been on its way to each: HTTP/1.1 has no word
    /// by which a server announces the end of a silent connection.
    pub closed_idle: u64,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, dropped, cut, closed_idle, .. } = self;
        let seconds = self.duration_ms as f64 / 1000.0;
        write!(f, "drained {answered} requests in {seconds:.1} s, {dropped} dropped, {cut} cut")?;
        if !self.cut_requests.is_empty() {
            let more = if *cut > self.cut_requests.len() as u64 { ", …" } else { "" };
            write!(f, " ({}{more})", self.cut_requests.join(", "))?;
        }
        if *closed_idle > 0 {
            write!(f, "; {closed_idle} idle connections closed")?;
        }
        Ok(())
    }
}

impl WayOut {
    fn phase(&self) -> u8 {
        self.phase.load(Acquire)
    }

    fn step(&self, from: u8, to: u8) -> bool {
        self.phase.compare_exchange(from, to, AcqRel, Acquire).is_ok()
    }

    /// In a forked child, where nothing may go on.
    pub fn forbid(&self) {
        self.phase.store(STOPPING, Release);
    }
}

impl<G: Gateway> Engine<G> {
    /// Serves on for the drain delay, while the readiness probe says no; then stops accepting, answers what is under way,
    /// and closes idle connections after the linger. Idempotent.
    pub fn drain(&self) {
        self.way_out.is_replaced.store(false, Release);
        self.leave(if self.options.drain_delay_ms > 0 { LEAVING } else { DRAINING });
    }

    /// Drains at once, because another process serves already: the readiness probe goes on saying yes. Idempotent; a drain
    /// that has begun stays what it is.
    pub fn drain_replaced(&self) {
        if self.leave(DRAINING) {
            self.way_out.is_replaced.store(true, Release);
        }
    }

    fn leave(&self, phase: u8) -> bool {
        // Before the step, so that whoever sees the drain finds its begin.
        self.way_out.began.get_or_init(|| Began {
            at_ms: monotonic_us() / 1000,
            requests_before: self.counters.requests.load(Relaxed),
        });
        let is_first = self.way_out.step(RUNNING, phase);
        if is_first {
            self.wake_leader();
        }
        is_first
    }

    /// Closes all connections; serving threads return as soon as their application call ends. Idempotent.
    pub fn stop(&self) {
        if self.way_out.phase.swap(STOPPING, AcqRel) != STOPPING {
            self.wake_leader();
        }
    }

    /// What became of the requests since TERM; `None` where none came. Those that are in the application count as cut, so
    /// that it is final once the serving threads have left, or nobody waits for them any more.
    pub fn account(&self) -> Option<Account> {
        let way_out = &self.way_out;
        let began = way_out.began.get()?;
        let mut cut_requests = self.stuck();
        let cut = way_out.cut.lock().unwrap_or_else(PoisonError::into_inner);
        let count = cut_requests.len() as u64 + cut.count;
        cut_requests.extend_from_slice(&cut.named);
        cut_requests.truncate(NAMED);
        Some(Account {
            answered: self.counters.requests.load(Relaxed) - began.requests_before,
            duration_ms: (monotonic_us() / 1000).saturating_sub(began.at_ms),
            dropped: way_out.dropped.load(Relaxed),
            cut: count,
            cut_requests,
            closed_idle: way_out.closed_idle.load(Relaxed),
        })
    }

    /// Whether clients should be sent here: what the readiness probe says.
    pub(crate) fn is_ready(&self) -> bool {
        self.way_out.phase() == RUNNING || self.way_out.is_replaced.load(Acquire)
    }

    /// Whether answers end their connections.
    pub(crate) fn is_leaving(&self) -> bool {
        self.way_out.phase() != RUNNING
    }

    /// Whether nothing more is accepted.
    pub(crate) fn is_draining(&self) -> bool {
        self.way_out.phase() >= DRAINING
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.way_out.phase() == STOPPING
    }

    /// Milliseconds until the delay before the drain is over.
    pub(crate) fn drain_in_ms(&self, now_ms: u64) -> Option<u64> {
        if self.way_out.phase() != LEAVING {
            return None;
        }
        let began = self.way_out.began.get()?;
        Some((began.at_ms + self.options.drain_delay_ms).saturating_sub(now_ms))
    }

    /// The end of the delay, the begin of the drain, and its end.
    pub(crate) fn look_after_drain(&self, lead: &mut Lead, now_ms: u64) {
        if !self.is_leaving() || self.drain_in_ms(now_ms).is_some_and(|left_ms| left_ms > 0) {
            return;
        }
        self.way_out.step(LEAVING, DRAINING);
        if !std::mem::replace(&mut self.reactor(lead).has_begun_drain, true) {
            // The doors are closed before the linger begins.
            self.look_after_listeners(lead);
            self.shorten_idle(lead, now_ms);
        }
        // Nothing that is in the leader's hands then is of a connection that lives.
        if self.counters.open.load(Relaxed) > 0 || self.is_stopping() {
            return;
        }
        if let Some(account) = self.account() {
            self.post(Event::Drained(account));
        }
        self.stop();
    }

    /// Idle connections are kept for their next request only for the linger: those that rest, now; those that are away
    /// when they come to rest, or when they are looked at then.
    fn shorten_idle(&self, lead: &mut Lead, now_ms: u64) {
        for (descriptor, slot) in self.slots.iter() {
            let Some(mut connection) = slot.take_idle(lead) else { continue };
            self.shorten_wait(&mut connection, now_ms);
            let deadline_ms = connection.deadline_ms;
            self.reactor(lead).watch_deadline(&self.slots, descriptor, deadline_ms);
            let _ = slot.put(connection);
        }
    }

    /// In a drain nobody waits for a request for longer than the linger.
    pub(crate) fn shorten_wait(&self, connection: &mut Connection<G::Memory>, now_ms: u64) {
        if self.is_draining() && matches!(connection.phase, Phase::Idle | Phase::FirstByte) {
            connection.deadline_ms = connection.deadline_ms.min(now_ms + self.options.drain_linger_ms);
        }
    }

    /// The engine stops: every connection that rests is closed. Those that are away are closed by their owners.
    pub(crate) fn close_all(&self, lead: &mut Lead) {
        self.unlisten();
        for (_, slot) in self.slots.iter() {
            if let Some(connection) = slot.take_idle(lead) {
                self.close_at_end(connection);
            }
        }
        let reactor = self.reactor(lead);
        for ready in reactor.batch.drain(..).chain(reactor.next_turn.drain(..)) {
            if let Ready::Fresh(connection) | Ready::Resumed(connection) = ready {
                self.close_at_end(connection);
            }
        }
        reactor.for_followers.drain(..).for_each(|(_, connection)| self.close_at_end(connection));
        self.scheduler.take_queued().into_iter().for_each(|connection| self.close_at_end(connection));
        if let Some(inbox) = self.take_inbox() {
            inbox.connections.into_iter().for_each(|connection| self.close_at_end(connection));
        }
    }

    fn close_at_end(&self, connection: Box<Connection<G::Memory>>) {
        self.write_off(&connection);
        self.close(connection);
    }

    /// Counts what the peer loses when its connection is closed in the course of a drain.
    pub(crate) fn write_off(&self, connection: &Connection<G::Memory>) {
        if !self.is_draining() || self.way_out.began.get().is_none() {
            return;
        }
        let lost = match connection.phase {
            Phase::Flush => return self.write_off_answer(&connection.peer),
            // The answer is with the peer.
            Phase::Discard { .. } | Phase::Linger { .. } => return,
            Phase::Head | Phase::Body => &self.way_out.dropped,
            Phase::Idle | Phase::FirstByte if has_request(connection) => &self.way_out.dropped,
            Phase::Idle | Phase::FirstByte => &self.way_out.closed_idle,
        };
        lost.fetch_add(1, Relaxed);
    }

    fn write_off_answer(&self, peer: &Peer) {
        let mut cut = self.way_out.cut.lock().unwrap_or_else(PoisonError::into_inner);
        cut.count += 1;
        if cut.named.len() < NAMED {
            // What was asked is forgotten once the call has ended.
            cut.named.push(format!("the end of an answer to {peer}"));
        }
    }
}

/// Whether bytes of a request have come, read or not.
fn has_request<M>(connection: &Connection<M>) -> bool {
    !connection.rest.is_empty() || sys::has_unread(connection.as_fd())
}

#[cfg(test)]
mod tests {
    use super::Account;
    use crate::engine::Engine;
    use crate::exchange::Exchange;
    use crate::gateway::Gateway;
    use crate::options::Options;
    use crate::reactor::Ready;
    use crate::scheduler::{Assignment, Parking};

    struct Silent;

    impl Gateway for Silent {
        type Thread = ();
        type Memory = ();

        fn enter(&self) {}
        fn resume(&self, (): &mut ()) {}
        fn suspend(&self, (): &mut ()) {}
        fn call(&self, (): &mut (), _exchange: &mut Exchange<'_, Self>) {}
        fn response_head<'t>(&self, (): &'t ()) -> Option<&'t dragoman_http1::ResponseHead> {
            None
        }
        fn leave(&self, (): ()) {}
    }

    #[test]
    fn what_is_left_to_do_for_a_connection_that_is_gone_does_not_keep_a_drain_from_its_end() {
        let engine = Engine::new(Silent, Vec::new(), Options::default(), None).expect("an engine");
        let Assignment::Lead(mut lead) = engine.scheduler.next(&Parking::default()) else { panic!("it is vacant") };
        engine.drain();
        // Its owner has closed it since: that has woken the leader for the last time.
        engine.reactor(&mut lead).next_turn.push(Ready::Event { descriptor: 5, generation: 1, is_hangup: false });
        engine.turn(&mut lead);
        assert!(engine.is_stopping());
    }

    fn account(cut: u64, cut_requests: &[&str], closed_idle: u64) -> String {
        let cut_requests = cut_requests.iter().map(ToString::to_string).collect();
        Account { answered: 412, duration_ms: 3_140, dropped: 0, cut, cut_requests, closed_idle }.to_string()
    }

    #[test]
    fn an_account_is_one_line_that_names_a_few_of_what_was_cut() {
        assert_eq!(account(0, &[], 0), "drained 412 requests in 3.1 s, 0 dropped, 0 cut");
        assert_eq!(account(1, &["GET /sse"], 0), "drained 412 requests in 3.1 s, 0 dropped, 1 cut (GET /sse)");
        assert_eq!(
            account(3, &["GET /sse", "GET /x"], 7),
            "drained 412 requests in 3.1 s, 0 dropped, 3 cut (GET /sse, GET /x, …); 7 idle connections closed"
        );
    }
}
