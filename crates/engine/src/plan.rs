//! From the bytes of a connection to a request that can be answered: head, framing, and how its body comes.

use crate::connection::Connection;
use crate::counters::Counters;
use crate::engine::Engine;
use crate::forwarded::{Contradiction, Forwarded, Reading};
use crate::gateway::{Gateway, Peer};
use crate::memo::{Entry, Memo};
use crate::spool::{Decoder, Spool, SpoolError, SpoolPlan};
use dragoman_http1::{
    ChunkedDecoder, FieldFacts, Framing, Reject, RejectKind, RequestLine, Scanner, check_host, request_line,
};

/// Bytes of a field value that the log shows.
const SHOWN_BYTES: usize = 64;

/// What the front of the bytes is.
pub(crate) enum Plan<'b> {
    /// A part of a message: the first `keep` bytes are kept with the connection, where `need` will be in the end (0:
    /// nobody knows). With `owes_continue` the client waits for 100 Continue before it goes on.
    More { keep: usize, owes_continue: bool },
    /// Nothing that may be read.
    Refused(Refusal),
    /// A TLS client hello on a clear-text port: no HTTP answer would be understood.
    Tls,
    /// A request whose body is as far here as it has to be.
    Request(Planned<'b>),
}

/// An answer of the engine's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status code.
    pub status: u16,
    /// Its name in `docs/refusals.md` and in notices.
    pub code: &'static str,
    /// What was wrong, in words.
    pub text: &'static str,
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        Self { status: reject.kind.status(), code: reject.kind.code(), text: reject.kind.text() }
    }
}

impl Refusal {
    pub(crate) const OVERLOADED: Self =
        Self { status: 503, code: "overloaded", text: "too many requests wait for a thread; try again shortly" };
    pub(crate) const FORWARDED_CONTRADICTION: Self = Self {
        status: 400,
        code: "forwarded-contradiction",
        text: "two of the fields X-Forwarded-Proto, X-Forwarded-Protocol and X-Forwarded-Ssl say http and https",
    };
    pub(crate) const SPOOL_FULL: Self =
        Self { status: 507, code: "spool-full", text: "there is no room to keep the request body" };
    pub(crate) const SPOOL_FAILED: Self =
        Self { status: 500, code: "spool-failed", text: "the request body could not be kept" };
    pub(crate) const HEAD_TIMEOUT: Self =
        Self { status: 408, code: "head-timeout", text: "the request head did not come in time" };
    pub(crate) const BODY_TIMEOUT: Self =
        Self { status: 408, code: "body-timeout", text: "the request body did not come in time" };
    pub(crate) const BODY_TOO_SLOW: Self =
        Self { status: 408, code: "body-too-slow", text: "the request body came too slowly" };
    pub(crate) const MADE_ROOM: Self = Self {
        status: 408,
        code: "made-room",
        text: "the request came more slowly than others that needed its room; try again later",
    };
    pub(crate) const QUEUE_TIMEOUT: Self =
        Self { status: 503, code: "queue-timeout", text: "no thread became free in time; try again shortly" };
    pub(crate) const UNANSWERED: Self =
        Self { status: 500, code: "no-response", text: "the application gave no response" };
}

/// A request at the front of the bytes.
pub(crate) struct Planned<'b> {
    pub line: RequestLine<'b>,
    /// The head, final empty line included.
    pub head: &'b [u8],
    /// Entry of the thread's memo.
    pub entry: u16,
    /// What a trusted proxy tells of its client.
    pub forwarded: Forwarded,
    pub body: BodyPlan<'b>,
    /// Bytes of this request: head and as much of its body as is here.
    pub consumed: usize,
}

impl Planned<'_> {
    /// The bytes that a follower needs to plan the same request again: a collected body is in the spool already.
    pub fn message(&self, bytes: &[u8]) -> Vec<u8> {
        match self.body {
            BodyPlan::Spooled => [self.head, &bytes[self.consumed..]].concat(),
            _ => bytes.to_vec(),
        }
    }
}

/// How the body comes.
pub(crate) enum BodyPlan<'b> {
    Empty,
    /// All of it is among the bytes.
    Inline(&'b [u8]),
    /// It is collected in the connection's spool.
    Spooled,
    /// It is read during the call.
    Stream {
        ahead: &'b [u8],
        len: u64,
        owes_continue: bool,
    },
}

