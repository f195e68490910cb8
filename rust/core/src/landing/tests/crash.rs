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

#[test]
fn chaining_values_are_kept_for_who_pushes_it_on() {
    let home = tempfile::tempdir().unwrap();
    let blob = bytes(1, 9 << 20);
    let landing = Landing::open(plan(&blob, Shape::Whole, Sink::Store(home.path().into())));
    let landing = landing.unwrap();
    landing.write(0, &blob).unwrap();
    finish(&landing).unwrap();
    let store = crate::store::Store::open(home.path()).unwrap();
    let hash = *::blake3::hash(&blob).as_bytes();
    let values = store.contents().groups(&hash, 9 << 20);
    assert_eq!(values.map(|values| values.len()), Some(96));
}

/// Stops in the middle of publishing, as a kill does, after `done` files.
pub fn crash_after(plan: &Plan, blob: &[u8], done: usize) {
    let landing = Landing::open(plan.clone()).unwrap();
    write_all(&landing, blob);
    let shared = landing.open_one().unwrap();
    shared.digest(&Meter::default()).unwrap();
    let Sink::Target { target, .. } = &plan.sink else {
        panic!("no target")
    };
    commit::prepare(&shared, target, &Meter::default()).unwrap();
    stamps::write(&members::Members::of(&shared)).unwrap();
    commit::begin(&shared).unwrap();
    let mut left = done;
    members::Members::of(&shared)
        .each(|entry| match (entry.slot, left) {
            (Some(slot), 1..) => {
                left -= 1;
                commit::publish_one(&shared, target, entry, slot).map(drop)
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

/// Rewrites the only journal below `folder`.
pub fn edit_journal(folder: &Path, size: u64, edit: impl FnOnce(&mut journal::Journal)) {
    let inner = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    let path = inner.path().join("journal");
    let bytes = std::fs::read(&path).unwrap();
    let mut journal = journal::Journal::decode(&bytes, size).unwrap();
    edit(&mut journal);
    std::fs::write(&path, journal.encode()).unwrap();
}

#[test]
fn after_another_boot_everything_is_hashed_again() {
    let home = tempfile::tempdir().unwrap();
    let tar = tar_of(&files_of(&[100, 200_000, 40_000, 90_000]));
    let plan = plan(&tar, Shape::Tar, Sink::Store(home.path().into()));
    for damaged in [false, true] {
        let landing = Landing::open(plan.clone()).unwrap();
        // Out of order, so that some bytes stray.
        landing.write(150_000, &tar[150_000..250_000]).unwrap();
        landing.write(0, &tar[..150_000]).unwrap();
        while damaged && landing.hashed() < 200_000 {
            // Wakes the front, which waits for more than this.
            Pool::shared().wake();
        }
        landing.keep().unwrap();
        let folder = home.path().join("landing");
        edit_journal(&folder, plan.size, |journal| {
            journal.boot = b"another".to_vec()
        });
        if damaged {
            // What a power cut may do: the size is right, the bytes are not.
            let inner = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap();
            let member = inner.path().join("0/0");
            let size = std::fs::metadata(&member).unwrap().len() as usize;
            std::fs::write(&member, vec![0; size]).unwrap();
        }
        let landing = Landing::open(plan.clone()).unwrap();
        assert_eq!((landing.reused(), landing.warning()), (250_000, None));
        landing.write(250_000, &tar[250_000..]).unwrap();
        match finish(&landing) {
            Ok(()) => assert!(!damaged),
            Err(error) => assert!(damaged && matches!(error, Error::DigestMismatch { .. })),
        }
    }
}

#[test]
fn a_journal_that_lies_costs_time_never_bytes() {
    let home = tempfile::tempdir().unwrap();
    let blob = bytes(9, 300_000);
    let plan = plan(&blob, Shape::Whole, Sink::Store(home.path().into()));
    let lies: [fn(&mut journal::Journal); 6] = [
        |journal| journal.placed = u64::MAX,
        |journal| journal.mark.hashed = u64::MAX,
        |journal| journal.mark.hashed = 1,
        |journal| journal.identity.push(0),
        |journal| journal.strays.insert(0..300_000),
        |journal| journal.down.insert(0..300_000),
    ];
    for lie in lies {
        let landing = Landing::open(plan.clone()).unwrap();
        landing.write(0, &blob[..100_000]).unwrap();
        landing.keep().unwrap();
        edit_journal(&home.path().join("landing"), plan.size, lie);
        let landing = Landing::open(plan.clone()).unwrap();
        for (start, end) in landing.missing() {
            landing
                .write(start, &blob[start as usize..end as usize])
                .unwrap();
        }
        match finish(&landing) {
            Ok(()) => {
                let store = crate::store::Store::open(home.path()).unwrap();
                store.remove(&plan.digest).unwrap();
            }
            Err(error) => assert!(matches!(error, Error::DigestMismatch { .. })),
        }
    }
}

#[test]
fn what_one_rule_refused_another_can_finish() {
    // One member with a file of its own before the refused one, one after it.
    let files = files_of(&[10, 70_000, 90_000]);
    let tar = tar_of(&files);
    let theirs = "dir/0";
    for existing in [Existing::Keep, Existing::Overwrite] {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("dir")).unwrap();
        std::fs::write(root.path().join(theirs), b"theirs").unwrap();
        let refusing = plan(&tar, Shape::Tar, to_target(root.path(), Existing::Refuse));
        let landing = Landing::open(refusing).unwrap();
        assert!(matches!(landing.write(0, &tar), Err(Error::Exists { .. })));
        while landing.hashed() < tar.len() as u64 {
            Pool::shared().wake();
        }
        // A kill just after a journal of the refused state was written.
        landing.open_one().unwrap().journal_now().unwrap();
        drop(landing);
        let staging = root.path().join(".kitfast-staging");
        edit_journal(&staging, tar.len() as u64, |journal| {
            let marked = journal.mark.sha256.length;
            assert_eq!(marked, 0, "small files behind a mark would not be written");
            // Were it there all the same, what has no file yet would still get one.
            if existing == Existing::Overwrite {
                journal.mark.sha256.update(&tar);
            }
        });
        let sink = to_target(root.path(), existing);
        let landing = Landing::open(plan(&tar, Shape::Tar, sink.clone())).unwrap();
        assert_eq!((landing.missing(), landing.warning()), (vec![], None));
        finish(&landing).unwrap();
        finish_target(&sink);
        let mut expected = files.clone();
        if existing == Existing::Keep {
            expected.insert(theirs.into(), b"theirs".to_vec());
        }
        assert!(read_all(root.path()) == expected, "{existing:?}");
    }
}

#[test]
fn a_file_one_run_kept_is_not_taken_for_published() {
    let files = files_of(&[10, 70_000]);
    let tar = tar_of(&files);
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("dir")).unwrap();
    std::fs::write(root.path().join("dir/0"), b"theirs").unwrap();
    let keeping = plan(&tar, Shape::Tar, to_target(root.path(), Existing::Keep));
    let landing = Landing::open(keeping.clone()).unwrap();
    write_all(&landing, &tar);
    finish(&landing).unwrap();
    // Killed before the target was finished; the same again keeps the same.
    assert!(Landing::has_published(&keeping).unwrap());
    let again = plan(&tar, Shape::Tar, to_target(root.path(), Existing::Keep));
    assert_eq!(Landing::open(again.clone()).unwrap().missing(), vec![]);
    let Sink::Target { target, .. } = &again.sink else {
        panic!("no target")
    };
    assert_eq!((target.files(), target.kept()), (1, 1));
    let sink = to_target(root.path(), Existing::Overwrite);
    let landing = Landing::open(plan(&tar, Shape::Tar, sink.clone())).unwrap();
    write_all(&landing, &tar);
    finish(&landing).unwrap();
    finish_target(&sink);
    assert!(read_all(root.path()) == files);
}

#[test]
fn an_abandoned_target_forgets_its_own_staging_alone() {
    let tar = tar_of(&files_of(&[10, 70_000]));
    let other = bytes(4, 100_000);
    let root = tempfile::tempdir().unwrap();
    let early = plan(
        &other,
        Shape::Whole,
        named(to_target(root.path(), Existing::Refuse), "w"),
    );
    let landing = Landing::open(early).unwrap();
    landing.write(0, &other[..50_000]).unwrap();
    landing.keep().unwrap();
    let sink = to_target(root.path(), Existing::Refuse);
    let Sink::Target { target, .. } = &sink else {
        panic!("no target")
    };
    for (blob, plan) in [
        (&tar, plan(&tar, Shape::Tar, sink.clone())),
        (&other, plan(&other, Shape::Whole, named(sink.clone(), "w"))),
    ] {
        assert!(!Landing::has_published(&plan).unwrap());
        let landing = Landing::open(plan).unwrap();
        landing.write(0, &blob[..40_000]).unwrap();
        landing.keep().unwrap();
    }
    let staging = root.path().join(".kitfast-staging");
    assert_eq!(std::fs::read_dir(&staging).unwrap().count(), 2);
    target.abandon().unwrap();
    assert_eq!(std::fs::read_dir(&staging).unwrap().count(), 1);
    let landing = Landing::open(plan(&other, Shape::Whole, named(sink.clone(), "w"))).unwrap();
    assert_eq!(landing.reused(), 50_000);
    landing.discard().unwrap();
    target.abandon().unwrap();
    assert!(!staging.exists());
}
