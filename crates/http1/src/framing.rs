//! From fields to body length and connection options: RFC 9112 §6.3, step by step.

/// How the request body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// Exactly so many bytes (0 when Content-Length says 0).
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
}

/// The Host field as a span of the field block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// No Host field.
    Absent,
    /// A Host field with an empty value.
    Empty,
    /// A valid `uri-host[:port]`.
    Named {
        /// Offset in the field block.
        start: u32,
        /// Length in bytes.
        len: u32,
    },
}

/// What the Connection field asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// `close` is among the options.
    pub close: bool,
    /// `keep-alive` is among the options.
    pub keep_alive: bool,
    /// `upgrade` is among the options.
    pub upgrade: bool,
}

/// Everything that is derived from one field block and the version, nothing from peer or target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldFacts {
    /// Body framing.
    pub framing: Framing,
    /// The Host field.
    pub host: Host,
    /// `Expect: 100-continue` was sent by an HTTP/1.1 client.
    pub expects_continue: bool,
    /// Connection options.
    pub connection: ConnectionOptions,
    /// A field name with an underscore is among the fields (still in the table; the gateway drops it).
    pub has_underscore_name: bool,
}
