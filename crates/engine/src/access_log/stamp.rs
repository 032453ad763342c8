//! The time of a line as text, made once per second. UTC: lines of several machines sort and join, and no hour comes twice.

use crate::clock::DateText;

/// The texts of one second.
pub(super) struct Stamp {
    unix_s: u64,
    date: DateText,
    common: [u8; 28],
    iso: [u8; 20],
}

impl Stamp {
    /// A stamp without texts.
    pub(super) fn new() -> Self {
        // No clock shows this second, so the first call of `at` makes the texts.
        Self { unix_s: u64::MAX, date: DateText::default(), common: [0; 28], iso: [0; 20] }
    }

    /// The texts for `unix_s`.
    #[inline]
    pub(super) fn at(&mut self, unix_s: u64) -> &Self {
        if self.unix_s != unix_s {
            self.renew(unix_s);
        }
        self
    }

    /// `[10/Oct/2000:13:55:36 +0000]`, the Common Log Format's.
    pub(super) fn common(&self) -> &[u8; 28] {
        &self.common
    }

    /// `2000-10-10T13:55:36.`, RFC 3339 up to the fraction.
    pub(super) fn iso(&self) -> &[u8; 20] {
        &self.iso
    }

    #[cold]
    fn renew(&mut self, unix_s: u64) {
        // IMF-fixdate, RFC 9110 §5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT".
        let [_, _, _, _, _, d0, d1, _, m0, m1, m2, _, y0, y1, y2, y3, _, time @ .., _, _, _, _] = *self.date.at(unix_s);
        let [h0, h1, _, min0, min1, _, s0, s1] = time;
        let month: &[u8; 2] = match &[m0, m1, m2] {
            b"Jan" => b"01",
            b"Feb" => b"02",
            b"Mar" => b"03",
            b"Apr" => b"04",
            b"May" => b"05",
            b"Jun" => b"06",
            b"Jul" => b"07",
            b"Aug" => b"08",
            b"Sep" => b"09",
            b"Oct" => b"10",
            b"Nov" => b"11",
            _ => b"12",
        };
        let [n0, n1] = *month;
        self.common = [
            b'[', d0, d1, b'/', m0, m1, m2, b'/', y0, y1, y2, y3, b':', h0, h1, b':', min0, min1, b':', s0, s1, b' ',
            b'+', b'0', b'0', b'0', b'0', b']',
        ];
        self.iso = [y0, y1, y2, y3, b'-', n0, n1, b'-', d0, d1, b'T', h0, h1, b':', min0, min1, b':', s0, s1, b'.'];
        self.unix_s = unix_s;
    }
}
