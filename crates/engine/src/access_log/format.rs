//! From a format text to a list of pieces, once at start: `common`, `combined`, `json` or gunicorn's atoms.

use super::line::BLOCK;
use std::fmt;

/// Most request fields that one format may name. Their values are collected in one pass over the field block.
pub(super) const MAX_REQUEST_FIELDS: usize = 16;

const COMMON: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s"#;
const COMBINED: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;

/// The environ variables whose values follow from the record, apart from those of request fields.
const VARIABLES: [(&str, Atom); 7] = [
    ("REQUEST_METHOD", Atom::Method),
    ("QUERY_STRING", Atom::Query),
    ("RAW_URI", Atom::Target),
    ("REQUEST_URI", Atom::Target),
    ("SERVER_PROTOCOL", Atom::Protocol),
    ("REMOTE_ADDR", Atom::Client),
    ("REMOTE_PORT", Atom::Port),
];

/// A compiled format.
#[derive(Debug, Default)]
pub(super) struct Format {
    pub(super) pieces: Vec<Piece>,
    pub(super) is_json: bool,
    /// Lower-case names of the request fields that the pieces point to by index.
    pub(super) request_fields: Vec<Box<[u8]>>,
    /// Bit n: one of those names has n bytes (63: or more). Most fields of a request are passed over by this alone.
    pub(super) field_lengths: u64,
}

/// One part of a line: the operator's own text, then a value.
#[derive(Debug, Default)]
pub(super) struct Piece {
    pub(super) text: [u8; BLOCK],
    /// How many bytes of `text` are meant.
    pub(super) text_len: usize,
    /// `None`: the text goes on, or ends the line.
    pub(super) atom: Option<Atom>,
}

/// A value that a record has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Atom {
    /// `h`: the client's address without port, which REMOTE_ADDR is, as in gunicorn.
    Client,
    /// The address of the connection's other end, which may be a proxy's.
    Peer,
    /// The peer's port.
    Port,
    /// `u`: user of Basic authentication; the index is that of the Authorization field.
    User(usize),
    /// `t`: end of the request, as `[10/Oct/2000:13:55:36 +0000]`.
    Time,
    /// End of the request by RFC 3339 with milliseconds.
    IsoTime,
    /// `r`: method, target and protocol.
    RequestLine,
    /// `m`: method.
    Method,
    /// The target as sent.
    Target,
    /// `U`: raw path.
    Path,
    /// `q`: raw query.
    Query,
    /// `H`: protocol.
    Protocol,
    /// `s`: status code.
    Status,
    /// `B` and `b`: bytes of response body.
    BodyBytes,
    /// `T`: duration in whole seconds.
    DurationSeconds,
    /// `M`: duration in whole milliseconds.
    DurationMillis,
    /// `D`: duration in microseconds.
    DurationMicros,
    /// `L`: duration in seconds with six decimals.
    DurationDecimal,
    /// `p`: `<process id>`.
    Pid,
    /// `{name}i`, `f`, `a`: a request field, by its index.
    RequestField(usize),
    /// `{name}o`: a response field.
    ResponseField(Box<[u8]>),
}

/// Why a format was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatError {
    /// The rule.
    pub kind: FormatErrorKind,
    /// Offset in bytes of the `%` or the character at fault.
    pub at: usize,
}

