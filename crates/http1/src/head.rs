//! The request head: finding its end as bytes arrive, the request line, the field block.

mod fields;
mod request_line;
mod scanner;
mod target;

pub use fields::{FieldTable, fields};
pub use request_line::{MAX_EMPTY_LINES, RequestLine, request_line};
pub use scanner::Scanner;
pub use target::{TargetForm, decode_path};

pub(crate) use target::is_host_with_port;

use crate::{FieldFacts, Host, Reject, RejectKind};

/// HTTP versions that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1, and HTTP/1.2 to 1.9 read as 1.1.
    Http11,
}

/// The Host rules that need target and fields together; the others are kept by [`fields`].
pub fn check_host(line: &RequestLine<'_>, facts: &FieldFacts) -> Result<(), Reject> {
    // RFC 9110 §7.2: Host is empty only when the target has no authority; here it has one.
    if line.authority.is_some() && facts.host == Host::Empty {
        return Err(Reject::new(RejectKind::HostEmpty, line.len));
    }
    Ok(())
}
