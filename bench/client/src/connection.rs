//! One client connection: what waits to be sent, what is awaited, and what came so far.

use crate::plan::{Batch, End};
use crate::response::{Breach, Done, Reader};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The longest wait for a connection to be accepted by the kernel's queue.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a connection came to after it was driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something is still awaited, or the socket has no room.
    Waiting,
    /// All answers came; the connection is free for the next batch.
    Free,
    /// All that was to happen happened; the connection is of no further use.
    Finished,
}

/// A non-blocking socket with at most one batch under way.
pub struct Connection {
    stream: TcpStream,
    reader: Reader,
    batch: Option<Batch>,
    bytes_sent: usize,
    answers: usize,
    bytes_came: usize,
    is_closing: bool,
    sent_at: Instant,
    /// An incomplete line, or data kept while a head is incomplete.
    rest: Vec<u8>,
}

impl Connection {
    /// Connects to `address`.
    pub fn open(address: SocketAddr) -> Result<Self, Breach> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).map_err(socket_breach)?;
        stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).map_err(socket_breach)?;
        Ok(Self {
            stream,
            reader: Reader::new(),
            batch: None,
            bytes_sent: 0,
            answers: 0,
            bytes_came: 0,
            is_closing: false,
            sent_at: Instant::now(),
            rest: Vec::new(),
        })
    }

    /// The socket, for registration.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// A batch is under way.
    pub fn is_busy(&self) -> bool {
        self.batch.is_some()
    }

    /// Which answer of which batch is awaited, for the report of a breach.
    pub fn describe(&self) -> String {
        let Some(batch) = &self.batch else { return "between two requests".into() };
        let line = batch.bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let (answer, count) = (self.answers + 1, batch.expected.len());
        format!("answer {answer} of {count} to the batch that begins {:?}", String::from_utf8_lossy(line))
    }

    /// Bytes of the batch still wait for room in the socket.
    pub fn wants_write(&self) -> bool {
        self.batch.as_ref().is_some_and(|batch| self.bytes_sent < batch.bytes.len())
    }

    /// Begins `batch`; only while free.
    pub fn begin(&mut self, batch: Batch, now: Instant) -> Result<Progress, Breach> {
        self.batch = Some(batch);
        (self.bytes_sent, self.answers, self.bytes_came) = (0, 0, 0);
        self.sent_at = now;
        self.send()
    }

    /// Sends what the socket takes.
    pub fn send(&mut self) -> Result<Progress, Breach> {
        let Some(batch) = &self.batch else { return Ok(Progress::Free) };
        while self.bytes_sent < batch.bytes.len() {
            match self.stream.write(&batch.bytes[self.bytes_sent..]) {
                Ok(count) => self.bytes_sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Waiting),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The answer (a refusal) may be in the receive buffer already: let the reading side decide.
                Err(_) => break,
            }
        }
        self.abort_if_due()
    }

    /// Reads what came, through `scratch`; `answered` hears the latency of each complete answer.
    pub fn receive(&mut self, scratch: &mut [u8], mut answered: impl FnMut(Duration)) -> Result<Progress, Breach> {
        loop {
            let count = match self.stream.read(scratch) {
                Ok(0) => return self.ended(answered),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Waiting),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(socket_breach(error)),
            };
            self.bytes_came += count;
            if self.rest.is_empty() {
                let taken = self.take(&scratch[..count], &mut answered)?;
                self.rest.extend_from_slice(&scratch[taken..count]);
            } else {
                let mut rest = std::mem::take(&mut self.rest);
                rest.extend_from_slice(&scratch[..count]);
                let taken = self.take(&rest, &mut answered)?;
                rest.drain(..taken);
                self.rest = rest;
            }
            let progress = self.progress()?;
            // A short read has drained the socket; epoll is level-triggered, so nothing can be missed.
            if progress != Progress::Waiting || count < scratch.len() {
                return Ok(progress);
            }
        }
    }

    /// Reads answers from `input`; returns the bytes taken.
    fn take(&mut self, input: &[u8], answered: &mut impl FnMut(Duration)) -> Result<usize, Breach> {
        let Some(batch) = &self.batch else { return Err(Breach::Surplus(input.len())) };
        let mut taken = 0;
        while taken < input.len() {
            let Some(expected) = batch.expected.get(self.answers) else {
                return match batch.end {
                    End::Abort { .. } => Ok(input.len()),
                    _ => Err(Breach::Surplus(input.len() - taken)),
                };
            };
            let (count, done) = self.reader.advance(&input[taken..], expected)?;
            taken += count;
            match done {
                Done::NotYet => break,
                Done::Keep | Done::Closing if self.is_closing => return Err(Breach::Surplus(input.len() - taken)),
                Done::Keep => {}
                Done::Closing => self.is_closing = true,
            }
            self.answers += 1;
            answered(self.sent_at.elapsed());
        }
        Ok(taken)
    }

    /// The server has closed.
    fn ended(&mut self, mut answered: impl FnMut(Duration)) -> Result<Progress, Breach> {
        let Some(batch) = &self.batch else { return Ok(Progress::Finished) };
        if matches!(batch.end, End::Abort { .. }) {
            return Ok(Progress::Finished);
        }
        if let Some(expected) = batch.expected.get(self.answers) {
            self.reader.end(expected)?;
            self.answers += 1;
            answered(self.sent_at.elapsed());
        }
        if self.answers < batch.expected.len() { Err(Breach::ClosedEarly) } else { Ok(Progress::Finished) }
    }

    fn progress(&mut self) -> Result<Progress, Breach> {
        let Some(batch) = &self.batch else { return Ok(Progress::Free) };
        if matches!(batch.end, End::Abort { .. }) {
            return self.abort_if_due();
        }
        if self.answers < batch.expected.len() {
            return if self.is_closing { Err(Breach::ClosedEarly) } else { Ok(Progress::Waiting) };
        }
        match batch.end {
            // The close itself is awaited: a server that forgets it would keep the descriptor.
            End::ServerCloses => Ok(Progress::Waiting),
            _ if self.is_closing => Ok(Progress::Finished),
            _ => {
                self.batch = None;
                Ok(Progress::Free)
            }
        }
    }

    /// Leaves when the batch is one that is to be aborted and enough has come.
    fn abort_if_due(&mut self) -> Result<Progress, Breach> {
        let Some(Batch { end: End::Abort { after_bytes, is_reset }, .. }) = &self.batch else {
            return Ok(Progress::Waiting);
        };
        if self.wants_write() || self.bytes_came < *after_bytes {
            return Ok(Progress::Waiting);
        }
        if *is_reset {
            // Linger 0 makes the close a reset: the peer that vanishes in the worst way.
            rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))
                .map_err(|error| socket_breach(error.into()))?;
        }
        Ok(Progress::Finished)
    }
}

fn socket_breach(error: std::io::Error) -> Breach {
    Breach::Socket(error.kind())
}
