//! What an earlier run left: trusted where it fits, else thrown away.

use super::*;

#[test]
fn a_torn_journal_is_not_trusted() {
    let home = tempfile::tempdir().unwrap();
    let blob = bytes(1, 100_000);
    let plan = plan(&blob, Shape::Whole, Sink::Store(home.path().into()));
    let landing = Landing::open(plan.clone()).unwrap();
    landing.write(0, &blob[..50_000]).unwrap();
    landing.keep().unwrap();
    let folder = std::fs::read_dir(home.path().join("landing"))
        .unwrap()
        .next()
        .unwrap();
    let journal = folder.unwrap().path().join("journal");
    let mut torn = std::fs::read(&journal).unwrap();
    torn.truncate(torn.len() - 1);
    std::fs::write(&journal, torn).unwrap();
    let landing = Landing::open(plan).unwrap();
    assert!(landing.warning().is_some());
    assert_eq!(
        (landing.reused(), landing.missing()),
        (0, vec![(0, 100_000)])
    );
    write_all(&landing, &blob);
    finish(&landing).unwrap();
}

#[test]
fn a_kept_landing_goes_on_without_hashing_again() {
    let home = tempfile::tempdir().unwrap();
    let blob = bytes(1, 9 << 20);
    let plan = plan(&blob, Shape::Whole, Sink::Store(home.path().into()));
    let landing = Landing::open(plan.clone()).unwrap();
    landing.write(0, &blob[..8 << 20]).unwrap();
    while landing.hashed() < 8 << 20 {
        std::thread::yield_now();
    }
    landing.keep().unwrap();
    let landing = Landing::open(plan).unwrap();
    assert_eq!((landing.reused(), landing.hashed()), (8 << 20, 8 << 20));
    landing.write(8 << 20, &blob[8 << 20..]).unwrap();
    finish(&landing).unwrap();
}

/// Stops in the middle of publishing, as a kill does, after `done` files.
fn crash_after(plan: &Plan, blob: &[u8], done: usize) {
    let landing = Landing::open(plan.clone()).unwrap();
    write_all(&landing, blob);
    let shared = landing.open_one().unwrap();
    shared.digest(&Meter::default()).unwrap();
    let Sink::Target { target, .. } = &plan.sink else {
        panic!("no target")
    };
    commit::prepare(&shared, target, &Meter::default()).unwrap();
    commit::begin(&shared).unwrap();
    let mut left = done;
    members::Members::of(&shared)
        .each(|entry| match (entry.slot, left) {
            (Some(slot), 1..) => {
                left -= 1;
                commit::publish_one(&shared, target, entry, slot)
            }
            _ => Ok(()),
        })
        .unwrap();
}

#[test]
fn publishing_goes_on_after_a_crash() {
    let files = files_of(&[10, 70_000, 0, 100_000]);
    let tar = tar_of(&files);
    let zstd = zstd::stream::encode_all(&tar[..], 1).unwrap();
    for (blob, shape) in [(&tar, Shape::Tar), (&zstd, Shape::TarZstd)] {
        for done in 0..=files.len() {
            let root = tempfile::tempdir().unwrap();
            let plan = plan(blob, shape, to_target(root.path(), Existing::Refuse));
            crash_after(&plan, blob, done);
            let landing = Landing::open(plan.clone()).unwrap();
            assert_eq!((landing.missing(), landing.warning()), (vec![], None));
            finish(&landing).unwrap();
            finish_target(&plan.sink);
            assert!(read_all(root.path()) == files);
        }
    }
}

#[test]
fn what_an_earlier_run_published_is_known_again() {
    let files = files_of(&[10, 70_000]);
    let tar = tar_of(&files);
    let root = tempfile::tempdir().unwrap();
    let first = plan(&tar, Shape::Tar, to_target(root.path(), Existing::Refuse));
    let landing = Landing::open(first.clone()).unwrap();
    write_all(&landing, &tar);
    finish(&landing).unwrap();
    let again = plan(&tar, Shape::Tar, to_target(root.path(), Existing::Refuse));
    let landing = Landing::open(again.clone()).unwrap();
    assert_eq!(
        (landing.reused(), landing.missing()),
        (tar.len() as u64, vec![])
    );
    finish(&landing).unwrap();
    let Sink::Target { target, .. } = &again.sink else {
        panic!("no target")
    };
    assert_eq!((target.files(), target.bytes()), (2, 70_010));
    std::fs::write(root.path().join("dir/0"), b"touched").unwrap();
    let landing = Landing::open(again.clone()).unwrap();
    let refused = landing.write(0, &tar);
    assert!(matches!(refused, Err(Error::Exists { .. })));
    drop(landing);
    finish_target(&again.sink);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
}
