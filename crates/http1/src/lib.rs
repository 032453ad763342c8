//! HTTP/1.x without I/O: bytes in, one reading of them out; no socket, no clock, no unsafe.
//!
//! ```
//! use dragoman_http1::{FieldTable, Framing, Limits, Scanner, fields, request_line};
//!
//! let limits = Limits::default();
//! let received = b"POST /a?b HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello";
//! let mut scanner = Scanner::new();
//! assert_eq!(scanner.scan(&received[..20], &limits), Ok(None));
//! let head_len = scanner.scan(received, &limits)?.unwrap();
//!
//! let line = request_line(&received[..head_len], &limits)?.unwrap();
//! let mut table = FieldTable::new();
//! let facts = fields(&received[line.len..head_len], line.version, &limits, &mut table)?;
//! assert_eq!((line.path, line.query, facts.framing), (&b"/a"[..], &b"b"[..], Framing::Length(5)));
//! # Ok::<(), dragoman_http1::Reject>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

extern crate alloc;

pub mod body;
pub mod connection;
pub mod error;
pub mod framing;
mod grammar;
pub mod head;
pub mod limits;
pub mod response;
mod status;

pub use body::{ChunkedDecoder, Decoded};
pub use connection::keeps_alive;
pub use error::{Reject, RejectKind};
pub use framing::{ConnectionOptions, FieldFacts, Framing, Host};
pub use head::{
    FieldTable, MAX_EMPTY_LINES, RequestLine, Scanner, TargetForm, Version, check_host, decode_path, fields,
    request_line,
};
pub use limits::Limits;
pub use response::{BodyLength, FieldError, FieldKind, Framed, ResponseHead, StatusError};
pub use status::reason;
