//! Sockets, reactor, connections and the adaptive scheduler; requests are answered by a `Gateway`.

pub mod access_log;
mod attend;
mod call;
mod clock;
mod connection;
mod counters;
mod engine;
mod exchange;
mod gateway;
mod in_flight;
mod leadership;
mod listener;
mod mailbox;
mod memo;
mod notices;
mod options;
mod output;
mod plan;
mod predictor;
mod reactor;
pub mod record;
mod response;
mod scheduler;
mod sentinel;
mod serve;
mod slot;
mod spool;
mod sys;
mod timer;

pub use engine::Engine;
pub use exchange::{BodyError, Disconnected, Exchange, Request, RequestBody};
pub use gateway::{Gateway, Held, Peer, Unlock};
pub use listener::Listener;
pub use mailbox::{Event, Level};
pub use options::Options;
pub use response::{Ended, Sent};
