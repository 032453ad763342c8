//! Room that all connections of an engine share, and their shares of it: memory held for peers, and files on the disk.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Relaxed},
};
use std::sync::{Arc, Mutex, PoisonError};

/// So much of a quota is made free at once when it is short: a look at all connections pays for many newcomers.
const RELIEF_SHARE: u64 = 8;

/// A number of bytes, perhaps in files, and how many of them are in use.
#[derive(Debug)]
pub struct Quota {
    bytes: u64,
    used: AtomicU64,
    files: u64,
    open_files: AtomicU64,
    is_wanted: AtomicBool,
    /// How often each object is held that more than one holder may have, by its address.
    objects: Mutex<HashMap<usize, u64>>,
}

impl Quota {
    /// Room for `bytes`.
    pub fn new(bytes: u64) -> Arc<Self> {
        Self::of_files(bytes, u64::MAX)
    }

    /// Room for `bytes` in so many files at most.
    pub(crate) fn of_files(bytes: u64, files: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            used: AtomicU64::new(0),
            files,
            open_files: AtomicU64::new(0),
            is_wanted: AtomicBool::new(false),
            objects: Mutex::new(HashMap::new()),
        })
    }

    /// Takes room, if there is so much.
    pub(crate) fn take(&self, bytes: u64) -> Result<(), Exhausted> {
        let more = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.bytes);
        self.used.fetch_update(Relaxed, Relaxed, more).map(drop).map_err(|_| Exhausted)
    }

    /// Gives room back.
    pub(crate) fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    /// Takes a file, if there may be one more.
    pub(crate) fn take_file(&self) -> Result<(), Exhausted> {
        let more = |open: u64| (open < self.files).then_some(open + 1);
        self.open_files.fetch_update(Relaxed, Relaxed, more).map(drop).map_err(|_| Exhausted)
    }

    /// Gives a file back.
    pub(crate) fn give_file(&self) {
        self.open_files.fetch_sub(1, Relaxed);
    }

    /// Files in use.
    pub(crate) fn open_files(&self) -> u64 {
        self.open_files.load(Relaxed)
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Whether more than half is in use: who may take much, or little, takes little.
    pub(crate) fn is_short(&self) -> bool {
        self.used() > self.bytes / 2
    }

    /// Whether more is in use than there is.
    pub(crate) fn is_over(&self) -> bool {
        self.used() > self.bytes
    }

    /// Whether so much is free that those who hold it are left alone.
    pub(crate) fn is_relieved(&self) -> bool {
        let is_free = |used: u64, most: u64| used <= most - most / RELIEF_SHARE;
        is_free(self.used(), self.bytes) && is_free(self.open_files(), self.files.saturating_sub(1))
    }

    /// Says that room is missing, to the one who can make some. `true`: nobody has said so since that one's last look.
    pub(crate) fn want(&self) -> bool {
        !self.is_wanted.swap(true, AcqRel)
    }

    /// Whether somebody has said so.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Relaxed)
    }

    /// Whether somebody has said so since the last time.
    pub(crate) fn was_wanted(&self) -> bool {
        self.is_wanted() && self.is_wanted.swap(false, AcqRel)
    }

    /// Why there is none, for a log line.
    pub(crate) fn error(&self) -> io::Error {
        let text = match self.open_files() < self.files {
            true => format!("the quota of {} bytes is used up", self.bytes),
            false => format!("the {} files that the number of open files allows are in use", self.files),
        };
        io::Error::new(io::ErrorKind::QuotaExceeded, text)
    }

    fn hold_object(&self, address: usize, bytes: u64) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let holders = objects.entry(address).or_insert(0);
        *holders += 1;
        if *holders == 1 {
            self.used.fetch_add(bytes, Relaxed);
        }
    }

    fn let_object_go(&self, address: usize, bytes: u64) {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(holders) = objects.get_mut(&address) else { return };
        *holders -= 1;
        if *holders == 0 {
            objects.remove(&address);
            self.used.fetch_sub(bytes, Relaxed);
        }
    }

    fn is_held_once(&self, address: usize) -> bool {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.get(&address) == Some(&1)
    }
}

