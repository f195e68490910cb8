//! Saved hash states from a journal: refused, or good to go on from, never a panic.
#![no_main]

use kitfast_core::digest::blake3_tree::{GROUP, Tree, TreeState};
use kitfast_core::digest::sha256::{self, Hasher, State};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(state) = TreeState::from_bytes(data) {
        assert_eq!(state.to_bytes(), data);
        let fits = state.position() < u64::MAX - 2 * GROUP;
        let mut tree = Tree::resume(state);
        tree.update(&data[..data.len() * usize::from(fits)]);
        let ended = tree.finish();
        assert!(ended.is_ok() || !fits);
    }
    let Some((saved, rest)) = data.split_first_chunk::<{ State::ENCODED }>() else {
        return;
    };
    if let Ok(state) = State::from_bytes(saved) {
        assert_eq!(state.to_bytes(), *saved);
        let mut hasher = Hasher::resume(state);
        hasher.update(rest);
        hasher.finish();
    }
    let split = usize::from(saved[0]) % (rest.len() + 1);
    let mut hasher = Hasher::new();
    hasher.update(&rest[..split]);
    let mut resumed = Hasher::resume(hasher.state());
    resumed.update(&rest[split..]);
    assert_eq!(resumed.finish(), sha256::hash(rest));
});
