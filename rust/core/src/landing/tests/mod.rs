//! What a landing promises: right bytes or none, and nothing half-made.

mod blake3;
mod changed;
mod crash;
mod orders;
mod receive;
mod shrinking;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::*;
use crate::digest::sha256;
use crate::tar::Name;
use crate::tar::encode::{Kind, TRAILER, header, padding};
use crate::target::{Existing, Target};

type Files = BTreeMap<String, Vec<u8>>;

fn bytes(seed: usize, length: usize) -> Vec<u8> {
    let mut state = seed as u32 + 1;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

fn tar_of(files: &Files) -> Vec<u8> {
    let mut tar = header(b"dir", Kind::Directory, 0o755).unwrap();
    for (name, data) in files {
        tar.extend(header(name.as_bytes(), Kind::File(data.len() as u64), 0o644).unwrap());
        tar.extend(data);
        tar.resize(tar.len() + padding(data.len() as u64), 0);
    }
    tar.extend(TRAILER);
    tar
}

fn files_of(sizes: &[usize]) -> Files {
    let name = |at: usize| match at % 3 {
        0 => format!("dir/{at}"),
        1 => format!("{at}/{}", "long".repeat(40)),
        _ => format!("é{at}"),
    };
    sizes
        .iter()
        .enumerate()
        .map(|(at, &size)| (name(at), bytes(at, size)))
        .collect()
}

fn plan(blob: &[u8], shape: Shape, sink: Sink) -> Plan {
    Plan {
        digest: sha256::hash(blob),
        check: Check::Sha256,
        size: blob.len() as u64,
        shape,
        sink,
    }
}

fn to_target(root: &Path, existing: Existing) -> Sink {
    let target = Arc::new(Target::open(root, existing).unwrap());
    Sink::Target {
        target,
        name: None,
        mode: 0o644,
    }
}

fn named(sink: Sink, name: &str) -> Sink {
    let Sink::Target { target, mode, .. } = sink else {
        panic!("no target")
    };
    Sink::Target {
        target,
        name: Some(Name::check(name.as_bytes()).unwrap()),
        mode,
    }
}

fn finish_target(sink: &Sink) {
    let Sink::Target { target, .. } = sink else {
        return;
    };
    target.finish().unwrap();
}

/// Every regular file below `root`.
fn read_all(root: &Path) -> Files {
    let mut files = Files::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                files.insert(name.to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn write_all(landing: &Landing, blob: &[u8]) {
    landing.write(0, blob).unwrap();
}

/// The same over a socket.
fn receive(landing: &Landing, offset: u64, data: &[u8]) {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || ours.write_all(data).unwrap());
        let length = data.len() as u64;
        let came = landing.receive(theirs.as_fd(), offset, length, &Meter::default());
        assert_eq!(came.unwrap(), length);
    });
}

fn finish(landing: &Landing) -> Result<()> {
    landing.finish(&Meter::default())
}

#[test]
fn a_wrong_digest_leaves_nothing() {
    let files = files_of(&[100, 100_000]);
    let mut tar = tar_of(&files);
    let root = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    for sink in [
        to_target(root.path(), Existing::Refuse),
        Sink::Store(home.path().into()),
    ] {
        let plan = plan(&tar, Shape::Tar, sink.clone());
        *tar.last_mut().unwrap() ^= 1;
        let landing = Landing::open(plan).unwrap();
        write_all(&landing, &tar);
        assert!(matches!(
            finish(&landing),
            Err(Error::DigestMismatch { .. })
        ));
        assert!(landing.write(0, b"x").is_err());
        finish_target(&sink);
        *tar.last_mut().unwrap() ^= 1;
    }
    assert!(read_all(root.path()).is_empty());
    assert!(read_all(&home.path().join("landing")).is_empty());
    assert!(!home.path().join("recipes").exists());
}

#[test]
fn missing_bytes_are_no_reason_to_wait() {
    let root = tempfile::tempdir().unwrap();
    let blob = bytes(1, 1000);
    let sink = named(to_target(root.path(), Existing::Refuse), "f");
    let landing = Landing::open(plan(&blob, Shape::Whole, sink)).unwrap();
    landing.write(0, &blob[..999]).unwrap();
    assert!(matches!(finish(&landing), Err(Error::Invalid { .. })));
    assert!(matches!(
        landing.write(999, b"xx"),
        Err(Error::Invalid { .. })
    ));
    landing.write(999, &blob[999..]).unwrap();
    finish(&landing).unwrap();
}

#[test]
fn one_receiver_at_a_time() {
    let home = tempfile::tempdir().unwrap();
    let plan = plan(b"blob", Shape::Whole, Sink::Store(home.path().into()));
    let landing = Landing::open(plan.clone()).unwrap();
    assert!(matches!(
        Landing::open(plan.clone()),
        Err(Error::Busy { .. })
    ));
    landing.discard().unwrap();
    Landing::open(plan).unwrap();
}

#[test]
fn existing_files_stop_it_before_anything_appears() {
    let files = files_of(&[10, 70_000, 10]);
    let tar = tar_of(&files);
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("é2"), b"mine").unwrap();
    let refuse = plan(&tar, Shape::Tar, to_target(root.path(), Existing::Refuse));
    let landing = Landing::open(refuse).unwrap();
    assert!(matches!(landing.write(0, &tar), Err(Error::Exists { .. })));
    landing.discard().unwrap();
    for (existing, text) in [
        (Existing::Keep, &b"mine"[..]),
        (Existing::Overwrite, &files["é2"]),
    ] {
        let plan = plan(&tar, Shape::Tar, to_target(root.path(), existing));
        let landing = Landing::open(plan.clone()).unwrap();
        write_all(&landing, &tar);
        finish(&landing).unwrap();
        finish_target(&plan.sink);
        assert_eq!(std::fs::read(root.path().join("é2")).unwrap(), text);
        assert_eq!(read_all(root.path()).len(), 3);
    }
}

#[test]
fn far_headers_are_asked_for() {
    let files = files_of(&[20 << 20, 20 << 20, 100]);
    let tar = tar_of(&files);
    let root = tempfile::tempdir().unwrap();
    let plan = plan(&tar, Shape::Tar, to_target(root.path(), Existing::Refuse));
    let landing = Landing::open(plan.clone()).unwrap();
    assert_eq!(landing.wanted_header(), None);
    landing.write(0, &tar[..4096]).unwrap();
    let mut asked = Vec::new();
    while let Some((at, length)) = landing.wanted_header() {
        landing
            .write(at, &tar[at as usize..][..length as usize])
            .unwrap();
        asked.push(at >> 20);
    }
    assert_eq!(asked, [20, 40]);
    for (start, end) in landing.missing().into_iter().rev() {
        landing
            .write(start, &tar[start as usize..end as usize])
            .unwrap();
    }
    finish(&landing).unwrap();
    finish_target(&plan.sink);
    assert!(read_all(root.path()) == files);
}
