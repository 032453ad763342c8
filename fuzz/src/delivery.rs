//! How the bytes of a connection arrive: whole, byte by byte, in pieces; and what is read of them.

use crate::support::{Message, Order, Outcome, every_byte, read};
use dragoman_http1::{Limits, RejectKind, keeps_alive};

/// Small limits, so that short inputs pass them.
pub const TIGHT: Limits = Limits {
    request_line: 40,
    method: 8,
    field: 24,
    fields: 4,
    head: 120,
    body: 40,
    chunk_extension: 8,
    chunk_extensions: 20,
    trailer_fields: 2,
    trailers: 30,
};

/// Places to cut `bytes` at, ascending: few or many, the same for the same bytes.
pub fn cuts_of(bytes: &[u8]) -> Vec<usize> {
    // FNV-1a begins the sequence, so that the input alone decides; xorshift goes on.
    let mut state = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
        | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let count = next() % 8;
    let mut cuts: Vec<usize> = (0..count).map(|_| next() % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// The deliveries that have to agree: whole, in pieces, byte by byte. A long input goes on in larger steps, for who
/// tries the request line at each of them looks at all that has come.
pub fn deliveries(bytes: &[u8]) -> [Vec<usize>; 3] {
    const BYTEWISE: usize = 300;
    let (first, rest) = bytes.split_at(bytes.len().min(BYTEWISE));
    let bytewise = every_byte(first).into_iter().chain((0..rest.len()).step_by(61).map(|at| BYTEWISE + at));
    [Vec::new(), cuts_of(bytes), bytewise.collect()]
}

/// What a connection comes to: the messages that are read, and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Requests, in order.
    pub messages: Vec<Message>,
    /// Why nothing more is read.
    pub end: End,
}

/// Why nothing more of a connection is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The bytes end, between messages or within one.
    Bytes,
    /// The last message closes the connection.
    Closed,
    /// A message is refused.
    Refused(RejectKind),
}

/// Reads a connection whose bytes arrive in pieces that end at `cuts` and at the end.
pub fn converse(bytes: &[u8], cuts: &[usize], order: Order, limits: &Limits) -> Conversation {
    let (mut start, mut messages) = (0, Vec::new());
    let end = loop {
        // What came with the last piece of the message before is here already.
        let ahead = cuts.partition_point(|&cut| cut < start);
        let cuts: Vec<usize> = cuts[ahead..].iter().map(|cut| cut - start).collect();
        match read(&bytes[start..], &cuts, order, limits) {
            Outcome::Incomplete => break End::Bytes,
            Outcome::Refused(reject) => break End::Refused(reject.kind),
            Outcome::Accepted(message) => {
                start += message.len;
                let is_kept = keeps_alive(message.version, &message.facts.connection);
                messages.push(*message);
                if !is_kept {
                    break End::Closed;
                }
            }
        }
    };
    Conversation { messages, end }
}
