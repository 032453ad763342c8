//! Reads a message the way that a connection does, from any pieces, for the tests.
#![allow(dead_code, reason = "each test binary uses its part")]

use dragoman_http1::{
    ChunkedDecoder, FieldFacts, FieldTable, Framing, Limits, Reject, RequestLine, Scanner, TargetForm, Version,
    check_host, fields, request_line,
};

/// A complete message, by value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub form: TargetForm,
    pub authority: Option<Vec<u8>>,
    pub path: Vec<u8>,
    pub path_is_encoded: bool,
    pub query: Vec<u8>,
    pub version: Version,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub block: Vec<u8>,
    pub facts: FieldFacts,
    pub body: Vec<u8>,
    /// Bytes of the head.
    pub head_len: usize,
    /// Bytes of head and body.
    pub len: usize,
}

/// What became of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted(Box<Message>),
    Refused(Reject),
    Incomplete,
}

/// Which function sees the bytes first: both orders occur on a connection.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// The scanner looks for the end of the head.
    ScanFirst,
    /// The request line is tried at once, for its field block may be one that is known.
    LineFirst,
}

/// Delivers `bytes` in pieces that end at `cuts` (ascending) and at the end, until the message is complete or refused.
pub fn read(bytes: &[u8], cuts: &[usize], order: Order, limits: &Limits) -> Outcome {
    let mut reader = Reader::new(order, limits);
    for &end in cuts.iter().chain([&bytes.len()]) {
        match reader.more(&bytes[..end]) {
            Ok(None) => {}
            Ok(Some(message)) => return Outcome::Accepted(Box::new(message)),
            Err(reject) => return Outcome::Refused(reject),
        }
    }
    Outcome::Incomplete
}

/// Every offset inside `bytes`: delivery byte by byte.
pub fn every_byte(bytes: &[u8]) -> Vec<usize> {
    (1..bytes.len()).collect()
}

/// An error that counts from the start of the message.
fn from(start: usize) -> impl Fn(Reject) -> Reject {
    move |reject| Reject { kind: reject.kind, at: reject.at + start }
}

struct Reader<'l> {
    limits: &'l Limits,
    order: Order,
    scanner: Scanner,
    decoder: ChunkedDecoder,
    head: Option<Message>,
}

impl<'l> Reader<'l> {
    fn new(order: Order, limits: &'l Limits) -> Self {
        Self { limits, order, scanner: Scanner::new(), decoder: ChunkedDecoder::new(), head: None }
    }

    /// `buffer` is everything so far.
    fn more(&mut self, buffer: &[u8]) -> Result<Option<Message>, Reject> {
        if self.head.is_none() {
            if let Order::LineFirst = self.order {
                request_line(buffer, self.limits)?;
            }
            let Some(end) = self.scanner.scan(buffer, self.limits)? else { return Ok(None) };
            self.head = Some(self.parse_head(&buffer[..end])?);
        }
        let message = self.head.as_mut().unwrap();
        match message.facts.framing {
            Framing::None => {}
            Framing::Length(length) => {
                let end = message.len + usize::try_from(length).unwrap();
                let Some(body) = buffer.get(message.len..end) else { return Ok(None) };
                message.body = body.to_vec();
                message.len = end;
            }
            Framing::Chunked => loop {
                let input = &buffer[message.len..];
                // The offset counts from the piece that shows the fault, and so differs from split to split.
                let at_body = |reject: Reject| Reject { at: message.head_len, ..reject };
                let step = self.decoder.decode(input, self.limits).map_err(at_body)?;
                message.body.extend_from_slice(step.data);
                message.len += step.consumed;
                if step.is_end {
                    break;
                }
                if step.consumed == 0 {
                    return Ok(None);
                }
            },
        }
        Ok(self.head.take())
    }

    fn parse_head(&self, head: &[u8]) -> Result<Message, Reject> {
        let line = request_line(head, self.limits)?.expect("a scanned head has a whole request line");
        let block = &head[line.len..];
        let mut table = FieldTable::new();
        let facts = fields(block, line.version, self.limits, &mut table).map_err(from(line.len))?;
        check_host(&line, &facts)?;
        Ok(message(&line, block, &table, facts, head.len()))
    }
}

fn message(line: &RequestLine<'_>, block: &[u8], table: &FieldTable, facts: FieldFacts, len: usize) -> Message {
    Message {
        method: line.method.to_vec(),
        target: line.target.to_vec(),
        form: line.form,
        authority: line.authority.map(<[u8]>::to_vec),
        path: line.path.to_vec(),
        path_is_encoded: line.path_is_encoded,
        query: line.query.to_vec(),
        version: line.version,
        fields: table.iter(block).map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
        block: block.to_vec(),
        facts,
        body: Vec::new(),
        head_len: len,
        len,
    }
}
