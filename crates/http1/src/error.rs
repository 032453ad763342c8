//! Every way in which a message is refused: one kind per rule, with status, code, clause and text.

use core::fmt;

/// Why and where a message was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The rule.
    pub kind: RejectKind,
    /// Offset of the offending byte from the start of what was given; 0 where it came in an earlier piece of a body.
    pub at: usize,
}

impl Reject {
    pub(crate) const fn new(kind: RejectKind, at: usize) -> Self {
        Self { kind, at }
    }

    /// The same refusal, for a caller whose bytes begin `by` bytes earlier.
    pub(crate) const fn shifted(self, by: usize) -> Self {
        Self { kind: self.kind, at: self.at.saturating_add(by) }
    }
}

/// The rule's sentence and the offset: what a log line needs.
impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (byte {}; {})", self.kind.code(), self.kind.text(), self.at, self.kind.clause())
    }
}

impl core::error::Error for Reject {}

/// The one table of refusals: variant, status, code, clause; text.
macro_rules! refusals {
    ($($kind:ident $status:literal $code:literal $clause:literal $text:literal)*) => {
        /// One variant per refusal.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum RejectKind {
            $(#[doc = $text] $kind,)*
        }

        impl RejectKind {
            /// Every kind, for tables and tests.
            pub const ALL: &'static [RejectKind] = &[$(RejectKind::$kind),*];

            /// The status code that the peer gets.
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status),* }
            }

            /// The stable reason code, kebab-case.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code),* }
            }

            /// The clause that asks for it, such as "RFC 9112 §6.3".
            pub const fn clause(self) -> &'static str {
                match self { $(Self::$kind => $clause),* }
            }

            /// One sentence: what was wrong.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$kind => $text),* }
            }
        }
    };
}

