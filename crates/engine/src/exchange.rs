//! One request and its response, as the gateway sees them: it has exactly one owner at a time.

use crate::clock::{DateText, monotonic_us};
use crate::connection::{After, Connection};
use crate::engine::Engine;
use crate::forwarded::Forwarded;
use crate::gateway::{Gateway, Held, Peer, Unlock};
use crate::handover::Calling;
use crate::options::UNLOCKED_SEND;
use crate::outgoing::{Outgoing, push};
use crate::output::{Flushed, Output, Piece, Source};
use crate::pace::Pace;
use crate::peer_waits::{Alarm, Wait};
use crate::plan::Refusal;
use crate::relief::Demand;
use crate::response::{Ended, Progress, Sent};
use crate::room::Room;
use crate::slot::Slot;
use crate::spill::Spill;
use crate::spool::SpoolFile;
use crate::sys::{self, Transfer};
use crate::unsent::NARROW_BYTES;
use dragoman_http1::response::{CHUNK_END, CONTINUE, LAST_CHUNK, chunk_start, reason};
use dragoman_http1::{FieldFacts, FieldTable, RequestLine, ResponseHead, Version};
use rustix::event::PollFlags;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Ranges of files up to this are read into memory, when the page cache has them, and leave with the head.
const SMALL_FILE: u64 = 64 * 1024;

/// A parsed request head.
#[derive(Clone, Copy)]
pub struct Request<'t> {
    /// The request line.
    pub line: RequestLine<'t>,
    /// The exact field block, final empty line included: equal blocks (with equal version) mean equal fields and facts.
    pub block: &'t [u8],
    /// The fields of the block.
    pub fields: &'t FieldTable,
    /// What follows from them.
    pub facts: &'t FieldFacts,
}

/// The request body as it was prepared before the call.
#[derive(Debug)]
pub enum RequestBody {
    /// There is none (or it is empty).
    Empty,
    /// Complete and in memory.
    Memory {
        /// The body.
        bytes: Vec<u8>,
        /// It was decoded from the chunked coding.
        was_chunked: bool,
    },
    /// Complete and in an unlinked temporary file, at offset 0.
    File {
        /// The file.
        file: SpoolFile,
        /// Length in bytes.
        len: u64,
        /// It was decoded from the chunked coding.
        was_chunked: bool,
    },
    /// It comes while the application runs; read it with `Exchange::read_body`.
    Stream {
        /// Content-Length.
        len: u64,
    },
}

/// The client is gone: output is pointless, `wsgi.input` raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnected;

/// Why the body could not be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The client closed or reset before the body's end.
    Disconnected,
    /// The client sent nothing for the body idle time, or less than the least rate.
    TimedOut(Refusal),
}

/// A body that is read from the socket during the call.
#[derive(Debug, Default)]
pub(crate) struct Stream<'t> {
    /// Bytes that came with the head.
    pub ahead: &'t [u8],
    /// Bytes that are still to come from the socket.
    pub left: u64,
    /// The client waits for 100 Continue.
    pub owes_continue: bool,
    /// How the client keeps to what it owes: only time counts in which a reader has found nothing.
    pub pace: Pace,
}

/// The socket of an exchange, of which only the arrival of bytes can be learned.
#[derive(Debug)]
pub struct BodyArrival(OwnedFd);

impl BodyArrival {
    /// Waits until there is something to read, or the connection has ended, for at most `timeout_ms`.
    pub fn wait(&self, timeout_ms: u64) {
        sys::wait_for(self.0.as_fd(), PollFlags::IN, timeout_ms);
    }
}

/// The calling thread's relation to the reactor during a call.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It is the leader, unless it was deposed meanwhile.
    Leading(Calling),
    /// It holds a permit and nothing of the reactor.
    Detached,
}

/// One request and its response.
pub struct Exchange<'t, G: Gateway> {
    pub(crate) engine: &'t Engine<G>,
    pub(crate) connection: &'t mut Connection<G::Memory>,
    pub(crate) slot: &'t Slot<G::Memory>,
    pub(crate) request: Request<'t>,
    pub(crate) forwarded: &'t Forwarded,
    pub(crate) body: RequestBody,
    pub(crate) stream: Stream<'t>,
    pub(crate) outgoing: &'t mut Outgoing,
    pub(crate) date: &'t mut DateText,
    pub(crate) turn: Turn,
    /// The tick at which the call began.
    pub(crate) began_tick: u64,
    pub(crate) progress: Progress,
    /// The client wants the connection kept, and so do we.
    pub(crate) is_kept: bool,
    /// Output that went to a file, so that the only permit is not held by a slow reader.
    pub(crate) spill: Spill,
}

