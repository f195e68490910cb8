//! A squeeze makes pack's bytes, again and again, and ends when it is told.

use std::path::PathBuf;

use super::super::{Member, Store};
use super::*;

const LENGTH: usize = 100_000;

fn layer(folder: &Path, compression: Compression) -> LayerSource {
    let members = [3_000_001, 0, 777].map(|size| {
        let path = folder.join(size.to_string());
        let mut state = size as u32 + 1;
        let bytes: Vec<u8> = (0..size)
            .map(|at| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if at % 3 == 0 { (state >> 24) as u8 } else { 7 }
            })
            .collect();
        std::fs::write(&path, bytes).unwrap();
        member(path)
    });
    LayerSource {
        members: members.into(),
        compression,
        raw: false,
    }
}

fn member(path: PathBuf) -> Member {
    Member {
        name: path.file_name().unwrap().as_encoded_bytes().to_vec(),
        source: Some(path),
        mode: 0o644,
    }
}

/// What is in memory.
fn window(squeeze: &Squeeze) -> Vec<u8> {
    let (start, end, _) = squeeze.window();
    let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
    squeeze.read(start, &mut bytes).unwrap();
    bytes
}

fn whole(squeeze: &Squeeze) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        squeeze.seek(all.len() as u64, &Meter::default()).unwrap();
        let (start, _, ended) = squeeze.window();
        assert_eq!(start, all.len() as u64);
        all.extend(window(squeeze));
        if ended {
            return all;
        }
    }
}

#[test]
fn its_pieces_are_the_blob_that_packing_stores() {
    let folder = tempfile::tempdir().unwrap();
    for compression in [
        Compression::Gzip,
        Compression::GzipFastest,
        Compression::Zstd,
    ] {
        let source = layer(folder.path(), compression);
        let store = Store::open(&folder.path().join("store")).unwrap();
        let packed = store
            .pack(vec![source.clone()], false, &Arc::default())
            .unwrap()[0];
        let blob = store.blob(&packed.digest).unwrap();
        let mut expected = vec![0; usize::try_from(blob.size()).unwrap()];
        blob.read(0, &mut expected).unwrap();
        let squeeze = Squeeze::of(source.clone(), LENGTH).unwrap();
        assert_eq!(squeeze.packed(), None);
        assert!(whole(&squeeze) == expected);
        assert_eq!(squeeze.packed(), Some(packed));
        assert_eq!(squeeze.files(packed.size), squeeze.file_bytes());
        // Whole, or cut where the blob ends, it is one piece or two.
        let at_once = Squeeze::of(source, expected.len()).unwrap();
        assert!(whole(&at_once) == expected);
        assert_eq!(at_once.window().0, 0);
    }
}

#[test]
fn what_is_gone_from_memory_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let squeeze = Squeeze::of(layer(folder.path(), Compression::Zstd), LENGTH).unwrap();
    let all = whole(&squeeze);
    for offset in [LENGTH + 5, 4 * LENGTH - 1, 3, all.len() - 1, 2 * LENGTH] {
        squeeze.seek(offset as u64, &Meter::default()).unwrap();
        let start = usize::try_from(squeeze.window().0).unwrap();
        assert_eq!(start, offset / LENGTH * LENGTH);
        assert!(window(&squeeze) == all[start..all.len().min(start + LENGTH)]);
        let far = squeeze.read(start as u64 + LENGTH as u64, &mut [0; 1]);
        assert!(matches!(far, Err(Error::Invalid { .. })));
    }
    squeeze.seek(u64::MAX, &Meter::default()).unwrap();
    assert!(squeeze.window().2);
    squeeze.stop();
    assert!(squeeze.read(0, &mut [0; 1]).is_err());
    assert!(whole(&squeeze) == all);
}

#[test]
fn a_file_that_changes_fails_it_and_so_does_a_cancel() {
    let folder = tempfile::tempdir().unwrap();
    let squeeze = Squeeze::of(layer(folder.path(), Compression::Gzip), LENGTH).unwrap();
    let cancelled = Meter::default();
    cancelled.cancel();
    let stopped = squeeze.seek(0, &cancelled);
    assert!(matches!(stopped, Err(Error::Cancelled)));
    squeeze.seek(0, &Meter::default()).unwrap();
    squeeze.stop();
    std::fs::write(folder.path().join("777"), "changed").unwrap();
    let failed = squeeze.seek(u64::MAX, &Meter::default());
    assert!(matches!(failed, Err(Error::Changed { .. })));
    assert_eq!(squeeze.packed(), None);
    let plain = layer(folder.path(), Compression::None);
    assert!(Squeeze::of(plain, LENGTH).is_err());
}

#[test]
fn what_was_found_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let source = layer(folder.path(), Compression::Zstd);
    let squeeze = Squeeze::of(source.clone(), LENGTH).unwrap();
    assert!(squeeze.remember(folder.path()).is_err());
    assert!(!squeeze.recall(folder.path()));
    // The files are too young to be believed: written down as a pack would.
    let known = {
        whole(&squeeze);
        lock(&squeeze.known).unwrap()
    };
    let mut plan = Plan::of(source.clone()).unwrap();
    plan.taken += Duration::from_secs(60);
    remember::remember(&remember::path(folder.path(), &plan), &plan, &known).unwrap();
    let later = Squeeze::of(source, LENGTH).unwrap();
    assert!(later.recall(folder.path()));
    assert_eq!(later.packed(), squeeze.packed());
}