impl<G: Gateway> Engine<G> {
    /// Reads the front of `bytes`. With `More` the connection knows how far its message is, and the caller keeps the bytes.
    pub(crate) fn plan<'b>(
        &self,
        memo: &mut Memo,
        connection: &mut Connection<G::Memory>,
        bytes: &'b [u8],
    ) -> Plan<'b> {
        match self.read_head(memo, connection, bytes) {
            Err(Reject { kind: RejectKind::TlsOnClearText, .. }) => Plan::Tls,
            Err(reject) => Plan::Refused(reject.into()),
            Ok(None) => {
                connection.is_scanning = !bytes.is_empty();
                Plan::More { keep: bytes.len(), owes_continue: false }
            }
            Ok(Some((line, entry, head_len))) => {
                let facts = memo.entry(entry).facts;
                let mut forwarded = Forwarded::default();
                if let Err(reject) = check_host(&line, &facts) {
                    return Plan::Refused(reject.into());
                }
                if facts.is_forwarded {
                    match self.read_forwarded(&connection.peer, memo.entry(entry), &bytes[line.len..head_len]) {
                        Ok(told) => forwarded = told,
                        Err(Contradiction) => return Plan::Refused(Refusal::FORWARDED_CONTRADICTION),
                    }
                }
                self.plan_body(connection, bytes, (line, entry, head_len), &facts, forwarded)
            }
        }
    }

    /// The head: by the memo when the connection's bytes begin with a known one, else scanned and parsed.
    fn read_head<'b>(
        &self,
        memo: &mut Memo,
        connection: &mut Connection<G::Memory>,
        bytes: &'b [u8],
    ) -> Result<Option<(RequestLine<'b>, u16, usize)>, Reject> {
        let limits = &self.options.limits;
        if bytes.is_empty() {
            return Ok(None);
        }
        if !connection.is_scanning {
            if let Some(line) = request_line(bytes, limits)? {
                if let Some(entry) = memo.find(connection.memo_hint, line.version, &bytes[line.len..]) {
                    let head_len = line.len + memo.block_len(entry);
                    if head_len <= limits.head {
                        connection.memo_hint = entry;
                        return Ok(Some((line, entry, head_len)));
                    }
                }
            }
        }
        let Some(head_len) = connection.scanner.scan(bytes, limits)? else { return Ok(None) };
        connection.scanner = Scanner::new();
        connection.is_scanning = false;
        let Some(line) = request_line(&bytes[..head_len], limits)? else { return Ok(None) };
        let entry = memo.parse(line.version, &bytes[line.len..head_len], limits)?;
        connection.memo_hint = entry;
        Ok(Some((line, entry, head_len)))
    }

    #[inline(never)]
    fn read_forwarded(&self, peer: &Peer, entry: &Entry, block: &[u8]) -> Result<Forwarded, Contradiction> {
        let Reading { forwarded, malformed } = self.options.trusted.read(peer, &entry.fields, block)?;
        if let Some((name, value)) = malformed {
            let (name, value) = (name.escape_ascii(), value[..value.len().min(SHOWN_BYTES)].escape_ascii());
            self.notice("forwarded-malformed", peer, &format!("{name}: {value} means nothing and was ignored"));
        }
        Ok(forwarded)
    }

    fn plan_body<'b>(
        &self,
        connection: &mut Connection<G::Memory>,
        bytes: &'b [u8],
        (line, entry, head_len): (RequestLine<'b>, u16, usize),
        facts: &FieldFacts,
        forwarded: Forwarded,
    ) -> Plan<'b> {
        let (head, here) = bytes.split_at(head_len);
        let request = |body, consumed| Plan::Request(Planned { line, head, entry, forwarded, body, consumed });
        match connection.spool.as_ref().map(|spool| spool.is_complete()) {
            Some(true) => return request(BodyPlan::Spooled, head_len),
            // Its bytes go to the spool as they come; what is here is the head alone.
            Some(false) => return Plan::More { keep: head_len, owes_continue: false },
            None => {}
        }
        let decoder = match facts.framing {
            Framing::None | Framing::Length(0) => return request(BodyPlan::Empty, head_len),
            Framing::Length(len) if len <= self.options.body_buffer as u64 && !facts.expects_continue => {
                let len = len as usize;
                if here.len() >= len {
                    return request(BodyPlan::Inline(&here[..len]), head_len + len);
                }
                connection.need = head_len + len;
                return Plan::More { keep: bytes.len(), owes_continue: false };
            }
            Framing::Length(len) if !self.scheduler.is_single() && !self.scheduler.is_crowded_with_waits() => {
                let ahead = &here[..here.len().min(usize::try_from(len).unwrap_or(usize::MAX))];
                let owes_continue = facts.expects_continue && ahead.is_empty();
                return request(BodyPlan::Stream { ahead, len, owes_continue }, head_len + ahead.len());
            }
            Framing::Length(len) => Decoder::Length(len),
            Framing::Chunked => Decoder::Chunked(ChunkedDecoder::new()),
        };
        let mut spool = Box::new(Spool::new(decoder));
        match spool.feed(here, &self.options.limits, self.spool_plan()) {
            Err(error) => Plan::Refused(self.spool_refusal(&connection.peer, error)),
            // A body that has come whole, and is too large for what bodies may take in memory and on the disk.
            Ok(used) if used < here.len() && !spool.is_complete() => {
                Plan::Refused(self.spool_refusal(&connection.peer, SpoolError::Io(self.quota.error())))
            }
            Ok(used) if spool.is_complete() => {
                connection.spool = Some(spool);
                request(BodyPlan::Spooled, head_len + used)
            }
            Ok(_) => {
                connection.spool = Some(spool);
                Plan::More { keep: head_len, owes_continue: facts.expects_continue && here.is_empty() }
            }
        }
    }

    pub(crate) fn answer_plan(&self) -> SpoolPlan<'_> {
        SpoolPlan { quota: &self.answer_quota, count: Counters::answer_spilled, ..self.spool_plan() }
    }

    pub(crate) fn spool_plan(&self) -> SpoolPlan<'_> {
        SpoolPlan {
            memory: self.spool_mark(),
            directory: &self.options.spool_directory,
            quota: &self.quota,
            counters: &self.counters,
            count: Counters::body_spooled,
        }
    }

    pub(crate) fn spool_refusal(&self, peer: &Peer, error: SpoolError) -> Refusal {
        match error {
            SpoolError::Reject(reject) => reject.into(),
            SpoolError::Io(error) => {
                let directory = self.options.spool_directory.display();
                let text = format!("a request body could not be kept in {directory}: {error}; peer {peer}");
                self.tell(crate::mailbox::Level::Error, "spool", &text);
                self.counters.spool_refused();
                match error.kind() {
                    std::io::ErrorKind::StorageFull
                    | std::io::ErrorKind::QuotaExceeded
                    | std::io::ErrorKind::FileTooLarge => Refusal::SPOOL_FULL,
                    _ => Refusal::SPOOL_FAILED,
                }
            }
        }
    }
}