/// One variant per rule of the format text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatErrorKind {
    /// There is no text.
    Empty,
    /// An atom that does not exist; this is what stands between the brackets.
    UnknownAtom(String),
    /// `%({NAME}e)s` of an environ variable whose value does not follow from the request's record.
    UnknownVariable(String),
    /// `%(` without `)`.
    Unclosed,
    /// `%(x)` without `s` behind it.
    NotText,
    /// `%` that is followed neither by `(` nor by `%`.
    BarePercent,
    /// A control character: a line is one line.
    Control,
    /// More request fields than one format may name.
    TooManyFields,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FormatErrorKind::Empty => write!(f, "the format is empty: want common, combined, json or atoms"),
            FormatErrorKind::UnknownAtom(atom) => write!(
                f,
                "unknown atom %({})s at offset {}: known are h l u t r m U q H s B b f a T D M L p, \
                 {{name}}i (request field), {{name}}o (response field) and {{NAME}}e (environ variable)",
                atom.escape_debug(),
                self.at
            ),
            FormatErrorKind::UnknownVariable(name) => write!(
                f,
                "the environ variable %({{{}}}e)s at offset {} is not known to the log: known are {}, CONTENT_TYPE, \
                 CONTENT_LENGTH and HTTP_NAME for the request field Name",
                name.escape_debug(),
                self.at,
                VARIABLES.map(|(name, _)| name).join(", ")
            ),
            FormatErrorKind::Unclosed => write!(f, "%( without ) at offset {}", self.at),
            FormatErrorKind::NotText => write!(f, "atom without s behind it at offset {}: want %(x)s", self.at),
            FormatErrorKind::BarePercent => {
                write!(f, "lone % at offset {}: want %(x)s, or %% for a percent sign", self.at)
            }
            FormatErrorKind::Control => write!(f, "control character at offset {}", self.at),
            FormatErrorKind::TooManyFields => {
                write!(f, "more than {MAX_REQUEST_FIELDS} request fields, the next one at offset {}", self.at)
            }
        }
    }
}

impl std::error::Error for FormatError {}

impl Format {
    /// Compiles `text`: a name, or a text with atoms.
    pub(super) fn new(text: &str) -> Result<Self, FormatError> {
        match text {
            "common" => Self::from_atoms(COMMON),
            "combined" => Self::from_atoms(COMBINED),
            "json" => Self::json(),
            _ => Self::from_atoms(text),
        }
    }

    /// Whether a piece needs the time that the request took.
    pub(super) fn wants_duration(&self) -> bool {
        self.pieces.iter().filter_map(|piece| piece.atom.as_ref()).any(|atom| {
            use Atom::{DurationDecimal, DurationMicros, DurationMillis, DurationSeconds};
            matches!(atom, DurationSeconds | DurationMillis | DurationMicros | DurationDecimal)
        })
    }

    fn json() -> Result<Self, FormatError> {
        let mut format = Self { is_json: true, ..Self::default() };
        let refused = |kind| FormatError { kind, at: 0 };
        let referer = format.request_field("referer").map_err(refused)?;
        let user_agent = format.request_field("user-agent").map_err(refused)?;
        for (key, atom) in [
            ("{\"time\":", Atom::IsoTime),
            (",\"peer\":", Atom::Peer),
            (",\"client\":", Atom::Client),
            (",\"method\":", Atom::Method),
            (",\"target\":", Atom::Target),
            (",\"protocol\":", Atom::Protocol),
            (",\"status\":", Atom::Status),
            (",\"bytes\":", Atom::BodyBytes),
            (",\"duration_us\":", Atom::DurationMicros),
            (",\"referer\":", Atom::RequestField(referer)),
            (",\"user_agent\":", Atom::RequestField(user_agent)),
        ] {
            format.literal(key);
            format.value(atom);
        }
        format.literal("}");
        Ok(format)
    }

    fn from_atoms(text: &str) -> Result<Self, FormatError> {
        let refused = |kind, at| FormatError { kind, at };
        if text.is_empty() {
            return Err(refused(FormatErrorKind::Empty, 0));
        }
        if let Some((at, _)) = text.char_indices().find(|(_, char)| char.is_control()) {
            return Err(refused(FormatErrorKind::Control, at));
        }
        let mut format = Self::default();
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once('%') {
            let at = text.len() - behind.len() - 1;
            format.literal(literal);
            if let Some(next) = behind.strip_prefix('%') {
                format.literal("%");
                rest = next;
                continue;
            }
            let atom = behind.strip_prefix('(').ok_or_else(|| refused(FormatErrorKind::BarePercent, at))?;
            let (atom, next) = atom.split_once(')').ok_or_else(|| refused(FormatErrorKind::Unclosed, at))?;
            let next = next.strip_prefix('s').ok_or_else(|| refused(FormatErrorKind::NotText, at))?;
            format.atom(atom).map_err(|kind| refused(kind, at))?;
            rest = next;
        }
        format.literal(rest);
        Ok(format)
    }

