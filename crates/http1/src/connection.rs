//! Whether a connection persists after an exchange: RFC 9112 §9.3.

use crate::{ConnectionOptions, Version};

/// Whether the client wants the connection kept after this request.
///
/// RFC 9112 §9.3, in its order: `close` ends it, whatever else is said; HTTP/1.1 keeps it; HTTP/1.0 keeps it where
/// `keep-alive` asks for that.
pub fn keeps_alive(version: Version, options: &ConnectionOptions) -> bool {
    !options.close && (version == Version::Http11 || options.keep_alive)
}
