//! What a target promises: rules for existing files, modes, and no way out.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn name(text: &str) -> Name {
    Name::check(text.as_bytes()).unwrap()
}

fn target(existing: Existing) -> (tempfile::TempDir, Target) {
    let root = tempfile::tempdir().unwrap();
    let target = Target::open(root.path(), existing).unwrap();
    (root, target)
}

fn publish(target: &Target, file: &str, data: &[u8], mode: u32) -> Result<bool> {
    let staging = target.fresh_staging().unwrap();
    staging
        .create("0", data.len() as u64)
        .unwrap()
        .write_all(data)
        .unwrap();
    let outcome = target.publish(&staging, "0", &name(file), Some(mode), None);
    staging.destroy().unwrap();
    outcome.map(|fate| fate == Fate::Write)
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path)
        .unwrap()
        .permissions()
        .mode()
        & 0o7777
}

#[test]
fn files_and_folders_appear_and_nothing_else_stays() {
    let (root, target) = target(Existing::Refuse);
    target.directory(&name("a"), 0o7500).unwrap();
    assert!(publish(&target, "a/b/c", b"text", 0o6755).unwrap());
    assert!(target.put(&name("Kitfile"), b"kit", 0o644).unwrap());
    assert_eq!((target.files(), target.bytes()), (2, 7));
    target.finish().unwrap();
    assert_eq!(mode(&root.path().join("a")), 0o500);
    assert_eq!(mode(&root.path().join("a/b/c")) & 0o7700, 0o700);
    assert_eq!(std::fs::read(root.path().join("a/b/c")).unwrap(), b"text");
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
}

#[test]
fn refuse_overwrite_and_keep() {
    for existing in [Existing::Refuse, Existing::Overwrite, Existing::Keep] {
        let (root, target) = target(existing);
        std::fs::write(root.path().join("f"), b"old").unwrap();
        let fate = target.fate(&name("f"));
        let outcome = publish(&target, "f", b"new", 0o644);
        let now = std::fs::read(root.path().join("f")).unwrap();
        match existing {
            Existing::Refuse => {
                assert!(matches!(fate, Err(Error::Exists { .. })));
                assert!(matches!(outcome, Err(Error::Exists { .. })));
                assert_eq!(now, b"old");
            }
            Existing::Overwrite => {
                assert_eq!((fate.unwrap(), outcome.unwrap()), (Fate::Write, true));
                assert_eq!(now, b"new");
            }
            Existing::Keep => {
                assert_eq!((fate.unwrap(), outcome.unwrap()), (Fate::Keep, false));
                assert_eq!((now.as_slice(), target.kept()), (&b"old"[..], 1));
            }
        }
        assert!(target.put(&name("f"), &now, 0o644).unwrap());
    }
}

#[test]
fn a_folder_is_never_replaced_by_a_file() {
    for existing in [Existing::Refuse, Existing::Overwrite, Existing::Keep] {
        let (root, target) = target(existing);
        std::fs::create_dir(root.path().join("f")).unwrap();
        let outcome = target.fate(&name("f"));
        assert!(matches!(outcome, Err(Error::Exists { .. })));
        let outcome = target.put(&name("f"), b"", 0o644);
        assert!(matches!(outcome, Err(Error::Exists { .. })));
    }
}

#[test]
fn links_in_the_target_are_no_way_out() {
    let outside = tempfile::tempdir().unwrap();
    let (root, target) = target(Existing::Overwrite);
    symlink(outside.path(), root.path().join("link")).unwrap();
    symlink(outside.path().join("x"), root.path().join("file")).unwrap();
    let through = target.put(&name("link/x"), b"evil", 0o644);
    assert!(matches!(through, Err(Error::UnsafeMember { .. })));
    let through = target.directory(&name("link/x"), 0o755);
    assert!(matches!(through, Err(Error::UnsafeMember { .. })));
    let through = target.directory(&name("link"), 0o755);
    assert!(matches!(through, Err(Error::UnsafeMember { .. })));
    assert!(target.put(&name("file"), b"kit", 0o644).unwrap());
    assert_eq!(std::fs::read(root.path().join("file")).unwrap(), b"kit");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_root_swapped_for_a_link_is_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let around = tempfile::tempdir().unwrap();
    let root = around.path().join("root");
    let target = Target::open(&root, Existing::Refuse).unwrap();
    std::fs::rename(&root, around.path().join("moved")).unwrap();
    symlink(outside.path(), &root).unwrap();
    target.put(&name("a/f"), b"text", 0o644).unwrap();
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(
        std::fs::read(around.path().join("moved/a/f")).unwrap(),
        b"text"
    );
}

#[test]
fn names_that_are_one_file_here_are_refused() {
    let (_root, mut target) = target(Existing::Overwrite);
    let two = ["d/Config.json", "d/config.json"];
    for folds_case in [false, true] {
        target.folds_case = folds_case;
        assert_eq!(target.check_names(&two, &[]).is_err(), folds_case);
        assert!(target.check_names(&two[..1], &["D"]).is_ok());
        assert_eq!(target.check_names(&["d"], &["D/e"]).is_err(), folds_case);
    }
}

/// Publishes a file of a layer as if it were the only thing in it.
fn publish_of(target: &Target, layer: u8, text: &str) -> Fate {
    let staging = target.fresh_staging().unwrap();
    staging
        .create("0", 0)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let outcome = target.publish(&staging, "0", &name("f"), Some(0o644), Some(&[layer; 32]));
    staging.destroy().unwrap();
    outcome.unwrap()
}

#[test]
fn layers_of_one_run_win_by_their_order_whoever_comes_first() {
    for (existing, winner) in [(Existing::Overwrite, "3"), (Existing::Keep, "1")] {
        for order in [
            [1, 2, 3],
            [3, 2, 1],
            [2, 3, 1],
            [3, 1, 2],
            [1, 3, 2],
            [2, 1, 3],
        ] {
            let (root, target) = target(existing);
            (1..=3).for_each(|layer| target.rank(&[layer; 32]));
            for layer in order {
                publish_of(&target, layer, &layer.to_string());
            }
            let text = std::fs::read_to_string(root.path().join("f")).unwrap();
            assert_eq!(text, winner, "{existing:?} {order:?}");
            assert_eq!((target.files(), target.kept()), (1, 0));
            target.finish().unwrap();
        }
    }
}

#[test]
fn a_file_from_before_is_kept_whatever_the_order_of_layers() {
    let (root, target) = target(Existing::Keep);
    std::fs::write(root.path().join("f"), b"old").unwrap();
    (1..=2).for_each(|layer| target.rank(&[layer; 32]));
    assert_eq!(publish_of(&target, 2, "2"), Fate::Keep);
    assert_eq!(publish_of(&target, 1, "1"), Fate::Keep);
    assert_eq!(std::fs::read(root.path().join("f")).unwrap(), b"old");
    assert_eq!((target.files(), target.kept()), (0, 2));
}
