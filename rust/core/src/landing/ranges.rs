//! A set of byte ranges, neighbours joined: as small as the holes are few.

use std::collections::BTreeMap;
use std::ops::Range;

/// Half-open ranges that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeSet {
    ranges: BTreeMap<u64, u64>,
    total: u64,
}

impl RangeSet {
    /// Bytes in all ranges.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.ranges.iter().map(|(&start, &end)| start..end)
    }

    /// Adds a range; parts of it may be there already.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        if let Some((&before, &until)) = self.ranges.range(..=start).next_back()
            && until >= start
        {
            start = before;
        }
        while let Some((&next, &until)) = self.ranges.range(start..=end).next() {
            self.ranges.remove(&next);
            self.total -= until - next;
            end = end.max(until);
        }
        self.ranges.insert(start, end);
        self.total += end - start;
    }

    /// Takes a range out; parts of it may be missing already.
    pub fn remove(&mut self, range: Range<u64>) {
        for cut in self.within(range) {
            let (start, end) = self.holding(cut.start).expect("the cut is in the set");
            self.ranges.remove(&start);
            self.total -= end - start;
            for rest in [start..cut.start, cut.end..end] {
                if !rest.is_empty() {
                    self.ranges.insert(rest.start, rest.end);
                    self.total += rest.end - rest.start;
                }
            }
        }
    }

    /// The parts of `range` that are in the set, ascending.
    pub fn within(&self, range: Range<u64>) -> Vec<Range<u64>> {
        if range.is_empty() {
            return Vec::new();
        }
        let first = self
            .holding(range.start)
            .map_or(range.start, |(start, _)| start);
        self.ranges
            .range(first..range.end)
            .map(|(&start, &end)| start.max(range.start)..end.min(range.end))
            .collect()
    }

    /// The parts of `range` that are not in the set, ascending.
    pub fn missing(&self, range: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = range.start;
        for part in self.within(range.clone()) {
            if at < part.start {
                gaps.push(at..part.start);
            }
            at = part.end;
        }
        if at < range.end {
            gaps.push(at..range.end);
        }
        gaps
    }

    /// Whether all of `range` is in the set.
    pub fn contains(&self, range: Range<u64>) -> bool {
        range.is_empty() || self.end_from(range.start) >= range.end
    }

    /// Where the range that holds `at` ends; `at` itself where none does.
    pub fn end_from(&self, at: u64) -> u64 {
        self.holding(at).map_or(at, |(_, end)| end)
    }

    /// Where the last range that starts at or before `at` ends, cut at `at`; else 0.
    pub fn last_before(&self, at: u64) -> u64 {
        let last = self.ranges.range(..=at).next_back();
        last.map_or(0, |(_, &end)| end.min(at))
    }

    fn holding(&self, at: u64) -> Option<(u64, u64)> {
        let (&start, &end) = self.ranges.range(..=at).next_back()?;
        (end > at).then_some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbours_join() {
        let mut set = RangeSet::default();
        for start in (0..100).rev() {
            set.insert(start * 10..start * 10 + 10);
        }
        assert_eq!((set.len(), set.total(), set.end_from(5)), (1, 1000, 1000));
        assert_eq!(set.last_before(2000), 1000);
    }

    proptest! {
        #[test]
        fn behaves_like_a_set_of_bytes(
            steps in proptest::collection::vec((any::<bool>(), 0u64..64, 0u64..64), 0..40),
            ask in (0u64..64, 0u64..64),
        ) {
            let mut set = RangeSet::default();
            let mut bytes = [false; 64];
            for (add, a, b) in steps {
                let range = a.min(b)..a.max(b);
                bytes[range.start as usize..range.end as usize].fill(add);
                if add { set.insert(range) } else { set.remove(range) }
            }
            let ask = ask.0.min(ask.1)..ask.0.max(ask.1);
            let expand = |ranges: Vec<Range<u64>>| ranges.into_iter().flatten().collect::<Vec<_>>();
            let wanted = |there| ask.clone().filter(|&at| bytes[at as usize] == there).collect::<Vec<_>>();
            prop_assert_eq!(expand(set.within(ask.clone())), wanted(true));
            prop_assert_eq!(expand(set.missing(ask.clone())), wanted(false));
            prop_assert_eq!(set.contains(ask.clone()), wanted(false).is_empty());
            prop_assert_eq!(set.total(), bytes.iter().filter(|&&there| there).count() as u64);
            let listed: Vec<_> = set.iter().collect();
            prop_assert!(listed.windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }
}
