//! SHA-256 of up to four independent streams, interleaved on one core.
//!
//! The SHA instructions have a long latency and a short throughput, so one stream leaves the
//! unit idle half of the time. Rounds of other streams fill the gaps; see
//! `docs/decisions/0007-sha256-lanes.md` for why no crate does it.

use super::sha256::{self, BLOCK};

/// Most streams that are interleaved: more would not fit the registers.
pub const LANES: usize = 4;

/// One stream: its chaining value and the whole blocks that come next.
#[derive(Debug)]
pub struct Lane<'a> {
    /// The chaining value, moved on by [`advance`].
    pub words: &'a mut [u32; 8],
    /// What to take in.
    pub blocks: &'a [[u8; BLOCK]],
}

/// Takes as many blocks into every lane as the shortest holds; returns how many.
///
/// As fast as it gets with two to four lanes; more are taken four by four.
pub fn advance(lanes: &mut [Lane<'_>]) -> usize {
    let count = lanes
        .iter()
        .map(|lane| lane.blocks.len())
        .min()
        .unwrap_or(0);
    for group in lanes.chunks_mut(LANES) {
        if !together(group, count) {
            for lane in group {
                sha256::compress(lane.words, &lane.blocks[..count]);
            }
        }
    }
    count
}

/// Interleaves two to four lanes, if this CPU can.
fn together(lanes: &mut [Lane<'_>], count: usize) -> bool {
    match lanes {
        [a, b] => interleave([a, b].map(|lane| lane.first(count))),
        [a, b, c] => interleave([a, b, c].map(|lane| lane.first(count))),
        [a, b, c, d] => interleave([a, b, c, d].map(|lane| lane.first(count))),
        _ => false,
    }
}

impl Lane<'_> {
    fn first(&mut self, count: usize) -> Lane<'_> {
        Lane {
            words: self.words,
            blocks: &self.blocks[..count],
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn interleave<const N: usize>(lanes: [Lane<'_>; N]) -> bool {
    use std::arch::is_x86_feature_detected as has;
    let able = has!("sha") && has!("sse4.1") && has!("ssse3");
    if able {
        // SAFETY: the CPU has just been asked for every feature the function enables.
        unsafe { super::lanes_x86::compress(lanes) };
    }
    able
}

#[cfg(target_arch = "aarch64")]
fn interleave<const N: usize>(lanes: [Lane<'_>; N]) -> bool {
    let able = std::arch::is_aarch64_feature_detected!("sha2");
    if able {
        // SAFETY: the CPU has just been asked for the feature the function enables.
        unsafe { super::lanes_arm::compress(lanes) };
    }
    able
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn interleave<const N: usize>(_lanes: [Lane<'_>; N]) -> bool {
    false
}

/// The round constants (FIPS 180-4, 4.2.2), four rounds a row.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[rustfmt::skip]
pub(super) static ROUNDS: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5], [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3], [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc], [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7], [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13], [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3], [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5], [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208], [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Blocks that differ from lane to lane and from byte to byte.
    fn blocks(lane: usize, count: usize) -> Vec<[u8; BLOCK]> {
        let byte =
            |block: usize, index: usize| (block * 61 + index * 7 + lane * 29 + index / 5) as u8;
        (0..count)
            .map(|block| std::array::from_fn(|index| byte(block, index)))
            .collect()
    }

    /// Hashes lanes of these lengths together and each alone, and compares.
    fn check(lengths: &[usize]) {
        let data: Vec<_> = lengths
            .iter()
            .enumerate()
            .map(|(lane, &count)| blocks(lane, count))
            .collect();
        let start = |lane: usize| -> [u32; 8] {
            std::array::from_fn(|word| 0x9e37_79b9_u32.wrapping_mul((lane * 8 + word) as u32))
        };
        let mut words: Vec<_> = (0..data.len()).map(start).collect();
        let mut lanes: Vec<_> = words
            .iter_mut()
            .zip(&data)
            .map(|(words, blocks)| Lane { words, blocks })
            .collect();
        let count = advance(&mut lanes);
        assert_eq!(count, lengths.iter().copied().min().unwrap_or(0));
        for (lane, words) in words.iter().enumerate() {
            let mut alone = start(lane);
            sha256::compress(&mut alone, &data[lane][..count]);
            assert_eq!(*words, alone, "lane {lane} of {lengths:?}");
        }
    }

    #[test]
    fn every_number_of_lanes_agrees_with_one_stream() {
        for lanes in 0..=9 {
            for count in [0, 1, 2, 3, 17] {
                check(&vec![count; lanes]);
            }
        }
    }

    proptest! {
        #[test]
        fn lanes_of_any_lengths_agree_with_one_stream(lengths in proptest::collection::vec(0_usize..50, 0..7)) {
            check(&lengths);
        }
    }
}
