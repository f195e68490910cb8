//! SHA-256 with a state that can be saved and restored (FIPS 180-4).

use crate::{Error, Result};

/// Bytes SHA-256 takes at a time.
pub const BLOCK: usize = 64;

/// The chaining value before the first block (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Where a hash stands: chaining value, bytes taken, and the bytes of the unfinished block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The chaining value after the last whole block.
    pub words: [u32; 8],
    /// Bytes taken so far, the unfinished block's included.
    pub length: u64,
    /// The unfinished block; `length % 64` bytes of it count, the rest are zero.
    pub tail: [u8; 64],
}

impl Default for State {
    fn default() -> Self {
        Self {
            words: INITIAL,
            length: 0,
            tail: [0; BLOCK],
        }
    }
}

impl State {
    /// Bytes [`State::to_bytes`] gives.
    pub const ENCODED: usize = 104;

    /// How many bytes of the unfinished block count.
    pub fn tail_length(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    /// The state as bytes for a journal: words, length (both big-endian), tail.
    pub fn to_bytes(&self) -> [u8; Self::ENCODED] {
        let mut bytes = [0; Self::ENCODED];
        for (place, word) in bytes.chunks_exact_mut(4).zip(self.words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes[32..40].copy_from_slice(&self.length.to_be_bytes());
        bytes[40..].copy_from_slice(&self.tail);
        bytes
    }

    /// The state [`State::to_bytes`] gave; [`Error::Corrupt`] if no hash can stand so.
    pub fn from_bytes(bytes: &[u8; Self::ENCODED]) -> Result<Self> {
        let (words, rest) = bytes.split_at(32);
        let (length, tail) = rest.split_at(8);
        let word = |index: usize| std::array::from_fn(|byte| words[index * 4 + byte]);
        let state = Self {
            words: std::array::from_fn(|index| u32::from_be_bytes(word(index))),
            length: u64::from_be_bytes(std::array::from_fn(|byte| length[byte])),
            tail: std::array::from_fn(|byte| tail[byte]),
        };
        if state.tail[state.tail_length()..]
            .iter()
            .any(|&byte| byte != 0)
        {
            return Err(Error::corrupt(
                "SHA-256 state",
                "bytes after the unfinished block",
            ));
        }
        Ok(state)
    }

    /// Takes `data` in.
    pub fn update(&mut self, mut data: &[u8]) {
        let filled = self.tail_length();
        self.length = self.length.wrapping_add(data.len() as u64);
        if filled > 0 {
            let (head, rest) = data.split_at(data.len().min(BLOCK - filled));
            self.tail[filled..filled + head.len()].copy_from_slice(head);
            if filled + head.len() < BLOCK {
                return;
            }
            compress(&mut self.words, &[self.tail]);
            self.tail = [0; BLOCK];
            data = rest;
        }
        let (blocks, rest) = data.as_chunks::<BLOCK>();
        compress(&mut self.words, blocks);
        self.tail[..rest.len()].copy_from_slice(rest);
    }

    /// The digest of all bytes taken in (padding of FIPS 180-4, 5.1.1).
    pub fn finish(mut self) -> [u8; 32] {
        let filled = self.tail_length();
        let bits = self.length.wrapping_mul(8);
        self.tail[filled] = 0x80;
        if filled >= BLOCK - 8 {
            compress(&mut self.words, &[self.tail]);
            self.tail = [0; BLOCK];
        }
        self.tail[BLOCK - 8..].copy_from_slice(&bits.to_be_bytes());
        compress(&mut self.words, &[self.tail]);
        let mut digest = [0; 32];
        for (place, word) in digest.chunks_exact_mut(4).zip(self.words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        digest
    }
}

/// One stream through the best instructions the CPU has (SHA-NI, ARMv8, else portable).
pub(crate) fn compress(words: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
    sha2::block_api::compress256(words, blocks);
}

/// An incremental SHA-256 of one stream on the calling thread.
#[derive(Debug, Clone, Default)]
pub struct Hasher {
    state: State,
}

impl Hasher {
    /// A hasher that has taken nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A hasher that goes on where `state` stood.
    pub fn resume(state: State) -> Self {
        Self { state }
    }

    /// Takes `data` in.
    pub fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    /// Where the hash stands now.
    pub fn state(&self) -> State {
        self.state.clone()
    }

    /// The digest of all bytes taken in.
    pub fn finish(self) -> [u8; 32] {
        self.state.finish()
    }
}

/// The SHA-256 of `data`.
pub fn hash(data: &[u8]) -> [u8; 32] {
    let mut hasher = Hasher::new();
    hasher.update(data);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::hex;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length)
            .map(|index| (index * 31 + index / 251) as u8)
            .collect()
    }

    #[test]
    fn nist_vectors() {
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let million = vec![b'a'; 1_000_000];
        let vectors: [(&[u8], &str); 4] = [
            (
                b"",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            ),
            (
                b"abc",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                two_blocks,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (
                &million,
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
            ),
        ];
        for (data, digest) in vectors {
            assert_eq!(hex::encode(&hash(data)), digest);
        }
    }

    #[test]
    fn a_state_saved_at_any_byte_goes_on_to_the_same_digest() {
        let data = bytes(300);
        let whole = hash(&data);
        for split in 0..=data.len() {
            let mut hasher = Hasher::new();
            hasher.update(&data[..split]);
            let state = State::from_bytes(&hasher.state().to_bytes()).unwrap();
            assert_eq!(state, hasher.state());
            let mut resumed = Hasher::resume(state);
            resumed.update(&data[split..]);
            assert_eq!(resumed.finish(), whole, "split at {split}");
        }
    }

    #[test]
    fn a_state_with_bytes_after_its_block_is_refused() {
        let mut bytes = State::default().to_bytes();
        bytes[40] = 1;
        assert!(matches!(
            State::from_bytes(&bytes),
            Err(Error::Corrupt { .. })
        ));
    }
}