/// There is not so much room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

/// Memory that is in use for one connection, whatever the quota says: it is counted, and given back with the holding.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    quota: Option<Arc<Quota>>,
    bytes: u64,
    /// Where an object lies that others may hold, too; 0 is none.
    object: usize,
}

impl Holding {
    /// So many bytes of one's own.
    pub fn new(quota: &Arc<Quota>, bytes: usize) -> Self {
        let mut holding = Self::default();
        holding.set(quota, bytes);
        holding
    }

    /// An object of so many bytes, which counts once however many hold it.
    pub fn of_object(quota: &Arc<Quota>, address: usize, bytes: usize) -> Self {
        quota.hold_object(address, bytes as u64);
        Self { quota: Some(Arc::clone(quota)), bytes: bytes as u64, object: address }
    }

    /// From now on so many bytes. Nothing is touched that others touch, too, while that is as many as before.
    pub fn set(&mut self, quota: &Arc<Quota>, bytes: usize) {
        let bytes = bytes as u64;
        if bytes == self.bytes {
            return;
        }
        // Wraps where it shrinks, and so does the sum.
        quota.used.fetch_add(bytes.wrapping_sub(self.bytes), Relaxed);
        self.bytes = bytes;
        self.quota.get_or_insert_with(|| Arc::clone(quota));
    }

    /// Whether there are any.
    pub fn is_some(&self) -> bool {
        self.bytes > 0
    }

    /// Bytes that come free with this holding.
    pub fn frees(&self) -> u64 {
        match &self.quota {
            Some(quota) if self.object != 0 && !quota.is_held_once(self.object) => 0,
            _ => self.bytes,
        }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        match &self.quota {
            Some(quota) if self.object != 0 => quota.let_object_go(self.object, self.bytes),
            Some(quota) => quota.give(self.bytes),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exhausted, Holding, Quota};

    #[test]
    fn room_is_taken_up_to_the_last_byte_and_not_beyond() {
        let quota = Quota::new(100);
        assert_eq!((quota.take(60), quota.take(41), quota.take(40)), (Ok(()), Err(Exhausted), Ok(())));
        assert_eq!((quota.take(u64::MAX), quota.is_over(), quota.is_relieved()), (Err(Exhausted), false, false));
        quota.give(60);
        assert_eq!((quota.used(), quota.is_short(), quota.is_relieved()), (40, false, true));
    }

    #[test]
    fn files_are_taken_up_to_the_last_one_and_room_is_made_for_more_than_one() {
        let quota = Quota::of_files(100, 2);
        assert_eq!((quota.take_file(), quota.take_file(), quota.take_file()), (Ok(()), Ok(()), Err(Exhausted)));
        assert!(!quota.is_relieved() && quota.error().to_string().contains("2 files"));
        quota.give_file();
        assert!(quota.is_relieved() && quota.error().to_string().contains("100 bytes"));
        assert_eq!((quota.take_file(), quota.open_files()), (Ok(()), 2));
    }

    #[test]
    fn a_holding_counts_what_it_is_now_and_nothing_when_it_is_gone() {
        let quota = Quota::new(100);
        let mut holding = Holding::default();
        for bytes in [0, 70, 200, 10] {
            holding.set(&quota, bytes);
            assert_eq!((quota.used(), holding.frees()), (bytes as u64, bytes as u64));
        }
        let other = Holding::new(&quota, 100);
        assert!(quota.is_over());
        drop(holding);
        assert!(!quota.is_over());
        drop(other);
        assert_eq!(quota.used(), 0);
    }

    #[test]
    fn an_object_counts_once_however_many_hold_it() {
        let quota = Quota::new(100);
        let first = Holding::of_object(&quota, 0x1000, 80);
        let second = Holding::of_object(&quota, 0x1000, 80);
        assert_eq!((quota.used(), first.frees()), (80, 0));
        drop(first);
        assert_eq!((quota.used(), second.frees()), (80, 80));
        drop(second);
        assert_eq!(quota.used(), 0);
    }
}