refusals! {
    // Line ends and bytes that no part of a head may hold.
    BareLf 400 "bare-lf" "RFC 9112 §2.2"
        "A line ends in LF without CR."
    BareCr 400 "bare-cr" "RFC 9112 §2.2"
        "A CR is not followed by LF."
    Nul 400 "nul" "RFC 9110 §5.5"
        "A NUL byte stands in the head."
    EmptyLines 400 "empty-lines" "RFC 9112 §2.2"
        "Too many empty lines come before the request line."
    TlsOnClearText 400 "tls-on-clear-text" "RFC 8446 §5.1"
        "A TLS handshake came to a port that speaks clear text."

    // Request line.
    RequestLineSpacing 400 "request-line-spacing" "RFC 9112 §3"
        "The parts of the request line are not separated by exactly one space each."
    RequestLineTooLong 414 "request-line-too-long" "RFC 9112 §3"
        "The request line is longer than the limit."
    MethodMalformed 400 "method-malformed" "RFC 9110 §9.1"
        "The method is not a token."
    MethodTooLong 501 "method-too-long" "RFC 9112 §3.1"
        "The method is longer than any that is implemented."
    ConnectUnsupported 501 "connect-unsupported" "RFC 9110 §9.3.6"
        "CONNECT asks for a tunnel, which this server does not give."
    Http09 400 "http-0.9" "RFC 9112 §2.3"
        "The request line has no version: HTTP/0.9 is not spoken."
    Http2Preface 505 "http2-preface" "RFC 9113 §3.4"
        "An HTTP/2 connection preface came where HTTP/1.1 is spoken."
    VersionMalformed 400 "version-malformed" "RFC 9112 §2.3"
        "The version is not HTTP/ and two digits with a dot between."
    VersionUnsupported 505 "version-unsupported" "RFC 9110 §15.6.6"
        "The major version of HTTP is not 1."
    TargetMalformed 400 "target-malformed" "RFC 9112 §3.2"
        "The request target has none of the forms that the method may use, or a byte that no target may hold."
    TargetEscape 400 "target-escape" "RFC 3986 §2.1"
        "A % in the path is not followed by two hexadecimal digits."
    TargetNul 400 "target-nul" "RFC 3986 §7.3"
        "The path holds an encoded NUL."
    TargetScheme 400 "target-scheme" "RFC 9110 §4.2"
        "The scheme of the target is neither http nor https."
    TargetUserinfo 400 "target-userinfo" "RFC 9110 §4.2.4"
        "The target names a user before its host."
    TargetAuthority 400 "target-authority" "RFC 9110 §4.2.1"
        "The target's host is empty or malformed, or its port is no port."
    AsteriskNotOptions 400 "asterisk-not-options" "RFC 9112 §3.2.4"
        "The target * belongs to OPTIONS alone."

    // Sizes of the head.
    HeadTooLarge 431 "head-too-large" "RFC 6585 §5"
        "The request head is larger than the limit."
    TooManyFields 431 "too-many-fields" "RFC 6585 §5"
        "The request has more fields than the limit."
    FieldTooLarge 431 "field-too-large" "RFC 6585 §5"
        "A field line is longer than the limit."

    // Field lines.
    LineFolded 400 "line-folded" "RFC 9112 §5.2"
        "A field line begins with a blank: obsolete line folding."
    FieldsAfterBlank 400 "fields-after-blank" "RFC 9112 §2.2"
        "A blank stands between the request line and the first field."
    FieldColonMissing 400 "field-colon-missing" "RFC 9112 §5"
        "A field line has no colon."
    FieldNameEmpty 400 "field-name-empty" "RFC 9112 §5"
        "A field line begins with the colon."
    FieldNameBlank 400 "field-name-blank" "RFC 9112 §5.1"
        "A blank stands between a field name and its colon."
    FieldNameMalformed 400 "field-name-malformed" "RFC 9110 §5.1"
        "A field name is not a token."
    FieldValueControl 400 "field-value-control" "RFC 9110 §5.5"
        "A field value holds a control character."
    FieldRepeated 400 "field-repeated" "RFC 9110 §5.3"
        "A field that has one value came twice."

    // Host.
    HostMissing 400 "host-missing" "RFC 9112 §3.2"
        "An HTTP/1.1 request has no Host."
    HostRepeated 400 "host-repeated" "RFC 9112 §3.2"
        "Host came twice."
    HostMalformed 400 "host-malformed" "RFC 9110 §7.2"
        "Host is not a host with an optional port."
    HostEmpty 400 "host-empty" "RFC 9110 §7.2"
        "Host is empty although the target names an authority."

    // Framing.
    TransferEncodingWithLength 400 "transfer-encoding-with-length" "RFC 9112 §6.3"
        "Transfer-Encoding and Content-Length came together."
    TransferEncodingInHttp10 400 "transfer-encoding-in-http-1.0" "RFC 9112 §6.1"
        "HTTP/1.0 knows no Transfer-Encoding."
    TransferEncodingMalformed 400 "transfer-encoding-malformed" "RFC 9112 §6.1"
        "Transfer-Encoding is not a list of plain coding names."
    TransferEncodingIdentity 400 "transfer-encoding-identity" "RFC 9112 §7"
        "The transfer coding identity exists no more."
    TransferEncodingTwice 400 "transfer-encoding-twice" "RFC 9112 §6.1"
        "The chunked coding is named twice."
    TransferEncodingNotFinal 400 "transfer-encoding-not-final" "RFC 9112 §6.3"
        "The last transfer coding is not chunked, so the body has no end."
    TransferCodingUnsupported 501 "transfer-coding-unsupported" "RFC 9112 §6.1"
        "A transfer coding other than chunked is not implemented."
    ContentLengthMalformed 400 "content-length-malformed" "RFC 9112 §6.3"
        "Content-Length is not one decimal number below 2^63."
    ContentTooLarge 413 "content-too-large" "RFC 9110 §15.5.14"
        "The body is larger than the limit."
    ExpectationUnknown 417 "expectation-unknown" "RFC 9110 §10.1.1"
        "Expect asks for something other than 100-continue."

    // Chunked bodies.
    ChunkSizeMalformed 400 "chunk-size-malformed" "RFC 9112 §7.1"
        "A chunk size is not a hexadecimal number."
    ChunkSizeTooLong 400 "chunk-size-too-long" "RFC 9112 §7.1"
        "A chunk size has more than 16 digits."
    ChunkSizeOverflow 400 "chunk-size-overflow" "RFC 9112 §7.1"
        "A chunk size is not below 2^63."
    ChunkExtensionMalformed 400 "chunk-extension-malformed" "RFC 9112 §7.1.1"
        "A chunk extension breaks the grammar or holds a control character."
    ChunkExtensionTooLong 400 "chunk-extension-too-long" "RFC 9112 §7.1.1"
        "The extensions of a chunk are longer than the limit."
    ChunkExtensionsTooLong 400 "chunk-extensions-too-long" "RFC 9112 §7.1.1"
        "The chunk extensions of the body are together longer than the limit."
    ChunkDataEnd 400 "chunk-data-end" "RFC 9112 §7.1"
        "Chunk data is not followed by CR LF."
    ChunkOverhead 400 "chunk-overhead" "RFC 9112 §7.1"
        "The body is mostly chunk framing."
    TrailersTooLarge 400 "trailers-too-large" "RFC 9112 §7.1.2"
        "The trailer section is larger than the limit."
    TooManyTrailers 400 "too-many-trailers" "RFC 9112 §7.1.2"
        "There are more trailer fields than the limit."
    TrailerForbidden 400 "trailer-forbidden" "RFC 9110 §6.5.1"
        "A trailer field may not concern framing, routing or the connection."
}

/// `code: text`.
impl fmt::Display for RejectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.text())
    }
}