    /// Adds text, in as many pieces as it needs.
    fn literal(&mut self, text: &str) {
        for &byte in text.as_bytes() {
            if !self.pieces.last().is_some_and(|piece| piece.atom.is_none() && piece.text_len < BLOCK) {
                self.pieces.push(Piece::default());
            }
            if let Some(piece) = self.pieces.last_mut() {
                piece.text[piece.text_len] = byte;
                piece.text_len += 1;
            }
        }
    }

    /// Adds a value.
    fn value(&mut self, atom: Atom) {
        match self.pieces.last_mut() {
            Some(piece) if piece.atom.is_none() => piece.atom = Some(atom),
            _ => self.pieces.push(Piece { atom: Some(atom), ..Piece::default() }),
        }
    }

    /// Adds the atom that stands between the brackets.
    fn atom(&mut self, name: &str) -> Result<(), FormatErrorKind> {
        let atom = match name {
            // RFC 1413 identity: nobody asks for it.
            "l" => {
                self.literal("-");
                return Ok(());
            }
            "h" => Atom::Client,
            "u" => Atom::User(self.request_field("authorization")?),
            "t" => Atom::Time,
            "r" => Atom::RequestLine,
            "m" => Atom::Method,
            "U" => Atom::Path,
            "q" => Atom::Query,
            "H" => Atom::Protocol,
            "s" => Atom::Status,
            "B" | "b" => Atom::BodyBytes,
            "f" => Atom::RequestField(self.request_field("referer")?),
            "a" => Atom::RequestField(self.request_field("user-agent")?),
            "T" => Atom::DurationSeconds,
            "D" => Atom::DurationMicros,
            "M" => Atom::DurationMillis,
            "L" => Atom::DurationDecimal,
            "p" => Atom::Pid,
            _ => match braced(name) {
                Some((name, "i")) => Atom::RequestField(self.request_field(name)?),
                Some((name, "o")) => Atom::ResponseField(name.as_bytes().into()),
                Some((name, "e")) => self.environ(name)?,
                _ => return Err(FormatErrorKind::UnknownAtom(name.to_owned())),
            },
        };
        self.value(atom);
        Ok(())
    }

    /// An environ variable, in any case of letters as in gunicorn. Others than these are known to the application's
    /// side alone: PATH_INFO too, since it depends on SCRIPT_NAME.
    fn environ(&mut self, name: &str) -> Result<Atom, FormatErrorKind> {
        let upper = name.to_ascii_uppercase();
        if let Some((_, atom)) = VARIABLES.into_iter().find(|(known, _)| *known == upper) {
            return Ok(atom);
        }
        let field = match upper.as_str() {
            // RFC 3875 §4.1.18 and CVE-2016-5385: the first three never appear with HTTP_ before them. The chunked coding
            // is decoded before the application is called.
            "HTTP_CONTENT_TYPE" | "HTTP_CONTENT_LENGTH" | "HTTP_PROXY" | "HTTP_TRANSFER_ENCODING" => None,
            "CONTENT_TYPE" | "CONTENT_LENGTH" => Some(upper.as_str()),
            _ => upper.strip_prefix("HTTP_").filter(|field| !field.is_empty()),
        };
        let field = field.ok_or_else(|| FormatErrorKind::UnknownVariable(name.to_owned()))?;
        Ok(Atom::RequestField(self.request_field(&field.replace('_', "-"))?))
    }

    /// The index of a request field, which is collected from now on.
    fn request_field(&mut self, name: &str) -> Result<usize, FormatErrorKind> {
        let name = name.to_ascii_lowercase().into_bytes().into_boxed_slice();
        if let Some(index) = self.request_fields.iter().position(|known| *known == name) {
            return Ok(index);
        }
        if self.request_fields.len() == MAX_REQUEST_FIELDS {
            return Err(FormatErrorKind::TooManyFields);
        }
        self.field_lengths |= length_bit(&name);
        self.request_fields.push(name);
        Ok(self.request_fields.len() - 1)
    }
}

/// The bit of `Format::field_lengths` for a name.
#[inline]
pub(super) fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

/// `{name}k` as (name, k).
fn braced(atom: &str) -> Option<(&str, &str)> {
    let (name, kind) = atom.strip_prefix('{')?.split_once('}')?;
    let is_name = !name.is_empty() && !name.contains(|char: char| char.is_whitespace() || "{}(".contains(char));
    is_name.then_some((name, kind))
}
