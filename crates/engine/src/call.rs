//! One call of the gateway: what is around it, whether the caller still leads afterwards, and the record of it.

use crate::clock;
use crate::connection::{Connection, Phase};
use crate::engine::Engine;
use crate::exchange::{Exchange, Request, RequestBody, Stream, Turn};
use crate::gateway::Gateway;
use crate::handover::Lead;
use crate::mailbox::{Event, Level};
use crate::outgoing::Outgoing;
use crate::pace::Pace;
use crate::plan::{BodyPlan, Planned, Refusal};
use crate::predictor::PathKey;
use crate::record::Record;
use crate::response::Progress;
use crate::serve::ServingThread;
use crate::slot::Slot;
use crate::spill::Spill;
use crate::spool::Collected;
use crate::sys;
use dragoman_http1::keeps_alive;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Ticks that a call has to span to count as slow: it has lasted for at least one whole tick then.
const SLOW_TICKS: u64 = 2;

impl<G: Gateway> Engine<G> {
    /// Calls the gateway. The answer waits in the thread's output; `connection.after` says how the connection goes on.
    /// `false`: the client is gone.
    pub(crate) fn call(
        &self,
        thread: &mut ServingThread<G>,
        lead: &mut Option<Lead>,
        connection: &mut Connection<G::Memory>,
        slot: &Slot<G::Memory>,
        planned: &Planned<'_>,
        key: PathKey,
    ) -> bool {
        let holds_answers = lead.is_some() && !thread.outgoing.is_empty();
        if holds_answers {
            self.lay_answers_down(lead, &mut thread.outgoing, connection, slot);
        }
        let tick = self.clock.tick();
        if thread.work_tick != tick {
            // Once a tick is enough: it falls asleep only after many.
            thread.work_tick = tick;
            self.sentinel.work();
        }
        let turn = match lead.take() {
            Some(lead) => Turn::Leading(self.leadership.call_begins(lead)),
            None => Turn::Detached,
        };
        // Waiting for the lock is part of the busy time: a leader that does not get it is deposed.
        thread.take_lock(self);
        let tick = self.clock.tick();
        let began_us = self.access_log.as_ref().filter(|log| log.wants_duration()).map(|_| clock::monotonic_us());
        thread.in_flight.begin(planned.line.method, planned.line.target);
        let (body, stream) = self.body(connection, planned);
        let entry = thread.memo.entry(planned.entry);
        let request = Request {
            line: planned.line,
            block: &planned.head[planned.line.len..],
            fields: &entry.fields,
            facts: &entry.facts,
        };
        let is_kept = keeps_alive(planned.line.version, &entry.facts.connection);
        connection.pace = None;
        connection.take_wide_queue_up();
        let mut exchange = Exchange {
            engine: self,
            connection: &mut *connection,
            slot,
            request,
            forwarded: &planned.forwarded,
            body,
            stream,
            outgoing: &mut thread.outgoing,
            date: &mut thread.date,
            turn,
            began_tick: tick,
            progress: Progress::default(),
            is_kept,
            spill: Spill::default(),
        };
        // A panic of the gateway is one request's: what it has sent is cut, and the thread goes on.
        let called = catch_unwind(AssertUnwindSafe(|| self.gateway.call(&mut thread.gateway, &mut exchange)));
        if called.is_err() {
            exchange.abort();
            self.log(Level::Error, "the gateway panicked: this is a fault of the server, please report it".into());
        }
        if !exchange.is_head_sent() && !exchange.progress.is_gone {
            let Refusal { status, code, text } = Refusal::UNANSWERED;
            exchange.refuse(status, code, text);
        }
        let (turn, progress, after) = exchange.end();
        if self.is_child() {
            // The application forked, and this is the child: the parent answers.
            sys::exit_now();
        }
        thread.in_flight.end();
        if self.counters.answered() == self.options.max_requests {
            self.tell_limit();
        }
        connection.phase = Phase::Idle;
        connection.after = after;
        self.predictor.learn(key, self.clock.tick() - tick >= SLOW_TICKS);
        *lead = match turn {
            Turn::Leading(calling) => self.leadership.call_ends(calling),
            Turn::Detached => None,
        };
        if holds_answers {
            self.take_answers_up(lead, &mut thread.outgoing, slot);
        }
        if progress.is_aborted && !progress.is_gone {
            self.counters.aborted();
        }
        if let Some(log) = &self.access_log {
            let unix_us = clock::unix_us();
            log.record(&Record {
                peer: &connection.peer,
                client: planned.forwarded.client,
                method: request.line.method,
                target: request.line.target,
                path: request.line.path,
                query: request.line.query,
                version: request.line.version,
                fields: Some((request.fields, request.block)),
                head: self.gateway.response_head(&thread.gateway),
                status: progress.status,
                body_bytes: progress.sent,
                duration_us: began_us.map_or(0, |began_us| clock::monotonic_us() - began_us),
                unix_us,
            });
        }
        !progress.is_gone
    }

    #[cold]
    fn tell_limit(&self) {
        self.post(Event::Limit);
    }

    fn body<'b>(&self, connection: &mut Connection<G::Memory>, planned: &Planned<'b>) -> (RequestBody, Stream<'b>) {
        let body = match planned.body {
            BodyPlan::Empty => RequestBody::Empty,
            BodyPlan::Inline(bytes) => RequestBody::Memory { bytes: bytes.to_vec(), was_chunked: false },
            BodyPlan::Stream { ahead, len, owes_continue } => {
                let left = len - ahead.len() as u64;
                let pace = Pace::new(&self.options.body_pace);
                let stream = Stream { ahead, left, owes_continue, pace };
                return (RequestBody::Stream { len }, stream);
            }
            BodyPlan::Spooled => match connection.spool.take() {
                None => RequestBody::Empty,
                Some(spool) => {
                    let was_chunked = spool.was_chunked();
                    match spool.collect() {
                        Ok(Collected::Memory(bytes)) => RequestBody::Memory { bytes, was_chunked },
                        Ok(Collected::File(file, len)) => RequestBody::File { file, len, was_chunked },
                        // Rewinding a file of our own cannot fail; if it does, the reader must not take it for empty.
                        Err(_) => RequestBody::Stream { len: u64::MAX },
                    }
                }
            },
        };
        (body, Stream::default())
    }

    /// Answers of earlier requests wait in the slot while the next call runs: if this leader is deposed, its successor
    /// sends them.
    fn lay_answers_down(
        &self,
        lead: &mut Option<Lead>,
        outgoing: &mut Outgoing,
        connection: &Connection<G::Memory>,
        slot: &Slot<G::Memory>,
    ) {
        let Some(lead) = lead else { return };
        let mut waiting = slot.lock_output();
        outgoing.move_to(waiting.get_or_insert_default());
        slot.set_has_output(true);
        self.reactor(lead).answers_waiting = Some((connection.descriptor(), connection.generation));
    }

    /// Still the leader: the answers come back to the front of the thread's output.
    fn take_answers_up(&self, lead: &mut Option<Lead>, outgoing: &mut Outgoing, slot: &Slot<G::Memory>) {
        let Some(lead) = lead else { return };
        self.reactor(lead).answers_waiting = None;
        let Some(output) = slot.lock_output().take() else { return };
        slot.set_has_output(false);
        outgoing.prepend(output);
    }
}
