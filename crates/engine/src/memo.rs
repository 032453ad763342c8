//! Parsed field blocks of one thread: a block that comes again byte for byte costs one comparison.
//!
//! The key is (version, exact block). The value is everything that follows from the block alone: fields, framing, Host,
//! connection options; nothing of peer or target, so that a hit on another connection is as good.

use dragoman_http1::{FieldFacts, FieldTable, Limits, Reject, Version, fields};

/// Blocks remembered by a thread.
const ENTRIES: usize = 16;
/// Larger blocks are parsed again each time, in the first entry.
const BLOCK_BYTES: usize = 2048;
/// The entry for blocks that are not remembered.
const UNREMEMBERED: usize = 0;

/// One parsed block.
#[derive(Debug)]
pub struct Entry {
    version: Version,
    block: Vec<u8>,
    /// Names and values, as spans of the block.
    pub fields: FieldTable,
    /// What follows from them.
    pub facts: FieldFacts,
}

/// A bounded set of parsed blocks.
#[derive(Debug, Default)]
pub struct Memo {
    entries: Vec<Entry>,
    next: usize,
}

impl Memo {
    /// The entry whose block stands at the front of `bytes`; `hint` is where the connection's last one was.
    /// A block ends with its only empty line, so one that matches at the front is the whole block.
    pub fn find(&self, hint: u16, version: Version, bytes: &[u8]) -> Option<u16> {
        let matches =
            |entry: &Entry| !entry.block.is_empty() && entry.version == version && bytes.starts_with(&entry.block);
        if self.entries.get(usize::from(hint)).is_some_and(matches) {
            return Some(hint);
        }
        self.entries.iter().position(matches).map(|at| at as u16)
    }

    /// Parses `block` and remembers it.
    pub fn parse(&mut self, version: Version, block: &[u8], limits: &Limits) -> Result<u16, Reject> {
        let mut table = FieldTable::new();
        let facts = fields(block, version, limits, &mut table)?;
        let is_remembered = block.len() <= BLOCK_BYTES;
        let remembered = if is_remembered { block.to_vec() } else { Vec::new() };
        let entry = Entry { version, block: remembered, fields: table, facts };
        let at = if !is_remembered {
            UNREMEMBERED
        } else {
            self.next = if self.next + 1 < ENTRIES { self.next + 1 } else { UNREMEMBERED + 1 };
            self.next
        };
        while self.entries.len() <= at {
            self.entries.push(Entry { version, block: Vec::new(), fields: FieldTable::new(), facts });
        }
        self.entries[at] = entry;
        Ok(at as u16)
    }

    /// An entry that `find` or `parse` named. Valid until the next `parse`.
    pub fn entry(&self, at: u16) -> &Entry {
        &self.entries[usize::from(at)]
    }

    /// Length in bytes of a remembered block.
    pub fn block_len(&self, at: u16) -> usize {
        self.entries[usize::from(at)].block.len()
    }
}
