//! Any split, any order, any kill: the bytes that land are the right ones.

use proptest::prelude::*;

use super::*;
use crate::store::Store;

#[derive(Debug, Clone)]
enum Act {
    Write(prop::sample::Index, usize),
    Missing(usize),
    /// As a write and a missing range, over a socket.
    Receive(prop::sample::Index, usize),
    ReceiveMissing(usize),
    Kill,
    Keep,
    Wait,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (any::<prop::sample::Index>(), 0usize..90_000).prop_map(|(at, len)| Act::Write(at, len)),
        6 => (1usize..200_000).prop_map(Act::Missing),
        6 => (any::<prop::sample::Index>(), 0usize..90_000).prop_map(|(at, len)| Act::Receive(at, len)),
        6 => (1usize..600_000).prop_map(Act::ReceiveMissing),
        1 => Just(Act::Kill),
        1 => Just(Act::Keep),
        1 => Just(Act::Wait),
    ];
    proptest::collection::vec(act, 0..25)
}

/// Plays the acts, then writes whatever is missing and finishes.
fn play(plan: &Plan, blob: &[u8], acts: &[Act]) {
    let mut landing = Landing::open(plan.clone()).unwrap();
    for act in acts {
        match act {
            Act::Write(at, length) | Act::Receive(at, length) if !blob.is_empty() => {
                let at = at.index(blob.len());
                let end = blob.len().min(at + length);
                match act {
                    Act::Write(..) => landing.write(at as u64, &blob[at..end]).unwrap(),
                    _ => receive(&landing, at as u64, &blob[at..end]),
                }
            }
            Act::Missing(length) | Act::ReceiveMissing(length) => {
                let wanted = landing.wanted_header().map(|(at, len)| (at, at + len));
                let first = landing.missing().first().copied();
                if let Some((start, end)) = wanted.or(first) {
                    let end = end.min(start + *length as u64);
                    let bytes = &blob[start as usize..end as usize];
                    match act {
                        Act::Missing(_) => landing.write(start, bytes).unwrap(),
                        _ => receive(&landing, start, bytes),
                    }
                }
            }
            Act::Wait => std::thread::sleep(std::time::Duration::from_millis(1)),
            Act::Kill | Act::Keep => {
                if matches!(act, Act::Keep) {
                    landing.keep().unwrap();
                }
                drop(landing);
                landing = Landing::open(plan.clone()).unwrap();
                assert_eq!(landing.warning(), None);
            }
            Act::Write(..) | Act::Receive(..) => {}
        }
    }
    for (start, end) in landing.missing() {
        landing
            .write(start, &blob[start as usize..end as usize])
            .unwrap();
    }
    finish(&landing).unwrap();
}

fn check_store(blob: &[u8], shape: Shape, acts: &[Act]) {
    let home = tempfile::tempdir().unwrap();
    play(
        &plan(blob, shape, Sink::Store(home.path().into())),
        blob,
        acts,
    );
    let store = Store::open(home.path()).unwrap();
    let stored = store.blob(&sha256::hash(blob)).unwrap();
    let mut read = vec![0; blob.len()];
    stored.read(0, &mut read).unwrap();
    assert!(read == blob);
    assert_eq!(
        std::fs::read_dir(home.path().join("landing"))
            .unwrap()
            .count(),
        0
    );
}

fn check_target(blob: &[u8], shape: Shape, files: &Files, acts: &[Act]) {
    let root = tempfile::tempdir().unwrap();
    let mut sink = to_target(root.path(), Existing::Refuse);
    if shape == Shape::Whole {
        sink = named(sink, files.keys().next().unwrap());
    }
    play(&plan(blob, shape, sink.clone()), blob, acts);
    finish_target(&sink);
    assert!(read_all(root.path()) == *files);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_tar_lands_right_whatever_happens(
        sizes in proptest::collection::vec(prop_oneof![0usize..2000, 30_000usize..400_000], 0..6),
        acts in acts(),
    ) {
        let files = files_of(&sizes);
        let tar = tar_of(&files);
        check_store(&tar, Shape::Tar, &acts);
        check_target(&tar, Shape::Tar, &files, &acts);
    }

    #[test]
    fn a_whole_blob_lands_right_whatever_happens(size in 0usize..900_000, acts in acts()) {
        let blob = bytes(5, size);
        check_store(&blob, Shape::Whole, &acts);
        check_target(&blob, Shape::Whole, &[("a/b".to_owned(), blob.clone())].into(), &acts);
    }

    #[test]
    fn the_store_takes_any_bytes_for_a_tar(
        cut in 0usize..200_000,
        flip in any::<prop::sample::Index>(),
        acts in acts(),
    ) {
        let mut blob = tar_of(&files_of(&[100, 100_000, 33_000]));
        blob.truncate(cut.max(1));
        let at = flip.index(blob.len());
        blob[at] ^= 0x11;
        check_store(&blob, Shape::Tar, &acts);
    }
}

#[test]
fn compressed_tars_are_decoded_once_they_are_verified() {
    let files = files_of(&[0, 100, 300_000]);
    let tar = tar_of(&files);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &tar).unwrap();
    let acts = [Act::Missing(1000), Act::Keep];
    check_target(&gzip.finish().unwrap(), Shape::TarGzip, &files, &acts);
    let zstd = zstd::stream::encode_all(&tar[..], 1).unwrap();
    check_target(&zstd, Shape::TarZstd, &files, &acts);
}
