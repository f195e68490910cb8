//! What a departure promises: pack's digests, and nothing lost to a bad link.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use super::super::{Compression, Member, Store};
use super::*;

fn layer(files: &[PathBuf], raw: bool) -> LayerSource {
    let member = |path: &PathBuf| Member {
        name: path.file_name().unwrap().as_encoded_bytes().to_vec(),
        source: Some(path.clone()),
        mode: 0o644,
    };
    LayerSource {
        members: files.iter().map(member).collect(),
        compression: Compression::None,
        raw,
    }
}

fn files(folder: &Path, sizes: &[usize]) -> Vec<PathBuf> {
    let write = |(index, size): (usize, &usize)| {
        let path = folder.join(format!("{index}.bin"));
        let bytes: Vec<u8> = (0..*size)
            .map(|at| (at * 7 + at / 509 + index) as u8)
            .collect();
        std::fs::write(&path, bytes).unwrap();
        path
    };
    sizes.iter().enumerate().map(write).collect()
}

/// A socket whose other end is read to its end.
fn sink() -> (UnixStream, JoinHandle<Vec<u8>>) {
    let (near, mut far) = UnixStream::pair().unwrap();
    let reading = thread::spawn(move || {
        let mut all = Vec::new();
        far.read_to_end(&mut all).unwrap();
        all
    });
    (near, reading)
}

fn whole(source: LayerSource) -> Vec<u8> {
    let blob = Blob::of_source(source).unwrap();
    let mut bytes = vec![0; usize::try_from(blob.size()).unwrap()];
    blob.read(0, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_is_sent_is_the_layer_and_its_digest_the_one_of_a_pack() {
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), &[3_000_001, 0, 777, 1 << 20]);
    let sources = [
        layer(&paths, false),
        layer(&paths[..1], true),
        layer(&paths[1..2], true),
    ];
    let store = Store::open(&folder.path().join("store")).unwrap();
    let packed = store
        .pack(sources.to_vec(), false, &Arc::default())
        .unwrap();
    for (source, packed) in sources.into_iter().zip(packed) {
        let departure = Departure::of(source.clone()).unwrap();
        let meter = Arc::new(Meter::default());
        let (socket, read) = sink();
        // In chunks, as a registry gets them.
        for start in (0..departure.size()).step_by(1_000_000) {
            let length = (departure.size() - start).min(1_000_000);
            departure
                .send(socket.as_fd(), start, length, &meter)
                .unwrap();
        }
        drop(socket);
        assert_eq!(read.join().unwrap(), whole(source));
        assert_eq!(departure.packed(), Some(packed));
        assert_eq!(meter.done(), departure.size());
    }
}

#[test]
fn reading_and_hashing_alone_give_the_same_digest() {
    let folder = tempfile::tempdir().unwrap();
    let paths = files(folder.path(), &[2_000_003, 5]);
    let hashed = Departure::of(layer(&paths, false)).unwrap();
    let meter = Arc::new(Meter::default());
    hashed.hash(&meter).unwrap();
    assert_eq!(meter.done(), hashed.size());
    let read = Departure::of(layer(&paths, false)).unwrap();
    let mut bytes = vec![0; usize::try_from(read.size()).unwrap()];
    let (first, rest) = bytes.split_at_mut(1000);
    read.read(0, first).unwrap();
    assert_eq!((read.hashed(), read.digest()), (1000, None));
    assert!(matches!(read.read(1001, rest), Err(Error::Invalid { .. })));
    read.read(1000, rest).unwrap();
    assert_eq!(bytes, whole(layer(&paths, false)));
    assert_eq!(read.digest(), hashed.digest());
    // Known now: any part of it is only read.
    let mut part = [0; 9];
    read.read(700, &mut part).unwrap();
    assert_eq!(part, bytes[700..709]);
    assert!(read.read(read.size(), &mut part).is_err());
}

