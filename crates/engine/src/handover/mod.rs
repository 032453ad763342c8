//! The hand-over between threads: who leads, who owns what rests, who runs what is ready. No socket, no clock, no Python.
//!
//! Everything here is generic over what is handed over, and made of `sync`'s primitives only, so that loom can explore it
//! (`models`, `make loom`) and tests can make threads dally at every `edge`.

mod drowse;
mod edge;
mod inbox;
mod leadership;
mod mark;
#[cfg(all(test, loom))]
mod models;
mod parking;
mod ready;
mod sync;

#[cfg(feature = "edges")]
pub use edge::dally;
pub use edge::edge;

pub use drowse::Drowse;
pub use inbox::Inbox;
pub use leadership::{Calling, Lead, Leadership};
pub use mark::{Berth, Found};
pub use parking::{Assignment, Job, Parking};
pub use ready::{Bounds, ReadyQueue, Starter};
