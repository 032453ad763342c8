//! One finished request, as access log, metrics and inspector see it.

use crate::gateway::Peer;
use dragoman_http1::{FieldTable, ResponseHead, Version};
use std::net::IpAddr;

/// One finished request. It borrows from the exchange that has just ended, so that making one copies nothing.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// The other end of the connection.
    pub peer: &'r Peer,
    /// The client before it, of whom a trusted proxy has told.
    pub client: Option<IpAddr>,
    /// Method; empty when no request line could be read.
    pub method: &'r [u8],
    /// The request target exactly as sent.
    pub target: &'r [u8],
    /// Raw (still percent-encoded) path.
    pub path: &'r [u8],
    /// Raw query without `?`; empty when absent.
    pub query: &'r [u8],
    /// The client's version.
    pub version: Version,
    /// The request's fields and the block that the table points into; `None` when they could not be read.
    pub fields: Option<(&'r FieldTable, &'r [u8])>,
    /// The response head that the application gave; `None` for an answer of the server's own.
    pub head: Option<&'r ResponseHead>,
    /// Status code that was sent.
    pub status: u16,
    /// Bytes of response body, without head and chunk framing.
    pub body_bytes: u64,
    /// How long the answer took, from the call on; 0 when nobody wants to know (`AccessLog::wants_duration`).
    pub duration_us: u64,
    /// Wall clock at the end of the request.
    pub unix_us: u64,
}

impl<'r> Record<'r> {
    /// A message that the engine refused before it was a request.
    pub fn refused(peer: &'r Peer, status: u16, unix_us: u64) -> Self {
        Self {
            peer,
            client: None,
            method: b"",
            target: b"",
            path: b"",
            query: b"",
            version: Version::Http11,
            fields: None,
            head: None,
            status,
            body_bytes: 0,
            duration_us: 0,
            unix_us,
        }
    }

    /// Value of the first response field of that name (case-insensitive).
    pub fn response_field(&self, name: &[u8]) -> Option<&'r [u8]> {
        self.head.and_then(|head| head.find(name))
    }

    /// The protocol as `SERVER_PROTOCOL` spells it.
    pub fn protocol(&self) -> &'static [u8; 8] {
        match self.version {
            Version::Http10 => b"HTTP/1.0",
            Version::Http11 => b"HTTP/1.1",
        }
    }
}
