//! HTTP/1.x without I/O: bytes in, one reading of them out; no socket, no clock, no unsafe.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

extern crate alloc;

pub mod body;
pub mod connection;
pub mod error;
pub mod framing;
pub mod head;
pub mod limits;
pub mod response;

pub use body::{ChunkedDecoder, Decoded};
pub use connection::keeps_alive;
pub use error::{Reject, RejectKind};
pub use framing::{ConnectionOptions, FieldFacts, Framing, Host};
pub use head::{FieldTable, RequestLine, Scanner, TargetForm, Version, check_host, fields, request_line};
pub use limits::Limits;
pub use response::{BodyLength, FieldError, FieldKind, Framed, ResponseHead, StatusError};
