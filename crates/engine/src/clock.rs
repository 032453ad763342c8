//! The time as the engine sees it: read once per reactor turn, ticked by the sentinel, shared by all threads.

use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Published time. Monotonic for timers, so that a jump of the wall clock disturbs none; wall clock for `Date`.
#[derive(Debug, Default)]
pub struct Clock {
    now_ms: AtomicU64,
    unix_s: AtomicU64,
    tick: AtomicU64,
}

impl Clock {
    /// A clock that has been read once.
    pub fn new() -> Self {
        let clock = Self::default();
        clock.refresh();
        clock
    }

    /// Reads both clocks and publishes them; returns the monotonic milliseconds.
    pub fn refresh(&self) -> u64 {
        let now_ms = monotonic_us() / 1000;
        self.now_ms.store(now_ms, Relaxed);
        self.unix_s.store(clock_gettime(ClockId::RealtimeCoarse).tv_sec.max(0) as u64, Relaxed);
        now_ms
    }

    /// Monotonic milliseconds as last published.
    pub fn now_ms(&self) -> u64 {
        self.now_ms.load(Relaxed)
    }

    /// Seconds since the epoch as last published.
    pub fn unix_s(&self) -> u64 {
        self.unix_s.load(Relaxed)
    }

    /// The sentinel's tick count: a call that saw it change by two lasted longer than one tick.
    pub fn tick(&self) -> u64 {
        self.tick.load(Relaxed)
    }

    /// One more tick. Only the sentinel calls it.
    pub fn advance(&self) {
        self.tick.fetch_add(1, Relaxed);
    }
}

/// Monotonic microseconds, read now.
pub fn monotonic_us() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

/// Microseconds since the epoch, read now.
pub fn unix_us() -> u64 {
    let time = clock_gettime(ClockId::Realtime);
    time.tv_sec.max(0) as u64 * 1_000_000 + time.tv_nsec as u64 / 1000
}

/// The `Date` value of one second, formatted once: one per serving thread.
#[derive(Debug)]
pub struct DateText {
    unix_s: u64,
    text: [u8; 29],
}

impl Default for DateText {
    fn default() -> Self {
        Self { unix_s: 0, text: imf_fixdate(0) }
    }
}

impl DateText {
    /// The text for `unix_s`.
    pub fn at(&mut self, unix_s: u64) -> &[u8; 29] {
        if self.unix_s != unix_s {
            self.text = imf_fixdate(unix_s);
            self.unix_s = unix_s;
        }
        &self.text
    }
}

/// IMF-fixdate of RFC 9110 §5.6.7, e.g. `Sun, 06 Nov 1994 08:49:37 GMT`.
fn imf_fixdate(unix_s: u64) -> [u8; 29] {
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    let days = unix_s / 86_400;
    let second = unix_s % 86_400;
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    text[..3].copy_from_slice(DAYS[(days % 7) as usize]);
    two(&mut text[5..7], day);
    text[8..11].copy_from_slice(MONTHS[month as usize - 1]);
    two(&mut text[12..14], year / 100);
    two(&mut text[14..16], year % 100);
    two(&mut text[17..19], second / 3600);
    two(&mut text[20..22], second / 60 % 60);
    two(&mut text[23..25], second % 60);
    text
}

fn two(out: &mut [u8], value: u64) {
    out[0] = b'0' + (value / 10 % 10) as u8;
    out[1] = b'0' + (value % 10) as u8;
}

/// Days since 1970-01-01 to (year, month, day) of the proleptic Gregorian calendar: eras of 400 years, years from March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::imf_fixdate;

    #[test]
    fn dates_are_those_of_the_rfc_and_of_leap_years() {
        assert_eq!(&imf_fixdate(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(&imf_fixdate(951_782_400), b"Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(&imf_fixdate(1_709_251_199), b"Thu, 29 Feb 2024 23:59:59 GMT");
        assert_eq!(&imf_fixdate(4_102_444_799), b"Thu, 31 Dec 2099 23:59:59 GMT");
    }
}
