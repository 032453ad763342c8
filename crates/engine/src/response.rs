//! The response of one exchange: how much of what was announced has been given, and how the connection goes on.

use crate::connection::After;
use dragoman_http1::{BodyLength, Framed};

/// What became of body bytes that the gateway gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// All taken.
    All,
    /// Only so many fitted within the declared Content-Length; the rest is cut.
    Cut {
        /// Bytes taken.
        taken: u64,
    },
    /// The response has no body (HEAD, 204, 205, 304): dropped.
    Dropped,
}

/// How a response ended, as `Exchange::finish` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As declared.
    Complete,
    /// Fewer bytes than Content-Length: the connection is closed.
    Short {
        /// Content-Length.
        declared: u64,
        /// Bytes given.
        sent: u64,
    },
}

/// Progress of a response.
#[derive(Debug, Default)]
pub struct Progress {
    /// Framing, once the head was handed over.
    pub framed: Option<Framed>,
    /// Status, once the head was handed over.
    pub status: u16,
    /// Body bytes given.
    pub sent: u64,
    /// The response is complete.
    pub is_finished: bool,
    /// It will never be: the connection is cut.
    pub is_aborted: bool,
    /// The client is gone.
    pub is_gone: bool,
}

impl Progress {
    /// How many of `len` further body bytes the framing admits; counts them.
    pub fn admit(&mut self, len: u64) -> (u64, Sent) {
        let Some(framed) = self.framed else { return (0, Sent::Dropped) };
        match framed.body {
            BodyLength::None => (0, Sent::Dropped),
            BodyLength::Length(declared) => {
                let taken = len.min(declared - self.sent);
                self.sent += taken;
                (taken, if taken < len { Sent::Cut { taken } } else { Sent::All })
            }
            BodyLength::Chunked | BodyLength::UntilClose => {
                self.sent += len;
                (len, Sent::All)
            }
        }
    }

    /// Whether body bytes are chunks.
    pub fn is_chunked(&self) -> bool {
        self.framed.is_some_and(|framed| framed.body == BodyLength::Chunked)
    }

    /// Body bytes still owed to the declared length.
    pub fn left(&self) -> Option<u64> {
        match self.framed?.body {
            BodyLength::Length(declared) => Some(declared - self.sent),
            _ => None,
        }
    }

    /// Ends the response; a declared length that was not reached cuts the connection.
    pub fn finish(&mut self) -> Ended {
        self.is_finished = true;
        match (self.framed.map(|framed| framed.body), self.left()) {
            (Some(BodyLength::Length(declared)), Some(left)) if left > 0 => {
                self.is_aborted = true;
                Ended::Short { declared, sent: self.sent }
            }
            _ => Ended::Complete,
        }
    }

    /// How the connection goes on, with `unread` body bytes of the request still to come from the peer.
    pub fn after(&self, unread: u64, discard_most: u64) -> After {
        let is_kept = self.framed.is_some_and(|framed| framed.is_kept);
        let is_cut = self.is_aborted || !self.is_finished;
        let ends_with_connection = self.framed.is_some_and(|framed| framed.body == BodyLength::UntilClose);
        match (is_cut, is_kept, unread) {
            // Only a reset tells the client that a body without a length is not whole.
            (true, ..) if ends_with_connection => After::Reset,
            (true, ..) => After::Linger,
            (false, true, 0) => After::Next,
            (false, true, unread) if unread <= discard_most => After::Discard(unread),
            (false, false, 0) => After::Close,
            (false, ..) => After::Linger,
        }
    }
}
