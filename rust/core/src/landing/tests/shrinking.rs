//! A compressed layer on a short disk: its spool shrinks, no hole is believed.

use std::os::unix::fs::MetadataExt;

use super::*;

const MIB: usize = 1 << 20;

/// A kit whose layer hardly compresses, and its two compressed forms.
fn layers() -> (Files, [(Vec<u8>, Shape); 2]) {
    let mut files = files_of(&[3 * MIB, 10, 3 * MIB]);
    let mut noise = ::blake3::Hasher::new().finalize_xof();
    files.values_mut().for_each(|data| noise.fill(data));
    let tar = tar_of(&files);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::stream::encode_all(&tar[..], 1).unwrap();
    (files, [(gzip, Shape::TarGzip), (zstd, Shape::TarZstd)])
}

/// A landing with all bytes of its blob down and verified, and what to open it with again.
fn landed(root: &Path, blob: &[u8], shape: Shape) -> (Landing, Plan) {
    let plan = plan(blob, shape, to_target(root, Existing::Refuse));
    let landing = Landing::open(plan.clone()).unwrap();
    write_all(&landing, blob);
    let shared = landing.open_one().unwrap();
    assert_eq!(shared.digest(&Meter::default()).unwrap(), plan.digest);
    shared.journal_now().unwrap();
    drop(shared);
    (landing, plan)
}

/// Bytes of the disk that the spool takes.
fn taken(landing: &Landing) -> usize {
    let spool = &landing.open_one().unwrap().spool;
    spool.metadata().unwrap().blocks() as usize * 512
}

fn fill(landing: &Landing, blob: &[u8]) {
    for (start, end) in landing.missing() {
        let bytes = &blob[start as usize..end as usize];
        landing.write(start, bytes).unwrap();
    }
}

#[test]
fn with_room_the_spool_stays_whole_and_without_it_shrinks() {
    let (files, layers) = layers();
    for (blob, shape) in &layers {
        for short in [0, u64::MAX] {
            let root = tempfile::tempdir().unwrap();
            let (landing, plan) = landed(root.path(), blob, *shape);
            let shared = landing.open_one().unwrap();
            decode::decode(&shared, short, &Meter::default()).unwrap();
            if short == 0 {
                assert!(taken(&landing) >= blob.len());
            } else {
                assert!(taken(&landing) <= 3 * MIB, "{}", taken(&landing));
            }
            // A run that is killed here fetches what was given back, and only that.
            drop((landing, shared));
            let landing = Landing::open(plan.clone()).unwrap();
            assert_eq!(landing.warning(), None);
            let missing = landing.missing();
            if short == 0 {
                assert_eq!(missing, []);
            } else {
                let [(0, given)] = missing[..] else {
                    panic!("{missing:?}")
                };
                assert!(given as usize >= blob.len() - 3 * MIB && landing.hashed() == 0);
            }
            fill(&landing, blob);
            finish(&landing).unwrap();
            finish_target(&plan.sink);
            assert!(read_all(root.path()) == files);
        }
    }
}

#[test]
fn the_journal_knows_a_hole_before_it_is_made() {
    let (_, layers) = layers();
    let (blob, shape) = &layers[1];
    let root = tempfile::tempdir().unwrap();
    let (landing, plan) = landed(root.path(), blob, *shape);
    let shared = landing.open_one().unwrap();
    // A journal that cannot be written: nothing may be given back.
    let journal = shared.staging.path("journal.new");
    std::fs::create_dir(&journal).unwrap();
    let before = taken(&landing);
    assert!(shared.give_back(3 << 20).is_err());
    assert_eq!(taken(&landing), before);
    std::fs::remove_dir(&journal).unwrap();
    shared.give_back(5 << 20).unwrap();
    assert!(taken(&landing) < before);
    drop((landing, shared));
    assert_eq!(Landing::left(&plan).unwrap().unwrap(), [(0, 5 << 20)]);
}

#[test]
fn zeros_in_place_of_what_was_given_back_are_found_out() {
    let (_, layers) = layers();
    for (blob, shape) in &layers {
        let root = tempfile::tempdir().unwrap();
        let (landing, plan) = landed(root.path(), blob, *shape);
        landing.open_one().unwrap().give_back(3 << 20).unwrap();
        landing.keep().unwrap();
        // A journal that lies: it takes what is gone for there, as one of another boot may.
        crash::edit_journal(
            &root.path().join(".kitfast-staging"),
            plan.size,
            |journal| journal.down.insert(0..plan.size),
        );
        let landing = Landing::open(plan.clone()).unwrap();
        assert_eq!(landing.missing(), []);
        assert!(matches!(
            finish(&landing),
            Err(Error::DigestMismatch { .. })
        ));
        finish_target(&plan.sink);
        assert!(read_all(root.path()).is_empty());
    }
}

#[test]
fn a_failed_try_gives_room_back_and_is_not_tried_again_over_holes() {
    let (files, layers) = layers();
    let (blob, shape) = &layers[0];
    let root = tempfile::tempdir().unwrap();
    let (landing, plan) = landed(root.path(), blob, *shape);
    let shared = landing.open_one().unwrap();
    // The last file cannot be made: as good as a disk that is full by then.
    let blocked = shared.staging.path("0/2");
    std::fs::create_dir_all(&blocked).unwrap();
    assert!(decode::decode(&shared, u64::MAX, &Meter::default()).is_err());
    std::fs::remove_dir(&blocked).unwrap();
    assert!(matches!(finish(&landing), Err(Error::Invalid { .. })));
    assert!(
        read_all(root.path())
            .keys()
            .all(|name| name.starts_with(".kitfast-"))
    );
    let first = shared.staging.path("0/0");
    assert!(first.exists());
    landing.keep().unwrap();
    let landing = Landing::open(plan.clone()).unwrap();
    assert!(
        !first.exists(),
        "what was decoded takes room that is needed"
    );
    fill(&landing, blob);
    finish(&landing).unwrap();
    finish_target(&plan.sink);
    assert!(read_all(root.path()) == files);
}

#[test]
fn a_kill_while_publishing_after_a_shrunken_decode_fetches_nothing_again() {
    let (files, layers) = layers();
    for (blob, shape) in &layers {
        let root = tempfile::tempdir().unwrap();
        let (landing, plan) = landed(root.path(), blob, *shape);
        let shared = landing.open_one().unwrap();
        decode::decode(&shared, u64::MAX, &Meter::default()).unwrap();
        stamps::write(&members::Members::of(&shared)).unwrap();
        commit::begin(&shared).unwrap();
        drop((landing, shared));
        let landing = Landing::open(plan.clone()).unwrap();
        assert_eq!((landing.missing(), landing.warning()), (vec![], None));
        finish(&landing).unwrap();
        finish_target(&plan.sink);
        assert!(read_all(root.path()) == files);
    }
}

#[test]
fn a_file_that_cannot_fit_is_told_before_anything_is_given_back() {
    let size = 1 << 60;
    let mut tar = header(b"big", Kind::File(size), 0o644).unwrap();
    tar.extend(bytes(1, 3 * MIB));
    let blob = zstd::stream::encode_all(&tar[..], 1).unwrap();
    let root = tempfile::tempdir().unwrap();
    let (landing, plan) = landed(root.path(), &blob, Shape::TarZstd);
    assert!(matches!(finish(&landing), Err(Error::NoSpace { .. })));
    landing.keep().unwrap();
    assert_eq!(Landing::left(&plan).unwrap(), Some(vec![]));
}
