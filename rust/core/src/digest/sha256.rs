//! SHA-256 with a state that can be saved and restored (FIPS 180-4).

/// Where a hash stands: chaining value, bytes taken, and the bytes of the unfinished block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The chaining value after the last whole block.
    pub words: [u32; 8],
    /// Bytes taken so far, the unfinished block's included.
    pub length: u64,
    /// The unfinished block; `length % 64` bytes of it count.
    pub tail: [u8; 64],
}