#[test]
fn a_broken_connection_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let source = || layer(&files(folder.path(), &[5_000_000]), false);
    let packed = Departure::of(source()).unwrap();
    packed.hash(&Arc::default()).unwrap();
    let departure = Departure::of(source()).unwrap();
    let (near, mut far) = UnixStream::pair().unwrap();
    let broken = thread::spawn(move || far.read_exact(&mut vec![0; 1_500_000]).unwrap());
    let outcome = departure.send(near.as_fd(), 0, departure.size(), &Arc::default());
    assert!(matches!(outcome, Err(Error::Connection { .. })));
    broken.join().unwrap();
    assert!(departure.hashed() >= 1_500_000);
    let (socket, read) = sink();
    // The registry has kept less than was sent.
    let (start, meter) = (1_234_567, Arc::new(Meter::default()));
    departure
        .send(socket.as_fd(), start, departure.size() - start, &meter)
        .unwrap();
    drop(socket);
    assert_eq!(read.join().unwrap(), whole(source())[1_234_567..]);
    assert_eq!(departure.digest(), packed.digest());
    assert_eq!(meter.done(), departure.size() - start);
}

#[test]
fn a_socket_that_stays_full_can_be_left() {
    let folder = tempfile::tempdir().unwrap();
    let source = layer(&files(folder.path(), &[5_000_000]), true);
    let departure = Arc::new(Departure::of(source.clone()).unwrap());
    let (near, far) = UnixStream::pair().unwrap();
    let meter = Arc::new(Meter::default());
    let sending = thread::spawn({
        let (departure, meter) = (departure.clone(), meter.clone());
        move || departure.send(near.as_fd(), 0, 5_000_000, &meter)
    });
    while meter.waiting().is_zero() {
        thread::sleep(std::time::Duration::from_millis(1));
    }
    meter.cancel();
    assert!(matches!(sending.join().unwrap(), Err(Error::Cancelled)));
    drop(far);
    let (socket, read) = sink();
    departure
        .send(socket.as_fd(), 0, 5_000_000, &Arc::default())
        .unwrap();
    drop(socket);
    assert_eq!(read.join().unwrap(), whole(source));
    assert!(departure.digest().is_some());
}

#[test]
fn a_file_that_changes_on_the_way_is_told_and_gets_no_digest() {
    for raw in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let paths = files(folder.path(), &[3_000_000]);
        let departure = Departure::of(layer(&paths, raw)).unwrap();
        let mut start = vec![0; 1_000_000];
        departure.read(0, &mut start).unwrap();
        let times = std::fs::metadata(&paths[0]).unwrap().modified().unwrap();
        std::fs::write(&paths[0], vec![9; 3_000_000]).unwrap();
        let file = std::fs::File::options()
            .write(true)
            .open(&paths[0])
            .unwrap();
        file.set_modified(times).unwrap();
        let (socket, _read) = sink();
        let left = departure.size() - 1_000_000;
        for _ in 0..2 {
            let outcome = departure.send(socket.as_fd(), 1_000_000, left, &Arc::default());
            assert!(outcome.is_err());
            assert_eq!(departure.digest(), None);
        }
        assert!(matches!(
            departure.hash(&Arc::default()),
            Err(Error::Invalid { .. })
        ));
        assert!(matches!(
            departure.read(0, &mut start),
            Err(Error::Changed { .. })
        ));
        assert!(departure.remember(folder.path()).is_err());
    }
}

#[test]
fn a_digest_is_remembered_while_the_files_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let (home, paths) = (folder.path().join("home"), files(folder.path(), &[100_000]));
    let fresh = || Departure::of(layer(&paths, false)).unwrap();
    assert!(!fresh().recall(&home));
    thread::sleep(std::time::Duration::from_millis(2100));
    let first = fresh();
    first.hash(&Arc::default()).unwrap();
    first.remember(&home).unwrap();
    let second = fresh();
    assert!(second.recall(&home));
    assert_eq!((second.digest(), second.hashed()), (first.digest(), 0));
    assert!(second.packed().unwrap().reused);
    let (socket, read) = sink();
    second
        .send(socket.as_fd(), 50_000, 50_000, &Arc::default())
        .unwrap();
    drop(socket);
    assert_eq!(read.join().unwrap().len(), 50_000);
    assert_eq!(second.hashed(), 0);
    std::fs::write(&paths[0], b"other").unwrap();
    assert!(!fresh().recall(&home));
}
