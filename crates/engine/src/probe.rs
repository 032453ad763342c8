//! The readiness probe (`--ready-path`), answered by the engine itself, so that it comes through when all threads are busy.

use crate::clock;
use crate::connection::{After, Connection, Phase};
use crate::engine::Engine;
use crate::gateway::Gateway;
use crate::plan::{BodyPlan, Planned};
use crate::record::Record;
use crate::serve::ServingThread;
use dragoman_http1::{RequestLine, ResponseHead, keeps_alive};

const FIELDS: [(&[u8], &[u8]); 2] = [(b"Content-Type", b"text/plain; charset=utf-8"), (b"Cache-Control", b"no-store")];

impl<G: Gateway> Engine<G> {
    /// Whether a request asks for readiness.
    #[inline]
    pub(crate) fn is_probe(&self, line: &RequestLine<'_>) -> bool {
        let path = self.options.ready_path.as_bytes();
        !path.is_empty() && line.path == path && matches!(line.method, b"GET" | b"HEAD")
    }

    /// The answer: 200 while clients should be sent here, else 503. It waits in the thread's output;
    /// `connection.after` says how the connection goes on.
    #[cold]
    pub(crate) fn answer_probe(
        &self,
        thread: &mut ServingThread<G>,
        connection: &mut Connection<G::Memory>,
        planned: &Planned<'_>,
    ) {
        let is_ready = self.is_ready();
        let (status, body): (&[u8], &[u8]) =
            if is_ready { (b"200 OK", b"ready\n") } else { (b"503 Service Unavailable", b"draining\n") };
        let mut head = ResponseHead::new();
        let mut is_valid = head.start(status).is_ok();
        let retry_after: (&[u8], &[u8]) = (b"Retry-After", b"1");
        for (name, value) in FIELDS.into_iter().chain((!is_ready).then_some(retry_after)) {
            is_valid &= head.field(name, value).is_ok();
        }
        debug_assert!(is_valid);
        let (line, entry) = (&planned.line, thread.memo.entry(planned.entry));
        // A body of a probe means nothing; what of it has not come ends the connection.
        let is_unread = matches!(planned.body, BodyPlan::Stream { .. });
        let is_kept = keeps_alive(line.version, &entry.facts.connection) && !is_unread && !self.is_leaving();
        let is_head = line.method == b"HEAD";
        self.clock.refresh();
        let date = thread.date.at(self.clock.unix_s());
        let (known_length, server) = (Some(body.len() as u64), self.options.server.as_bytes());
        let out = &mut thread.outgoing.tail;
        head.finish(is_head, line.version, is_kept, known_length, date, server, out);
        let body = if is_head { &[][..] } else { body };
        out.extend_from_slice(body);
        connection.spool = None;
        connection.phase = Phase::Idle;
        connection.after = match (is_kept, is_unread) {
            (true, _) => After::Next,
            (false, false) => After::Close,
            (false, true) => After::Linger,
        };
        if let Some(log) = &self.access_log {
            log.record(&Record {
                peer: &connection.peer,
                client: planned.forwarded.client,
                method: line.method,
                target: line.target,
                path: line.path,
                query: line.query,
                version: line.version,
                fields: Some((&entry.fields, &planned.head[line.len..])),
                head: Some(&head),
                status: head.status(),
                body_bytes: body.len() as u64,
                duration_us: 0,
                unix_us: clock::unix_us(),
            });
        }
    }
}
