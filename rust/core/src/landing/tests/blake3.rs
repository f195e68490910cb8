//! A file known by its BLAKE3, or by nothing: held to the one, or to its size.

use super::*;
use crate::store::Store;

fn held(data: &[u8], check: Check, sink: Sink) -> Plan {
    let mut plan = plan(data, Shape::Whole, sink);
    plan.digest = *::blake3::hash(data).as_bytes();
    plan.check = check;
    plan
}

#[test]
fn right_bytes_are_published_and_flipped_ones_are_not() {
    for size in [0, 1, 100_000, 9 << 20] {
        let mut data = bytes(3, size);
        let root = tempfile::tempdir().unwrap();
        let home = tempfile::tempdir().unwrap();
        let folder = named(to_target(root.path(), Existing::Refuse), "a/file");
        let sinks = [folder, Sink::Store(home.path().into())];
        for (number, sink) in sinks.into_iter().enumerate() {
            let plan = held(&data, Check::Blake3, sink.clone());
            if size > 0 {
                data[size / 2] ^= 1;
                let landing = Landing::open(plan.clone()).unwrap();
                write_all(&landing, &data);
                let refused = finish(&landing);
                assert!(matches!(refused, Err(Error::DigestMismatch { .. })));
                data[size / 2] ^= 1;
                // The second one is bound for the store.
                assert_eq!(read_all(root.path()).len(), number);
            }
            let landing = Landing::open(plan).unwrap();
            write_all(&landing, &data);
            finish(&landing).unwrap();
            finish_target(&sink);
        }
        assert_eq!(read_all(root.path())["a/file"], data);
        let store = Store::open(home.path()).unwrap();
        let stored = store.size(&sha256::hash(&data)).unwrap();
        assert_eq!(stored, Some(size as u64), "it is a blob like any other");
        if size > 0 {
            let hash = ::blake3::hash(&data);
            let content = store.content(hash.as_bytes(), size as u64).unwrap();
            let mut back = vec![0; size];
            content.unwrap().read(0, &mut back).unwrap();
            assert!(back == data);
        }
    }
}

#[test]
fn one_that_was_kept_goes_on() {
    let data = bytes(5, 9 << 20);
    let root = tempfile::tempdir().unwrap();
    let sink = named(to_target(root.path(), Existing::Refuse), "file");
    let plan = held(&data, Check::Blake3, sink.clone());
    for at in [0, 5 << 20, 7 << 20] {
        let landing = Landing::open(plan.clone()).unwrap();
        assert_eq!((landing.reused(), landing.warning()), (at as u64, None));
        let until = data
            .len()
            .min(if at == 0 { 5 << 20 } else { at + (2 << 20) });
        landing.write(at as u64, &data[at..until]).unwrap();
        landing.keep().unwrap();
    }
    let landing = Landing::open(plan).unwrap();
    assert_eq!(landing.reused(), data.len() as u64);
    finish(&landing).unwrap();
    finish_target(&sink);
    assert!(read_all(root.path())["file"] == data);
}

#[test]
fn what_nothing_is_known_of_needs_only_its_size() {
    let data = bytes(7, 70_000);
    let root = tempfile::tempdir().unwrap();
    let sink = named(to_target(root.path(), Existing::Refuse), "file");
    let mut plan = held(&data, Check::Nothing, sink.clone());
    plan.digest = [1; 32];
    let landing = Landing::open(plan.clone()).unwrap();
    write_all(&landing, &data[1..]);
    assert!(finish(&landing).is_err());
    landing.write(69_999, &data[69_999..]).unwrap();
    finish(&landing).unwrap();
    finish_target(&sink);
    assert_eq!(read_all(root.path())["file"].len(), data.len());
    plan.sink = Sink::Store(root.path().into());
    assert!(matches!(Landing::open(plan), Err(Error::Invalid { .. })));
}

#[test]
fn what_nothing_is_known_of_is_not_trusted_after_another_boot() {
    let data = bytes(7, 70_000);
    let root = tempfile::tempdir().unwrap();
    let sink = named(to_target(root.path(), Existing::Refuse), "file");
    for (check, reused) in [(Check::Nothing, 0), (Check::Blake3, 50_000)] {
        let plan = held(&data, check, sink.clone());
        let landing = Landing::open(plan.clone()).unwrap();
        landing.write(0, &data[..50_000]).unwrap();
        landing.keep().unwrap();
        let folder = root.path().join(".kitfast-staging");
        crash::edit_journal(&folder, plan.size, |journal| {
            journal.boot = b"another".to_vec()
        });
        let landing = Landing::open(plan).unwrap();
        assert_eq!(landing.reused(), reused);
        assert_eq!(landing.warning().is_some(), check == Check::Nothing);
        landing.discard().unwrap();
    }
}

#[test]
fn it_does_not_touch_what_lands_by_the_same_number_as_sha256() {
    let data = bytes(9, 100_000);
    let home = tempfile::tempdir().unwrap();
    let sha256 = plan(&data, Shape::Whole, Sink::Store(home.path().into()));
    let first = Landing::open(sha256.clone()).unwrap();
    first.write(0, &data[..50_000]).unwrap();
    first.keep().unwrap();
    let mut blake3 = sha256.clone();
    blake3.check = Check::Blake3;
    Landing::open(blake3).unwrap().discard().unwrap();
    let again = Landing::open(sha256).unwrap();
    assert_eq!((again.reused(), again.warning()), (50_000, None));
}

#[test]
fn a_tar_has_no_other_digest_than_its_sha256() {
    let root = tempfile::tempdir().unwrap();
    let mut plan = held(b"", Check::Blake3, to_target(root.path(), Existing::Refuse));
    plan.shape = Shape::Tar;
    assert!(matches!(Landing::open(plan), Err(Error::Invalid { .. })));
}
