//! Output that the socket did not take at once: pieces in order, flushed by whoever holds the connection's output lock.

use crate::gateway::Held;
use crate::quota::{Holding, Quota};
use crate::spool::SpoolFile;
use crate::sys::{self, Transfer};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Bytes moved by one sendfile call: bounds the time that one connection takes.
const FILE_SLICE: u64 = 512 * 1024;
/// Bytes sent in one flush before others get their turn.
const SHARE: u64 = 4 * FILE_SLICE;
/// Runs given to one sendmsg.
const RUNS: usize = 16;
/// Small pieces become one up to this: each for itself takes many times its size, and a send of 16 of them moves nothing.
const JOINED_BYTES: usize = 16 * 1024;

/// A run of output.
#[derive(Debug)]
pub enum Piece {
    /// Bytes of our own.
    Bytes { data: Vec<u8>, at: usize },
    /// Bytes that the gateway keeps alive.
    Held { held: Held, at: usize },
    /// A range of a regular file.
    File { file: Source, offset: u64, left: u64 },
}

/// A file that output comes from.
#[derive(Debug)]
pub enum Source {
    /// The application's.
    Given(OwnedFd),
    /// Our own, with its share of the quota.
    Spooled(Arc<SpoolFile>),
}

impl AsFd for Source {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Source::Given(file) => file.as_fd(),
            Source::Spooled(file) => file.file().as_fd(),
        }
    }
}

impl Piece {
    /// Takes up `next`, which follows directly, if the two can be one; else gives it back.
    fn join(&mut self, next: Piece) -> Option<Piece> {
        match (self, next) {
            (Piece::Bytes { data, .. }, Piece::Bytes { data: more, at })
                if data.len() + more.len() - at <= JOINED_BYTES =>
            {
                data.extend_from_slice(&more[at..]);
                None
            }
            (
                Piece::File { file: Source::Spooled(file), offset, left },
                Piece::File { file: Source::Spooled(same), offset: next, left: more },
            ) if Arc::ptr_eq(file, &same) && *offset + *left == next => {
                *left += more;
                None
            }
            (_, next) => Some(next),
        }
    }
}

/// What a flush came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Everything is with the kernel.
    All,
    /// The socket takes no more now.
    Blocked,
    /// This connection has had its share, or a file is at the front and this thread may not read files: a follower goes on.
    Share,
    /// The connection is broken, or a file turned out shorter than announced.
    Gone,
}

/// A piece, and once it waits its share of the memory that all connections may hold.
#[derive(Debug)]
struct Entry {
    piece: Piece,
    holding: Option<Holding>,
}

impl From<Piece> for Entry {
    fn from(piece: Piece) -> Self {
        Self { piece, holding: None }
    }
}

/// Output in order.
#[derive(Debug, Default)]
pub struct Output {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Bytes of files that are still to be sent.
    of_files: u64,
}

impl Output {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Memory held: files count nothing.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that are still to be sent, those of files included.
    pub fn left(&self) -> u64 {
        self.bytes as u64 + self.of_files
    }

    /// Counts what has begun to wait. A piece counts whole until its last byte has left: so long it is in memory.
    pub fn count(&mut self, memory: &Arc<Quota>) {
        for Entry { piece, holding } in self.entries.iter_mut().rev() {
            let is_counted = holding.is_some();
            match piece {
                // The last one of those that wait may have grown.
                Piece::Bytes { data, .. } => {
                    holding.get_or_insert_default().set(memory, size_of::<Entry>() + data.capacity());
                }
                Piece::Held { held, .. } if !is_counted => {
                    let (address, len) = (held.bytes().as_ptr().addr(), held.bytes().len());
                    *holding = Some(Holding::of_object(memory, address, len));
                }
                Piece::File { .. } if !is_counted => *holding = Some(Holding::new(memory, size_of::<Entry>())),
                Piece::Held { .. } | Piece::File { .. } => {}
            }
            if is_counted {
                break;
            }
        }
    }

    /// Whether at least so many bytes of memory come free with it.
    pub fn frees(&self, least: u64) -> bool {
        let mut bytes = 0;
        self.entries.iter().filter_map(|entry| entry.holding.as_ref()).any(|holding| {
            bytes += holding.frees();
            bytes >= least
        })
    }

