//! Any bytes, in any order, into the store as a tar: the same bytes come out.
#![no_main]

use kitfast_core::Meter;
use kitfast_core::digest::sha256;
use kitfast_core::landing::{Check, Landing, Plan, Shape, Sink};
use kitfast_core::store::Store;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<(u16, u16)>, Vec<u8>)| {
    let (writes, mut blob) = input;
    // Long enough for members with files of their own, out of few fuzzed bytes.
    let tail = blob.len();
    blob.resize(tail + 70_000, tail as u8);
    let home = tempfile::tempdir_in("/dev/shm").unwrap();
    let plan = Plan {
        digest: sha256::hash(&blob),
        check: Check::Sha256,
        size: blob.len() as u64,
        shape: Shape::Tar,
        sink: Sink::Store(home.path().into()),
    };
    let mut landing = Landing::open(plan.clone()).unwrap();
    for (at, length) in writes.into_iter().take(20) {
        let from = usize::from(at).min(blob.len());
        let to = (from + usize::from(length)).min(blob.len());
        landing.write(from as u64, &blob[from..to]).unwrap();
        if length % 7 == 0 {
            landing.keep().unwrap();
            landing = Landing::open(plan.clone()).unwrap();
            assert_eq!(landing.warning(), None);
        }
    }
    for (start, end) in landing.missing() {
        landing
            .write(start, &blob[start as usize..end as usize])
            .unwrap();
    }
    landing.finish(&Meter::default()).unwrap();
    let stored = Store::open(home.path())
        .unwrap()
        .blob(&plan.digest)
        .unwrap();
    let mut read = vec![0; blob.len()];
    stored.read(0, &mut read).unwrap();
    assert!(read == blob);
});
