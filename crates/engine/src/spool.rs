//! A request body collected before the call: in memory up to a bound, then in an unlinked temporary file.

use crate::counters::Counters;
use crate::quota::{Exhausted, Quota};
use dragoman_http1::{ChunkedDecoder, Limits, Reject};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Read and written by the user of the process, and by nobody else.
const OWNER: Mode = Mode::RUSR.union(Mode::WUSR);

/// An unlinked file that grows at its end. Its room comes free with it.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    len: AtomicU64,
    quota: Arc<Quota>,
}

impl SpoolFile {
    /// An empty one; `None` while so many are open that others need the descriptor.
    pub(crate) fn new(plan: SpoolPlan<'_>) -> io::Result<Option<Self>> {
        if plan.quota.take_file().is_err() {
            return Ok(None);
        }
        let file = unlinked(plan.directory).inspect_err(|_| plan.quota.give_file())?;
        (plan.count)(plan.counters);
        Ok(Some(Self { file, len: AtomicU64::new(0), quota: Arc::clone(plan.quota) }))
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Takes room for `bytes` more, which are to be written.
    pub(crate) fn make_room(&self, bytes: u64) -> Result<(), Exhausted> {
        self.quota.take(bytes)?;
        self.len.fetch_add(bytes, Relaxed);
        Ok(())
    }

    /// Appends `data`, for which there is room; after an error the file ends anywhere in it.
    pub(crate) fn write(&self, data: &[u8]) -> io::Result<()> {
        (&self.file).write_all(data)
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        self.quota.give(*self.len.get_mut());
        self.quota.give_file();
    }
}

/// How the rest of the body is delimited.
#[derive(Debug)]
pub enum Decoder {
    /// So many bytes are missing.
    Length(u64),
    /// The chunked coding.
    Chunked(ChunkedDecoder),
}

/// A body on its way in.
#[derive(Debug)]
pub struct Spool {
    decoder: Decoder,
    memory: Vec<u8>,
    file: Option<SpoolFile>,
    len: u64,
    is_complete: bool,
    is_short: bool,
}

/// Why a body could not be collected.
#[derive(Debug)]
pub enum SpoolError {
    /// The peer's fault.
    Reject(Reject),
    /// The disk's or the operator's.
    Io(io::Error),
}

/// A collected body.
#[derive(Debug)]
pub enum Collected {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file, at offset 0, with its length.
    File(SpoolFile, u64),
}

/// Where and from which size on bodies go to a file.
#[derive(Clone, Copy, Debug)]
pub struct SpoolPlan<'o> {
    /// Bytes kept in memory.
    pub memory: usize,
    /// Directory of the temporary files.
    pub directory: &'o Path,
    /// Their room.
    pub quota: &'o Arc<Quota>,
    /// Where each of them is counted, and as what.
    pub counters: &'o Counters,
    /// One more.
    pub count: fn(&Counters) -> u64,
}

impl Spool {
    /// An empty spool.
    pub fn new(decoder: Decoder) -> Self {
        let is_complete = matches!(decoder, Decoder::Length(0));
        Self { decoder, memory: Vec::new(), file: None, len: 0, is_complete, is_short: false }
    }

    /// Whether the body was sent with the chunked coding.
    pub fn was_chunked(&self) -> bool {
        matches!(self.decoder, Decoder::Chunked(_))
    }

    /// Whether the whole body is here, and where it belongs.
    pub fn is_complete(&self) -> bool {
        self.is_complete && !self.is_short
    }

    /// Whether bytes are here that the file has no room for: `write_out` when there is some.
    pub fn is_short_of_room(&self) -> bool {
        self.is_short
    }

    /// Memory in use.
    pub fn memory(&self) -> usize {
        let of_decoder = match &self.decoder {
            Decoder::Length(_) => 0,
            Decoder::Chunked(decoder) => decoder.memory(),
        };
        self.memory.capacity() + of_decoder
    }

    /// Whether it has a file.
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Takes body bytes from the front of `input`; returns how many were used. All are, unless the body ended.
    pub fn feed(&mut self, input: &[u8], limits: &Limits, plan: SpoolPlan<'_>) -> Result<usize, SpoolError> {
        let used = self.decode(input, limits)?;
        self.write_out(plan)?;
        Ok(used)
    }

    fn decode(&mut self, input: &[u8], limits: &Limits) -> Result<usize, SpoolError> {
        let mut used = 0;
        while !self.is_complete {
            let rest = &input[used..];
            match &mut self.decoder {
                Decoder::Length(left) => {
                    let count = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= count as u64;
                    self.is_complete = *left == 0;
                    used += count;
                    self.keep(&rest[..count]);
                    break;
                }
                Decoder::Chunked(decoder) => {
                    let piece = decoder.decode(rest, limits).map_err(SpoolError::Reject)?;
                    used += piece.consumed;
                    self.is_complete = piece.is_end;
                    self.keep(piece.data);
                    if piece.consumed == 0 {
                        break;
                    }
                }
            }
        }
        Ok(used)
    }