impl<'t, G: Gateway> Exchange<'t, G> {
    /// Above this, give data by reference.
    pub const COPY_BYTES: usize = 16 * 1024;

    /// The request head. It lives in the serving thread's buffer, valid for the whole call.
    pub fn request(&self) -> Request<'t> {
        self.request
    }

    /// What a trusted proxy tells of the client before it; nothing unless `FieldFacts::is_forwarded`.
    pub fn forwarded(&self) -> Forwarded {
        *self.forwarded
    }

    /// The other end of the connection.
    pub fn peer(&self) -> &Peer {
        &self.connection.peer
    }

    /// Which of the configured listeners took the connection (index into the list given at start).
    pub fn listener(&self) -> usize {
        self.connection.listener.into()
    }

    /// Takes the prepared body; a second call gives `Empty`.
    pub fn take_body(&mut self) -> RequestBody {
        std::mem::replace(&mut self.body, RequestBody::Empty)
    }

    /// What the connection keeps for the gateway.
    pub fn memory(&mut self) -> &mut G::Memory {
        &mut self.connection.memory
    }

    /// Whether the client has closed its side or is gone. Asks the socket, does not wait.
    pub fn is_disconnected(&self) -> bool {
        self.progress.is_gone || self.connection.is_half_closed || sys::is_peer_gone(self.socket())
    }

    /// The socket.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }

    /// Reads into the room what there is of a `Stream` body; the count, 0 at its end. Sends 100 Continue first where it is owed.
    /// Waits without the lock; leadership and permit are given away for the wait.
    pub fn read_body<U: Unlock>(&mut self, room: &mut Room<'_>, lock: &mut U) -> Result<usize, BodyError> {
        loop {
            if let Some(count) = self.try_read_body(room, lock)? {
                return Ok(count);
            }
            let now_ms = monotonic_ms();
            let until_ms = self.stream.pace.wait(&self.engine.options.body_pace, now_ms);
            let events = self.wait_for_peer(PollFlags::IN, until_ms.saturating_sub(now_ms), lock);
            if !events.is_empty() && !events.intersects(PollFlags::IN) {
                self.progress.is_gone = true;
                return Err(BodyError::Disconnected);
            }
        }
    }

    /// As `read_body`, but never waits for the body: `None` when nothing of it is there. For a thread beside the one of the
    /// call, which waits on `body_arrival` while others use the exchange.
    pub fn try_read_body<U: Unlock>(&mut self, room: &mut Room<'_>, lock: &mut U) -> Result<Option<usize>, BodyError> {
        if !self.stream.ahead.is_empty() {
            let count = room.put(self.stream.ahead);
            self.stream.ahead = &self.stream.ahead[count..];
            return Ok(Some(count));
        }
        let most = usize::try_from(self.stream.left).unwrap_or(usize::MAX).min(room.left());
        if most == 0 {
            return Ok(Some(0));
        }
        if std::mem::take(&mut self.stream.owes_continue) && !self.is_head_sent() {
            self.outgoing.tail.extend_from_slice(CONTINUE);
            self.push_out(lock).map_err(|Disconnected| BodyError::Disconnected)?;
        }
        match room.receive(self.connection.as_fd(), most) {
            Transfer::Bytes(0) | Transfer::Gone => {
                self.progress.is_gone = true;
                Err(BodyError::Disconnected)
            }
            Transfer::Bytes(count) => {
                self.stream.left -= count as u64;
                self.stream.pace.moved(&self.engine.options.body_pace, monotonic_ms(), count as u64);
                Ok(Some(count))
            }
            Transfer::WouldBlock => {
                let (rule, now_ms) = (&self.engine.options.body_pace, monotonic_ms());
                self.stream.pace.wait(rule, now_ms);
                let Some(breach) = self.stream.pace.breach(rule, now_ms) else { return Ok(None) };
                Err(BodyError::TimedOut(self.engine.tell_slow_sender(&self.connection.peer, breach)))
            }
        }
    }

    /// What a thread waits on for more of the body without holding the exchange.
    pub fn body_arrival(&self) -> std::io::Result<BodyArrival> {
        self.socket().try_clone_to_owned().map(BodyArrival)
    }

    /// Sends an interim response (103 Early Hints) now: `fields` are checked, serialised "Name: value\r\n" lines.
    /// Nothing happens for HTTP/1.0 clients or after the head.
    pub fn send_interim(&mut self, status: u16, fields: &[u8]) -> Result<(), Disconnected> {
        if self.request.line.version == Version::Http10 || self.is_head_sent() {
            return Ok(());
        }
        let tail = &mut self.outgoing.tail;
        tail.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", reason(status)).as_bytes());
        tail.extend_from_slice(fields);
        tail.extend_from_slice(b"\r\n");
        self.push_out(&mut ())
    }

    /// Whether the final head has been handed over with `send_head`: from then on it cannot be replaced.
    pub fn is_head_sent(&self) -> bool {
        self.progress.framed.is_some()
    }

    /// Hands over the final head. `known_length`: length of the whole body where it is known though not declared.
    /// The bytes leave with the first body bytes or at `flush`.
    pub fn send_head(&mut self, head: &ResponseHead, known_length: Option<u64>) {
        let engine = self.engine;
        let is_head = self.request.line.method == b"HEAD";
        let unread = self.stream.left > engine.options.discard_bytes || self.stream.owes_continue;
        let is_kept = self.is_kept && !unread && !engine.is_leaving();
        if engine.clock.tick() != self.began_tick {
            // Nobody else may have looked at the clock while the call went on.
            engine.clock.refresh();
        }
        let date = self.date.at(engine.clock.unix_s());
        let server = engine.options.server.as_bytes();
        let out = &mut self.outgoing.tail;
        let framed = head.finish(is_head, self.request.line.version, is_kept, known_length, date, server, out);
        self.progress.framed = Some(framed);
        self.progress.status = head.status();
    }

    /// Body bytes still owed to the declared length; `None` when the length is not fixed.
    pub fn body_left(&self) -> Option<u64> {
        self.progress.left()
    }

    /// Adds body bytes (copied; meant for small ones). They leave at `flush`, at the latest when the call ends.
    pub fn send(&mut self, data: &[u8]) -> Sent {
        let (taken, sent) = self.progress.admit(data.len() as u64);
        if taken > 0 {
            self.begin_chunk(taken);
            self.outgoing.tail.extend_from_slice(&data[..taken as usize]);
            self.end_chunk();
        }
        sent
    }

    /// Adds body bytes by reference: for data above `Exchange::COPY_BYTES`.
    pub fn send_held(&mut self, mut data: Held) -> Sent {
        let (taken, sent) = self.progress.admit(data.bytes().len() as u64);
        if taken > 0 {
            data.truncate(taken as usize);
            self.begin_chunk(taken);
            self.add_piece(Piece::Held { held: data, at: 0 });
            self.end_chunk();
        }
        sent
    }

    /// Adds a range of a regular file, sent by sendfile. `file` is the engine's own descriptor.
    pub fn send_file(&mut self, file: OwnedFd, offset: u64, len: u64) -> Sent {
        let (taken, sent) = self.progress.admit(len);
        if taken > 0 {
            self.begin_chunk(taken);
            if taken > SMALL_FILE || !self.read_cached(&file, offset, taken as usize) {
                self.add_piece(Piece::File { file: Source::Given(file), offset, left: taken });
            }
            self.end_chunk();
        }
        sent
    }

    /// Makes everything added so far leave. Past the high-water mark it waits for the peer, without the lock.
    pub fn flush<U: Unlock>(&mut self, lock: &mut U) -> Result<(), Disconnected> {
        self.push_out(lock)?;
        if self.engine.scheduler.has_beginners() {
            // A call whose client takes every block never waits: who wants to begin gets the lock between two of them.
            lock.unlocked(std::thread::yield_now);
        }
        if !self.slot.has_output() || self.body_left() == Some(0) || self.may_spill() {
            return Ok(());
        }
        let mut moved = 0;
        let mut has_waited = false;
        loop {
            let (held, left) = self.output_waiting();
            let Demand { rule, look_ms, store } = self.engine.demand(self.engine.scheduler.is_single());
            if held <= self.engine.output_mark() || self.may_spill() {
                if has_waited && let Some(pace) = &mut self.connection.pace {
                    // The producer's own time, until the next block, is not the client's.
                    pace.moved(&rule, monotonic_ms(), moved.max(1));
                }
                return Ok(());
            }
            if !std::mem::replace(&mut has_waited, true) {
                self.engine.counters.producer_waited();
            }
            let now_ms = monotonic_ms();
            let until_ms = self.connection.wait_for_reader(&rule, now_ms, moved);
            if let Some(breach) = self.connection.pace.and_then(|pace| pace.breach(&rule, now_ms)) {
                match store {
                    Some(store) => self.engine.tell_cut(store, &self.connection.peer),
                    None => self.engine.tell_slow_reader(&self.connection.peer, breach),
                }
                return self.gone();
            }
            let events = self.wait_for_peer(PollFlags::OUT, until_ms.saturating_sub(now_ms).min(look_ms), lock);
            if !events.is_empty() && !events.intersects(PollFlags::OUT) {
                return self.gone();
            }
            self.push_out(lock)?;
            moved = left.saturating_sub(self.output_waiting().1);
            self.connection.has_sent(moved);
            self.connection.widen(&self.engine.wide_queues);
        }
    }

    /// Ends the response: the last chunk where one is due. Without it the connection is cut when the call returns.
    pub fn finish(&mut self) -> Ended {
        if self.progress.is_chunked() && !self.progress.is_finished {
            self.outgoing.tail.extend_from_slice(LAST_CHUNK);
        }
        self.progress.finish()
    }

    /// Cuts the connection after the call, so that the client cannot take the body for whole.
    pub fn abort(&mut self) {
        self.progress.is_aborted = true;
    }

    /// Answers with the server's own text/plain error (e.g. 500) if no head was sent, else aborts. Keeps the connection
    /// where the framing allows it.
    pub fn refuse(&mut self, status: u16, code: &str, text: &str) {
        if self.is_head_sent() {
            return self.abort();
        }
        let mut head = ResponseHead::new();
        let body = format!("{code}: {text}\n");
        let is_valid = head.start(format!("{status} {}", reason(status)).as_bytes()).is_ok()
            && head.field(b"Content-Type", b"text/plain; charset=utf-8").is_ok();
        debug_assert!(is_valid);
        // A client that was too slow is not waited for again.
        self.is_kept &= status != 408;
        self.send_head(&head, Some(body.len() as u64));
        self.send(body.as_bytes());
        self.finish();
    }

    /// The call is over: what the caller is to the reactor, what became of the response, how the connection goes on.
    pub(crate) fn end(self) -> (Turn, Progress, After) {
        let after = match self.progress.is_gone {
            true => After::Close,
            false => self.progress.after(self.stream.left, self.engine.options.discard_bytes),
        };
        if after == After::Linger && self.stream.left > self.engine.options.discard_bytes {
            self.engine.counters.body_left_unread();
        }
        (self.turn, self.progress, after)
    }

    fn begin_chunk(&mut self, len: u64) {
        if self.progress.is_chunked() {
            chunk_start(len as usize, &mut self.outgoing.tail);
        }
    }

    fn end_chunk(&mut self) {
        if self.progress.is_chunked() {
            self.outgoing.tail.extend_from_slice(CHUNK_END);
        }
    }

    fn add_piece(&mut self, piece: Piece) {
        let tail = std::mem::take(&mut self.outgoing.tail);
        self.outgoing.queue.push(Piece::Bytes { data: tail, at: 0 });
        self.outgoing.queue.push(piece);
    }

    /// Copies a range out of the page cache; `false` when it is not all there, and nothing was added.
    fn read_cached(&mut self, file: &OwnedFd, offset: u64, len: usize) -> bool {
        let tail = &mut self.outgoing.tail;
        let start = tail.len();
        tail.resize(start + len, 0);
        let runs = &mut [std::io::IoSliceMut::new(&mut tail[start..])];
        let flags = rustix::io::ReadWriteFlags::NOWAIT;
        let is_read = rustix::io::preadv2(file, runs, offset, flags) == Ok(len);
        if !is_read {
            tail.truncate(start);
        }
        is_read
    }

    /// Whether a slow reader costs a file rather than the thread: where there is one permit, and room.
    fn may_spill(&self) -> bool {
        self.engine.scheduler.is_single() && self.spill.has_room()
    }

    /// Puts output that would make the producer wait into a file, where there is one permit. `false`: there is no room, and the
    /// output stays with the producer.
    fn spill<U: Unlock>(&mut self, lock: &mut U) -> bool {
        let is_due = self.engine.scheduler.is_single() && self.spill.may_have_room() && self.slot.has_output();
        if !is_due || self.output_waiting().0 <= self.engine.options.output_buffer {
            return true;
        }
        self.outgoing.gather();
        lock.unlocked(|| self.spill.take(&mut self.outgoing.queue, self.engine.answer_plan()));
        if !self.spill.has_room() {
            // It cuts those that hold the room and take least of it.
            self.engine.wake_leader();
        }
        self.spill.has_room() || !self.spill.may_have_room()
    }

    /// Output that waits in the slot: bytes in memory, and bytes with those of files.
    fn output_waiting(&self) -> (usize, u64) {
        self.slot.lock_output().as_ref().map_or((0, 0), |output| (output.bytes(), output.left()))
    }

    fn gone<T>(&mut self) -> Result<T, Disconnected> {
        self.progress.is_gone = true;
        Err(Disconnected)
    }

    /// Sends what the socket takes; the rest waits in the slot, where the leader sends it when the socket takes more.
    fn push_out<U: Unlock>(&mut self, lock: &mut U) -> Result<(), Disconnected> {
        if self.progress.is_gone {
            self.outgoing.queue = Output::default();
            self.outgoing.tail.clear();
            return Err(Disconnected);
        }
        let size = self.outgoing.len();
        if !self.spill(lock) {
            return Ok(());
        }
        if size > NARROW_BYTES as usize {
            self.connection.widen(&self.engine.wide_queues);
        }
        let (slot, outgoing, stream) = (self.slot, &mut *self.outgoing, self.connection.as_fd());
        let memory = &self.engine.memory;
        let (flushed, moved) = if size >= UNLOCKED_SEND {
            lock.unlocked(|| push(slot, outgoing, stream, memory))
        } else {
            push(slot, outgoing, stream, memory)
        };
        self.connection.has_sent(moved as u64);
        if flushed != Flushed::All {
            // The leader may be asleep, and the call may go on for long.
            self.engine.ask_for_memory();
        }
        // Before its first rest a socket is not with the reactor, which must hear when it takes more.
        let is_heard = flushed == Flushed::All || self.engine.register(self.connection);
        if flushed == Flushed::Gone || !is_heard { self.gone() } else { Ok(()) }
    }

    /// Waits for the socket without lock, leadership and permit. An error, too, when too many wait and this peer is the
    /// slowest.
    fn wait_for_peer<U: Unlock>(&mut self, flags: PollFlags, timeout_ms: u64, lock: &mut U) -> PollFlags {
        let engine = self.engine;
        let gives_permit = !engine.scheduler.is_single();
        lock.unlocked(|| {
            let descriptor = self.connection.descriptor();
            let is_silent = flags == PollFlags::IN && !self.slot.has_output();
            if is_silent {
                engine.unregister(self.connection);
            }
            self.resign();
            // Without a descriptor for it the wait could not be ended, and there would be no bound.
            let Ok(alarm) = Alarm::take() else { return PollFlags::ERR };
            let pace = if flags == PollFlags::IN { self.stream.pace } else { self.connection.pace.unwrap_or_default() };
            let to_go = if is_silent { 0 } else { engine.to_go(descriptor) };
            let wait = Wait { descriptor, pace, to_go, alarm: Arc::clone(&alarm) };
            engine.peer_waits.begin(wait, monotonic_ms(), |descriptor| engine.to_go(descriptor));
            engine.scheduler.peer_wait_begins(gives_permit);
            let events = sys::wait_for_until(self.connection.as_fd(), flags, alarm.as_fd(), timeout_ms);
            let is_cut = engine.peer_waits.end(descriptor);
            engine.scheduler.peer_wait_ends(gives_permit);
            if is_cut {
                engine.tell_cut_wait(&self.connection.peer);
                return PollFlags::ERR;
            }
            alarm.keep();
            events
        })
    }

    /// Gives the leadership away, because this thread is about to wait.
    fn resign(&mut self) {
        let Turn::Leading(calling) = &self.turn else { return };
        if let Some(lead) = self.engine.leadership.resign(calling) {
            self.engine.scheduler.hand(lead);
        }
        self.turn = Turn::Detached;
    }
}

impl<G: Gateway> Engine<G> {
    /// Output that the peer has not acknowledged yet. Only of a connection that somebody keeps open meanwhile.
    pub(crate) fn to_go(&self, descriptor: u32) -> u64 {
        let Some(slot) = self.slots.get(descriptor) else { return 0 };
        let waiting = slot.lock_output().as_ref().map_or(0, |output| output.left());
        // SAFETY: the caller owns the connection, or holds the list of those that wait locked, in which the owner is: the
        // descriptor is open until it has left that list.
        waiting + sys::unacknowledged(unsafe { BorrowedFd::borrow_raw(descriptor as i32) })
    }
}

fn monotonic_ms() -> u64 {
    monotonic_us() / 1000
}
