//! Interleaves SHA-256 streams with the SHA extensions of x86-64.
//!
//! Intel, "Intel SHA Extensions" (2013): `sha256rnds2` does two rounds on a state split into
//! the words ABEF and CDGH; `msg1` and `msg2` extend the message by four words.

use std::arch::x86_64::*;

use super::lanes::{Lane, ROUNDS};

/// The streams' registers: `w` holds the last sixteen message words of each.
struct Registers<const N: usize> {
    abef: [__m128i; N],
    cdgh: [__m128i; N],
    w: [[__m128i; 4]; N],
}

/// Takes all blocks of all lanes, of which every lane has as many as the first.
// No wider instruction set: with AVX enabled, two lanes were measured 13 % slower.
#[target_feature(enable = "sha,sse4.1,ssse3")]
pub(super) fn compress<const N: usize>(lanes: [Lane<'_>; N]) {
    let zero = _mm_setzero_si128();
    let mut registers = Registers {
        abef: [zero; N],
        cdgh: [zero; N],
        w: [[zero; 4]; N],
    };
    for (index, lane) in lanes.iter().enumerate() {
        (registers.abef[index], registers.cdgh[index]) = load_state(lane.words);
    }
    for block in 0..lanes[0].blocks.len() {
        let blocks: [&[u8; 64]; N] = std::array::from_fn(|lane| &lanes[lane].blocks[block]);
        one_block(&mut registers, blocks);
    }
    for (index, lane) in lanes.into_iter().enumerate() {
        store_state(lane.words, registers.abef[index], registers.cdgh[index]);
    }
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn one_block<const N: usize>(registers: &mut Registers<N>, blocks: [&[u8; 64]; N]) {
    let (abef, cdgh) = (registers.abef, registers.cdgh);
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
        registers.abef[lane] = _mm_add_epi32(registers.abef[lane], abef[lane]);
        registers.cdgh[lane] = _mm_add_epi32(registers.cdgh[lane], cdgh[lane]);
    }
}

/// Rounds 4R to 4R + 3, whose message words are the block's own.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn first<const N: usize, const R: usize>(registers: &mut Registers<N>, blocks: &[&[u8; 64]; N]) {
    let swap = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
    let constants = load(&ROUNDS[R]);
    for (lane, block) in blocks.iter().enumerate() {
        let words: &[u8; 16] = &block.as_chunks().0[R];
        registers.w[lane][R] = _mm_shuffle_epi8(load(words), swap);
        rounds(
            registers,
            lane,
            _mm_add_epi32(registers.w[lane][R], constants),
        );
    }
}

/// Rounds 4R to 4R + 3, whose message words follow from the sixteen before.
#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn later<const N: usize, const R: usize>(registers: &mut Registers<N>) {
    let constants = load(&ROUNDS[R]);
    for lane in 0..N {
        let w = &mut registers.w[lane];
        let [w0, w1, w2, w3] = [w[R % 4], w[(R + 1) % 4], w[(R + 2) % 4], w[(R + 3) % 4]];
        let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8::<4>(w3, w2));
        let next = _mm_sha256msg2_epu32(sum, w3);
        w[R % 4] = next;
        rounds(registers, lane, _mm_add_epi32(next, constants));
    }
}

#[inline]
#[target_feature(enable = "sha,sse4.1,ssse3")]
fn rounds<const N: usize>(registers: &mut Registers<N>, lane: usize, input: __m128i) {
    let (abef, cdgh) = (registers.abef[lane], registers.cdgh[lane]);
    let half = _mm_sha256rnds2_epu32(cdgh, abef, input);
    let rest = _mm_shuffle_epi32::<0x0e>(input);
    registers.cdgh[lane] = half;
    registers.abef[lane] = _mm_sha256rnds2_epu32(abef, half, rest);
}

#[inline]
#[target_feature(enable = "sse2")]
fn load<T>(from: &T) -> __m128i {
    const { assert!(size_of::<T>() == 16) };
    // SAFETY: the reference is good for the 16 bytes of a T, and no alignment is needed.
    unsafe { _mm_loadu_si128(std::ptr::from_ref(from).cast()) }
}

#[inline]
#[target_feature(enable = "sse4.1,ssse3")]
fn load_state(words: &[u32; 8]) -> (__m128i, __m128i) {
    let [dcba, hgfe] = [0, 1].map(|half| load(&words.as_chunks::<4>().0[half]));
    let cdab = _mm_shuffle_epi32::<0xb1>(dcba);
    let efgh = _mm_shuffle_epi32::<0x1b>(hgfe);
    let abef = _mm_alignr_epi8::<8>(cdab, efgh);
    (abef, _mm_blend_epi16::<0xf0>(efgh, cdab))
}

#[inline]
#[target_feature(enable = "sse4.1,ssse3")]
fn store_state(words: &mut [u32; 8], abef: __m128i, cdgh: __m128i) {
    let feba = _mm_shuffle_epi32::<0x1b>(abef);
    let dchg = _mm_shuffle_epi32::<0xb1>(cdgh);
    let halves = [
        _mm_blend_epi16::<0xf0>(feba, dchg),
        _mm_alignr_epi8::<8>(dchg, feba),
    ];
    for (place, half) in words.as_chunks_mut::<4>().0.iter_mut().zip(halves) {
        // SAFETY: the reference is good for 16 bytes, and no alignment is needed.
        unsafe { _mm_storeu_si128(place.as_mut_ptr().cast(), half) };
    }
}
