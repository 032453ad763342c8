//! Sockets, reactor, connections and the adaptive scheduler; requests are answered by a `Gateway`.

pub mod exchange;
pub mod gateway;

pub use exchange::{BodyError, Disconnected, Ended, Exchange, Request, RequestBody, Sent};
pub use gateway::{Gateway, Held, Peer, Unlock};