    /// The body. Only of a complete spool.
    pub fn collect(self) -> io::Result<Collected> {
        let Some(mut file) = self.file else { return Ok(Collected::Memory(self.memory)) };
        io::Seek::rewind(&mut file.file)?;
        Ok(Collected::File(file, self.len))
    }

    /// Keeps a run of data in memory until it is written out.
    fn keep(&mut self, data: &[u8]) {
        self.len += data.len() as u64;
        self.memory.extend_from_slice(data);
    }

    /// One write for all runs of an input: a write for each would let a client that sends chunks of one byte make a system
    /// call of each. Where the quota has no room the bytes stay in memory.
    pub fn write_out(&mut self, plan: SpoolPlan<'_>) -> Result<(), SpoolError> {
        if self.file.is_none() && self.len > plan.memory as u64 {
            self.file = SpoolFile::new(plan).map_err(SpoolError::Io)?;
            self.is_short = self.file.is_none();
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        self.is_short = file.make_room(self.memory.len() as u64).is_err();
        if !self.is_short {
            file.write(&self.memory).map_err(SpoolError::Io)?;
            self.memory = Vec::new();
        }
        Ok(())
    }
}

/// A number that nobody can guess.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

/// A file that never has a name, for its owner alone, gone with its last descriptor.
fn unlinked(directory: &Path) -> io::Result<File> {
    // open(2): with O_EXCL nobody can give it a name later, either.
    let flags = OFlags::TMPFILE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, OWNER) {
        Ok(file) => Ok(file.into()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
            unlinked_later(directory)
        }
        Err(error) => Err(error.into()),
    }
}

/// Where the file system has no O_TMPFILE: the file has a name for a moment, in a directory that only its owner may enter.
fn unlinked_later(directory: &Path) -> io::Result<File> {
    let private = directory.join(format!("dragoman-{}-{:016x}", std::process::id(), random()));
    rustix::fs::mkdir(&private, Mode::RWXU)?;
    let path = private.join("body");
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(&path, flags, OWNER);
    let unlinked = file.is_err() || std::fs::remove_file(&path).is_ok();
    // What cannot be removed now is empty, or an error of its own.
    let is_gone = std::fs::remove_dir(&private).is_ok();
    match file {
        Ok(_) if !(unlinked && is_gone) => Err(io::Error::other("a temporary file could not be unlinked")),
        file => Ok(file?.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Spool, SpoolPlan, unlinked, unlinked_later};
    use crate::counters::Counters;
    use crate::quota::Quota;
    use dragoman_http1::Limits;
    use std::io::Write;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_body_for_which_there_may_be_no_file_waits_in_memory_for_one() {
        let (quota, counters, directory) = (Quota::of_files(1_000, 1), Counters::default(), std::env::temp_dir());
        let count = Counters::body_spooled;
        let plan = SpoolPlan { memory: 4, directory: &directory, quota: &quota, counters: &counters, count };
        let [mut first, mut second] = [(); 2].map(|()| Spool::new(Decoder::Length(10)));
        for spool in [&mut first, &mut second] {
            assert_eq!(spool.feed(b"0123456789", &Limits::default(), plan).expect("nothing refused"), 10);
        }
        assert!(first.is_complete() && first.has_file() && !first.is_short_of_room());
        assert!(!second.is_complete() && !second.has_file() && second.is_short_of_room());
        drop(first);
        second.write_out(plan).expect("a file");
        assert!(second.is_complete() && second.has_file());
        assert_eq!((quota.open_files(), quota.used()), (1, 10));
        drop(second);
        assert_eq!((quota.open_files(), quota.used()), (0, 0));
    }

    #[test]
    fn a_file_of_a_body_has_no_name_and_is_its_owners_alone() {
        let directory = std::env::temp_dir().join(format!("dragoman-unlinked-{}", std::process::id()));
        std::fs::create_dir(&directory).expect("a directory");
        for make in [unlinked, unlinked_later] {
            let mut file = make(&directory).expect("a file");
            file.write_all(b"of nobody else").expect("room");
            let facts = file.metadata().expect("its facts");
            assert_eq!((facts.nlink(), facts.permissions().mode() & 0o777, facts.len()), (0, 0o600, 14));
            assert_eq!(std::fs::read_dir(&directory).expect("the directory").count(), 0);
        }
        std::fs::remove_dir(&directory).expect("it is empty");
    }
}
