//! Latencies in buckets of at most 1.6 % width, so that a percentile costs no memory per request.

use std::time::Duration;

/// Sub-buckets per power of two: 64 of them bound the error of a percentile by 1/64.
const SUB_BITS: u32 = 6;
const SUB_BUCKETS: usize = 1 << SUB_BITS;
/// 2^40 ns are 18 minutes, longer than any run; larger values count in the last bucket.
const MAX_BITS: u32 = 40;

/// Counts per bucket, and the exact largest value.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_ns: u64,
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        let buckets = (MAX_BITS - SUB_BITS + 1) as usize * SUB_BUCKETS;
        Self { counts: vec![0; buckets], total: 0, max_ns: 0 }
    }

    /// Counts one latency.
    pub fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        let last = self.counts.len() - 1;
        self.counts[bucket_of(ns).min(last)] += 1;
        self.total += 1;
        self.max_ns = self.max_ns.max(ns);
    }

    /// The latency in µs that the share `quantile` (0 to 1) of all requests did not exceed; 0 when empty.
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        let rank = ((self.total as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_ns(bucket).min(self.max_ns) as f64 / 1000.0;
            }
        }
        0.0
    }

    /// The largest latency in µs.
    pub fn max_us(&self) -> f64 {
        self.max_ns as f64 / 1000.0
    }
}

fn bucket_of(ns: u64) -> usize {
    if ns < SUB_BUCKETS as u64 {
        return ns as usize;
    }
    let shift = ns.ilog2() - SUB_BITS;
    (shift as usize + 1) * SUB_BUCKETS + ((ns >> shift) as usize - SUB_BUCKETS)
}

fn upper_ns(bucket: usize) -> u64 {
    if bucket < SUB_BUCKETS {
        return bucket as u64;
    }
    let shift = bucket / SUB_BUCKETS - 1;
    (((bucket % SUB_BUCKETS + SUB_BUCKETS + 1) as u64) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_at_most_a_64th_wide() {
        for ns in (0..100_000).chain([1 << 30, (1 << 39) + 12345]) {
            let upper = upper_ns(bucket_of(ns));
            assert!(upper >= ns && upper - ns <= ns / 64, "{ns} → {upper}");
        }
    }

    #[test]
    fn percentiles_of_one_to_a_thousand_microseconds_are_within_two_percent() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|us| histogram.record(Duration::from_micros(us)));
        for (quantile, us) in [(0.5, 500.0), (0.99, 990.0)] {
            assert!((histogram.quantile_us(quantile) / us - 1.0).abs() < 0.02);
        }
        assert_eq!(histogram.max_us(), 1000.0);
    }

    #[test]
    fn a_latency_beyond_the_range_counts_in_the_last_bucket() {
        let mut histogram = Histogram::new();
        histogram.record(Duration::from_secs(1 << 20));
        assert!(histogram.quantile_us(1.0) > 1e9);
    }
}
