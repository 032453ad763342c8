//! Whether a connection persists after an exchange: RFC 9112 §9.3.

use crate::{ConnectionOptions, Version};

/// Whether the client wants the connection kept after this request.
pub fn keeps_alive(_version: Version, _options: &ConnectionOptions) -> bool { todo!() }
