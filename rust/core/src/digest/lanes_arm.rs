//! Interleaves SHA-256 streams with the SHA2 extension of ARMv8.
//!
//! Arm Architecture Reference Manual, "SHA256H" and following: four rounds take two
//! instructions on the words ABCD and EFGH; `SU0` and `SU1` extend the message by four words.

use std::arch::aarch64::*;

use super::lanes::{Lane, ROUNDS};

/// The streams' registers: `w` holds the last sixteen message words of each.
struct Registers<const N: usize> {
    abcd: [uint32x4_t; N],
    efgh: [uint32x4_t; N],
    w: [[uint32x4_t; 4]; N],
}

/// Takes all blocks of all lanes, of which every lane has as many as the first.
#[target_feature(enable = "neon,sha2")]
pub(super) fn compress<const N: usize>(lanes: [Lane<'_>; N]) {
    let zero = vdupq_n_u32(0);
    let mut registers = Registers {
        abcd: [zero; N],
        efgh: [zero; N],
        w: [[zero; 4]; N],
    };
    for (index, lane) in lanes.iter().enumerate() {
        registers.abcd[index] = load(&lane.words.as_chunks::<4>().0[0]);
        registers.efgh[index] = load(&lane.words.as_chunks::<4>().0[1]);
    }
    for block in 0..lanes[0].blocks.len() {
        let blocks: [&[u8; 64]; N] = std::array::from_fn(|lane| &lanes[lane].blocks[block]);
        one_block(&mut registers, blocks);
    }
    for (index, lane) in lanes.into_iter().enumerate() {
        let halves = [registers.abcd[index], registers.efgh[index]];
        for (place, half) in lane.words.as_chunks_mut::<4>().0.iter_mut().zip(halves) {
            // SAFETY: the reference is good for the four words that are stored.
            unsafe { vst1q_u32(place.as_mut_ptr(), half) };
        }
    }
}

#[inline]
#[target_feature(enable = "neon,sha2")]
fn one_block<const N: usize>(registers: &mut Registers<N>, blocks: [&[u8; 64]; N]) {
    let (abcd, efgh) = (registers.abcd, registers.efgh);
    // Written out, for the compiler keeps the message in registers only without a loop.
    first::<N, 0>(registers, &blocks);
    first::<N, 1>(registers, &blocks);
    first::<N, 2>(registers, &blocks);
    first::<N, 3>(registers, &blocks);
    later::<N, 4>(registers);
    later::<N, 5>(registers);
    later::<N, 6>(registers);
    later::<N, 7>(registers);
    later::<N, 8>(registers);
    later::<N, 9>(registers);
    later::<N, 10>(registers);
    later::<N, 11>(registers);
    later::<N, 12>(registers);
    later::<N, 13>(registers);
    later::<N, 14>(registers);
    later::<N, 15>(registers);
    for lane in 0..N {
        registers.abcd[lane] = vaddq_u32(registers.abcd[lane], abcd[lane]);
        registers.efgh[lane] = vaddq_u32(registers.efgh[lane], efgh[lane]);
    }
}

/// Rounds 4R to 4R + 3, whose message words are the block's own.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn first<const N: usize, const R: usize>(registers: &mut Registers<N>, blocks: &[&[u8; 64]; N]) {
    let constants = load(&ROUNDS[R]);
    for (lane, block) in blocks.iter().enumerate() {
        let words: &[u8; 16] = &block.as_chunks().0[R];
        // SAFETY: the reference is good for the 16 bytes that are loaded.
        let bytes = unsafe { vld1q_u8(words.as_ptr()) };
        registers.w[lane][R] = vreinterpretq_u32_u8(vrev32q_u8(bytes));
        rounds(registers, lane, vaddq_u32(registers.w[lane][R], constants));
    }
}

/// Rounds 4R to 4R + 3, whose message words follow from the sixteen before.
#[inline]
#[target_feature(enable = "neon,sha2")]
fn later<const N: usize, const R: usize>(registers: &mut Registers<N>) {
    let constants = load(&ROUNDS[R]);
    for lane in 0..N {
        let w = &mut registers.w[lane];
        let [w0, w1, w2, w3] = [w[R % 4], w[(R + 1) % 4], w[(R + 2) % 4], w[(R + 3) % 4]];
        let next = vsha256su1q_u32(vsha256su0q_u32(w0, w1), w2, w3);
        w[R % 4] = next;
        rounds(registers, lane, vaddq_u32(next, constants));
    }
}

#[inline]
#[target_feature(enable = "neon,sha2")]
fn rounds<const N: usize>(registers: &mut Registers<N>, lane: usize, input: uint32x4_t) {
    let (abcd, efgh) = (registers.abcd[lane], registers.efgh[lane]);
    registers.abcd[lane] = vsha256hq_u32(abcd, efgh, input);
    registers.efgh[lane] = vsha256h2q_u32(efgh, abcd, input);
}

#[inline]
#[target_feature(enable = "neon")]
fn load(words: &[u32; 4]) -> uint32x4_t {
    // SAFETY: the reference is good for the four words that are loaded.
    unsafe { vld1q_u32(words.as_ptr()) }
}