    /// Whether a part of it is in a file of ours.
    pub fn is_spilled(&self) -> bool {
        self.pieces().any(|piece| matches!(piece, Piece::File { file: Source::Spooled(_), .. }))
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.entries.iter().map(|entry| &entry.piece)
    }

    /// Adds a piece at the end; an empty one is dropped.
    pub fn push(&mut self, piece: Piece) {
        let len = match &piece {
            Piece::Bytes { data, at } => data.len() - at,
            Piece::Held { held, at } => held.bytes().len() - at,
            Piece::File { left, .. } => {
                self.of_files += left;
                if *left > 0 {
                    self.add(piece.into());
                }
                return;
            }
        };
        if len > 0 {
            self.bytes += len;
            self.add(piece.into());
        }
    }

    /// Puts an entry at the end that is among the bytes already.
    fn add(&mut self, mut entry: Entry) {
        if let (Some(last), None) = (self.entries.back_mut(), &entry.holding) {
            match last.piece.join(entry.piece) {
                None => return,
                Some(piece) => entry.piece = piece,
            }
        }
        self.entries.push_back(entry);
    }

    /// Output of plain bytes.
    pub fn of(plain: Vec<u8>) -> Self {
        let mut output = Self::default();
        output.push(Piece::Bytes { data: plain, at: 0 });
        output
    }

    /// The bytes, when they are one untouched run of plain ones.
    pub fn into_plain(mut self: Box<Self>) -> Result<Vec<u8>, Box<Self>> {
        match (self.entries.len(), self.entries.pop_front()) {
            (1, Some(Entry { piece: Piece::Bytes { data, at: 0 }, .. })) => Ok(data),
            (_, first) => {
                self.entries.extend(first);
                self.entries.rotate_right(1);
                Err(self)
            }
        }
    }

    /// Moves everything of `other` to the end.
    pub fn append(&mut self, other: &mut Output) {
        self.bytes += std::mem::take(&mut other.bytes);
        self.of_files += std::mem::take(&mut other.of_files);
        // What `other` holds is joined already: only where the two meet can there be more of it.
        if let Some(first) = other.entries.pop_front() {
            self.add(first);
        }
        self.entries.append(&mut other.entries);
    }

    /// The runs of bytes, up to the first file.
    pub fn runs(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces().map_while(|piece| match piece {
            Piece::Bytes { data, at } => Some(&data[*at..]),
            Piece::Held { held, at } => Some(&held.bytes()[*at..]),
            Piece::File { .. } => None,
        })
    }

    /// Puts `range` in the place of the runs of bytes up to the first file.
    pub fn replace_bytes(&mut self, range: Piece) {
        let count = self.runs().count();
        self.bytes -= self.runs().map(<[u8]>::len).sum::<usize>();
        drop(self.entries.drain(..count));
        let mut replaced = Self::default();
        replaced.push(range);
        replaced.append(self);
        *self = replaced;
    }

    /// Sends what the socket takes.
    pub fn flush(&mut self, stream: BorrowedFd<'_>, may_read_files: bool) -> Flushed {
        let mut sent = 0;
        loop {
            match self.entries.front_mut().map(|entry| &mut entry.piece) {
                None => return Flushed::All,
                Some(_) if sent >= SHARE => return Flushed::Share,
                Some(Piece::File { .. }) if !may_read_files => return Flushed::Share,
                Some(Piece::File { file, offset, left }) => {
                    match sys::send_file(stream, &*file, offset, (*left).min(FILE_SLICE) as usize) {
                        Transfer::Bytes(0) | Transfer::Gone => return Flushed::Gone,
                        Transfer::WouldBlock => return Flushed::Blocked,
                        Transfer::Bytes(count) => {
                            *left -= count as u64;
                            self.of_files -= count as u64;
                            sent += count as u64;
                        }
                    }
                    if *left == 0 {
                        self.entries.pop_front();
                    }
                }
                Some(_) => match self.send_runs(stream) {
                    Transfer::Gone => return Flushed::Gone,
                    Transfer::WouldBlock => return Flushed::Blocked,
                    Transfer::Bytes(count) => {
                        self.consume(count);
                        sent += count as u64;
                    }
                },
            }
        }
    }

