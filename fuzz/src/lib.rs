//! What the targets share: how inputs are delivered, and readers written straight from the grammar to judge by.

pub mod delivery;
pub mod gateway;
pub mod reference;
/// The reader of the crate's own tests: one message from any pieces.
#[path = "../../crates/http1/tests/support/mod.rs"]
pub mod support;
