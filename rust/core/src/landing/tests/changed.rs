//! Files that somebody changed between a kill during publishing and the next run.

use std::time::{Duration, SystemTime};

use super::crash::crash_after;
use super::*;

/// Ways to lay hands on a published file.
const CHANGES: [fn(&Path); 4] = [
    |path| std::fs::write(path, b"shorter").unwrap(),
    |path| {
        // As long as before, and as old as a copy that kept its time.
        let copy = path.with_extension("copy");
        std::fs::copy(path, &copy).unwrap();
        let time = std::fs::metadata(path).unwrap().modified().unwrap();
        let file = std::fs::File::options().write(true).open(&copy).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"theirs", 0).unwrap();
        file.set_modified(time).unwrap();
        std::fs::rename(copy, path).unwrap();
    },
    |path| {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"theirs", 0).unwrap();
        let later = SystemTime::now() + Duration::from_secs(1);
        file.set_modified(later).unwrap();
    },
    |path| {
        std::fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
    },
];

fn changed(
    existing: Existing,
    change: fn(&Path),
    shape: Shape,
) -> (tempfile::TempDir, Plan, Files) {
    let files = files_of(&[70_000, 10, 100_000]);
    let tar = tar_of(&files);
    let blob = match shape {
        Shape::TarZstd => zstd::stream::encode_all(&tar[..], 1).unwrap(),
        _ => tar,
    };
    let root = tempfile::tempdir().unwrap();
    let killed = plan(&blob, shape, to_target(root.path(), existing));
    crash_after(&killed, &blob, 2);
    assert!(Landing::has_published(&killed).unwrap());
    change(&root.path().join("dir/0"));
    let again = plan(&blob, shape, to_target(root.path(), existing));
    assert!(!Landing::has_published(&again).unwrap());
    assert_eq!(Landing::left(&again).unwrap(), None);
    (root, again, files)
}

fn blob_of(files: &Files, shape: Shape) -> Vec<u8> {
    match shape {
        Shape::TarZstd => zstd::stream::encode_all(&tar_of(files)[..], 1).unwrap(),
        _ => tar_of(files),
    }
}

#[test]
fn a_changed_file_is_the_users_and_never_passes_for_published() {
    for shape in [Shape::Tar, Shape::TarZstd] {
        for change in CHANGES {
            let (root, plan, files) = changed(Existing::Refuse, change, shape);
            let theirs = root.path().join("dir/0");
            let before = std::fs::read(&theirs).unwrap();
            let landing = Landing::open(plan.clone()).unwrap();
            assert!(landing.warning().unwrap().contains("dir/0"));
            assert_eq!(landing.reused(), 0);
            let refused = landing
                .write(0, &blob_of(&files, shape))
                .and_then(|()| finish(&landing));
            assert!(matches!(refused, Err(Error::Exists { .. })));
            assert_eq!(std::fs::read(&theirs).unwrap(), before);
        }
    }
}

#[test]
fn a_changed_file_is_replaced_or_kept_where_that_was_asked_for() {
    for existing in [Existing::Overwrite, Existing::Keep] {
        for change in CHANGES {
            let (root, plan, mut files) = changed(existing, change, Shape::Tar);
            let theirs = std::fs::read(root.path().join("dir/0")).unwrap();
            let landing = Landing::open(plan.clone()).unwrap();
            write_all(&landing, &tar_of(&files));
            finish(&landing).unwrap();
            let Sink::Target { target, .. } = &plan.sink else {
                panic!("no target")
            };
            // The small file was published as well, and of it nothing is known any more.
            let expected = match existing {
                Existing::Keep => (1, 2),
                _ => (3, 0),
            };
            assert_eq!((target.files(), target.kept()), expected);
            finish_target(&plan.sink);
            if existing == Existing::Keep {
                files.insert("dir/0".into(), theirs);
            }
            assert!(read_all(root.path()) == files, "{existing:?}");
        }
    }
}

#[test]
fn a_removed_file_is_fetched_again() {
    let files = files_of(&[70_000, 100_000]);
    let tar = tar_of(&files);
    let first = files.keys().next().unwrap().clone();
    let root = tempfile::tempdir().unwrap();
    let plan = plan(&tar, Shape::Tar, to_target(root.path(), Existing::Refuse));
    crash_after(&plan, &tar, 1);
    std::fs::remove_file(root.path().join(&first)).unwrap();
    let landing = Landing::open(plan.clone()).unwrap();
    assert!(landing.warning().unwrap().contains(&first));
    write_all(&landing, &tar);
    finish(&landing).unwrap();
    finish_target(&plan.sink);
    assert!(read_all(root.path()) == files);
}

#[test]
fn a_change_between_opening_and_publishing_is_noticed_too() {
    let files = files_of(&[70_000, 100_000]);
    let tar = tar_of(&files);
    let first = files.keys().next().unwrap().clone();
    let root = tempfile::tempdir().unwrap();
    let plan = plan(&tar, Shape::Tar, to_target(root.path(), Existing::Refuse));
    crash_after(&plan, &tar, 1);
    let plan = self::plan(&tar, Shape::Tar, to_target(root.path(), Existing::Refuse));
    let landing = Landing::open(plan.clone()).unwrap();
    assert_eq!((landing.missing(), landing.warning()), (vec![], None));
    std::fs::write(root.path().join(&first), b"theirs").unwrap();
    assert!(matches!(finish(&landing), Err(Error::Corrupt { .. })));
    assert_eq!(std::fs::read(root.path().join(&first)).unwrap(), b"theirs");
    let Sink::Target { target, .. } = &plan.sink else {
        panic!("no target")
    };
    assert_eq!(target.files(), 0);
}

#[test]
fn a_single_file_that_was_changed_is_noticed() {
    let blob = bytes(1, 100_000);
    let root = tempfile::tempdir().unwrap();
    let sink = || named(to_target(root.path(), Existing::Refuse), "w");
    let plan = plan(&blob, Shape::Whole, sink());
    crash_after(&plan, &blob, 1);
    assert!(Landing::has_published(&plan).unwrap());
    std::fs::write(root.path().join("w"), b"theirs").unwrap();
    assert!(!Landing::has_published(&plan).unwrap());
    assert!(matches!(Landing::open(plan), Err(Error::Exists { .. })));
    assert_eq!(std::fs::read(root.path().join("w")).unwrap(), b"theirs");
}