    fn send_runs(&self, stream: BorrowedFd<'_>) -> Transfer {
        let mut runs = [IoSlice::new(&[]); RUNS];
        let mut count = 0;
        let mut more_follows = false;
        for piece in self.pieces() {
            let run = match piece {
                Piece::Bytes { data, at } => &data[*at..],
                Piece::Held { held, at } => &held.bytes()[*at..],
                Piece::File { .. } => {
                    // The head of a file response waits in the kernel for the first bytes of the file.
                    more_follows = true;
                    break;
                }
            };
            runs[count] = IoSlice::new(run);
            count += 1;
            if count == RUNS {
                break;
            }
        }
        sys::send_all(stream, &runs[..count], more_follows)
    }

    fn consume(&mut self, mut count: usize) {
        self.bytes -= count;
        while count > 0 {
            let Some(Entry { piece, .. }) = self.entries.front_mut() else { return };
            let (at, len) = match piece {
                Piece::Bytes { data, at } => (at, data.len()),
                Piece::Held { held, at } => (at, held.bytes().len()),
                Piece::File { .. } => return,
            };
            let taken = count.min(len - *at);
            *at += taken;
            count -= taken;
            if *at == len {
                self.entries.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{JOINED_BYTES, Output, Piece, Source};
    use crate::counters::Counters;
    use crate::quota::Quota;
    use crate::spool::{SpoolFile, SpoolPlan};
    use std::sync::Arc;

    fn bytes(data: &[u8]) -> Piece {
        Piece::Bytes { data: data.to_vec(), at: 0 }
    }

    #[test]
    fn blocks_of_one_byte_wait_as_few_pieces_and_in_order() {
        let sent: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let (mut waiting, memory) = (Output::default(), Quota::new(u64::MAX));
        for block in sent.chunks(1) {
            waiting.append(&mut Output::of(block.to_vec()));
            waiting.count(&memory);
        }
        assert_eq!((waiting.bytes(), waiting.left()), (sent.len(), sent.len() as u64));
        assert_eq!(waiting.runs().flatten().copied().collect::<Vec<_>>(), sent);
        assert!(waiting.entries.len() <= sent.len() / JOINED_BYTES + 1, "{} pieces", waiting.entries.len());
        let held: usize = waiting.runs().map(<[u8]>::len).sum();
        assert!(memory.used() >= held as u64, "what has grown is counted as it is now");
        assert!(memory.used() < 2 * held as u64 + 10_000, "{} for {held}", memory.used());
        drop(waiting);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_piece_that_has_left_in_part_takes_up_the_next_one() {
        let mut waiting = Output::of(b"abc".to_vec());
        waiting.consume(2);
        waiting.push(bytes(b"de"));
        assert_eq!(waiting.runs().collect::<Vec<_>>(), [b"cde"]);
        waiting.consume(3);
        assert!(waiting.is_empty() && waiting.left() == 0);
    }

    #[test]
    fn ranges_of_one_file_of_ours_that_follow_each_other_are_one() {
        let (quota, counters, directory) = (Quota::new(1_000), Counters::default(), std::env::temp_dir());
        let count = Counters::answer_spilled;
        let plan = SpoolPlan { memory: 0, directory: &directory, quota: &quota, counters: &counters, count };
        let files = [(); 2].map(|()| Arc::new(SpoolFile::new(plan).expect("a file").expect("room")));
        let range =
            |file: usize, offset, left| Piece::File { file: Source::Spooled(Arc::clone(&files[file])), offset, left };
        let mut waiting = Output::default();
        for piece in [range(0, 0, 6), range(0, 6, 4), bytes(b"a"), range(0, 10, 5), range(0, 16, 5), range(1, 21, 1)] {
            let mut more = Output::default();
            more.push(piece);
            waiting.append(&mut more);
        }
        assert_eq!((waiting.entries.len(), waiting.bytes(), waiting.left()), (5, 1, 22));
    }
}
