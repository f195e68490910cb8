//! What a socket brings is hashed from memory, and is what is published.

use super::*;
use crate::digest::buffer::SIZE;

fn whole(root: &Path, blob: &[u8]) -> Plan {
    let sink = to_target(root, Existing::Refuse);
    plan(blob, Shape::Whole, named(sink, "file"))
}

#[test]
fn what_two_connections_brought_differently_is_hashed_as_it_was_written() {
    let root = tempfile::tempdir().unwrap();
    let right = bytes(1, 4 * SIZE);
    let mut wrong = right.clone();
    wrong[..2 * SIZE].fill(7);
    let mut written = right.clone();
    written[500..1000].fill(7);
    let plan = whole(root.path(), &written);
    let landing = Landing::open(plan.clone()).unwrap();
    // From the far end, so that the front takes none of it before all is there.
    receive(&landing, 1000, &right[1000..2 * SIZE]);
    receive(&landing, 500, &wrong[500..4 * SIZE]);
    receive(&landing, 0, &right[..1000]);
    finish(&landing).unwrap();
    finish_target(&plan.sink);
    assert_eq!(read_all(root.path())["file"], written);
}

#[test]
fn a_flipped_bit_on_the_way_is_found() {
    let root = tempfile::tempdir().unwrap();
    let right = bytes(2, 5 * SIZE + 77);
    let plan = whole(root.path(), &right);
    let landing = Landing::open(plan).unwrap();
    let mut wrong = right.clone();
    wrong[3 * SIZE] ^= 1;
    receive(&landing, 0, &wrong);
    assert!(matches!(
        finish(&landing),
        Err(Error::DigestMismatch { .. })
    ));
    assert!(read_all(root.path()).is_empty());
}

#[test]
fn a_slow_sender_is_not_held_back_and_a_broken_one_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let right = bytes(3, SIZE);
    let plan = whole(root.path(), &right);
    let landing = Landing::open(plan).unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let meter = Meter::default();
    std::thread::scope(|scope| {
        let came = scope.spawn(|| landing.receive(theirs.as_fd(), 0, SIZE as u64, &meter));
        ours.write_all(&right[..100]).unwrap();
        let begun = std::time::Instant::now();
        while landing.received() < 100 {
            assert!(begun.elapsed() < Duration::from_secs(20), "held back");
            std::thread::sleep(Duration::from_millis(1));
        }
        ours.write_all(&right[100..300]).unwrap();
        drop(ours);
        assert_eq!(came.join().unwrap().unwrap(), 300);
    });
    assert_eq!(landing.received(), 300);
    receive(&landing, 300, &right[300..]);
    finish(&landing).unwrap();
}

#[test]
fn more_than_memory_holds_is_read_back() {
    let root = tempfile::tempdir().unwrap();
    let right = bytes(4, 70 << 20);
    let plan = whole(root.path(), &right);
    let landing = Landing::open(plan).unwrap();
    // Nothing can be hashed before the first byte comes.
    receive(&landing, 1, &right[1..]);
    receive(&landing, 0, &right[..1]);
    finish(&landing).unwrap();
}

#[test]
fn a_range_beyond_the_blob_is_refused_before_it_is_read() {
    let root = tempfile::tempdir().unwrap();
    let right = bytes(5, 100);
    let landing = Landing::open(whole(root.path(), &right)).unwrap();
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.write_all(&right).unwrap();
    for (offset, length) in [(1, 100), (1, u64::MAX), (u64::MAX, 1)] {
        let came = landing.receive(theirs.as_fd(), offset, length, &Meter::default());
        assert!(matches!(came, Err(Error::Invalid { .. })));
    }
    let came = landing.receive(theirs.as_fd(), 0, 100, &Meter::default());
    assert_eq!(came.unwrap(), 100);
    finish(&landing).unwrap();
}

/// The staging folder of the only landing below `root`.
fn staging(root: &Path) -> std::path::PathBuf {
    let all = root.join(".kitfast-staging");
    let mut found = std::fs::read_dir(all).unwrap();
    found.next().unwrap().unwrap().path()
}

#[test]
fn what_had_no_place_yet_is_in_its_place_after_another_try() {
    let files = files_of(&[6 << 20]);
    let tar = tar_of(&files);
    let body = 1024;
    let root = tempfile::tempdir().unwrap();
    let plan = plan(&tar, Shape::Tar, to_target(root.path(), Existing::Refuse));
    let landing = Landing::open(plan.clone()).unwrap();
    // As on a full disk, the member's file can be opened but gets no room.
    let slot = staging(root.path()).join("0/0");
    std::fs::create_dir(slot.parent().unwrap()).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &slot, fifo, mode, 0).unwrap();
    receive(&landing, body as u64, &tar[body..5 << 20]);
    let refused = landing.write(0, &tar[..body]).unwrap_err();
    assert!(matches!(refused, Error::Io { .. }));
    let begun = std::time::Instant::now();
    let shared = landing.open_one().unwrap();
    while shared.lock().outcome.is_none() && landing.hashed() < 5 << 20 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the front hangs");
        Pool::shared().wake();
    }
    let told = finish(&landing).unwrap_err();
    assert_eq!(told.to_string(), refused.to_string());
    landing.keep().unwrap();
    drop(shared);
    std::fs::remove_file(&slot).unwrap();
    let landing = Landing::open(plan.clone()).unwrap();
    assert_eq!((landing.reused(), landing.warning()), (5 << 20, None));
    landing.write(5 << 20, &tar[5 << 20..]).unwrap();
    finish(&landing).unwrap();
    finish_target(&plan.sink);
    assert!(read_all(root.path()) == files);
}
