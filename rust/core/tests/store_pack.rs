//! Any layer packs to the bytes its source describes, and unpacks to its files.

use std::path::Path;
use std::sync::Arc;

use kitfast_core::Meter;
use kitfast_core::digest::sha256;
use kitfast_core::store::{Blob, Compression, LayerSource, Member, Packing, Shape, Store, Wish};
use kitfast_core::target::{Existing, Target};
use proptest::prelude::*;

fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.finalize_xof().fill(&mut out);
    out
}

fn lay_out(folder: &Path, sizes: &[usize]) -> Vec<Member> {
    let folders = Member {
        name: b"d".to_vec(),
        source: None,
        mode: 0o755,
    };
    let files = sizes.iter().enumerate().map(|(index, size)| {
        let path = folder.join(index.to_string());
        std::fs::write(&path, bytes(index as u64, *size)).unwrap();
        Member {
            name: format!("d/{index}").into_bytes(),
            source: Some(path),
            mode: 0o644,
        }
    });
    std::iter::once(folders).chain(files).collect()
}

fn read_all(blob: &Blob) -> Vec<u8> {
    let mut data = vec![0; usize::try_from(blob.size()).unwrap()];
    blob.read(0, &mut data).unwrap();
    data
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        0usize..2000,
        (32usize << 10) - 2..(32 << 10) + 2,
        Just(1 << 20),
        0usize..3_000_000,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_packed_is_what_was_there(
        sizes in prop::collection::vec(size(), 0..8),
        compression in 0u8..4,
        at in 0.0f64..1.0,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("home")).unwrap();
        let members = lay_out(folder.path(), &sizes);
        let plain = LayerSource { members, compression: Compression::None, raw: false };
        let (compression, packing) = match compression {
            0 => (Compression::None, Packing::None),
            1 => (Compression::Gzip, Packing::Gzip),
            2 => (Compression::GzipFastest, Packing::Gzip),
            _ => (Compression::Zstd, Packing::Zstd),
        };
        let layer = LayerSource { compression, ..plain.clone() };
        let meter = Arc::new(Meter::default());
        let packed = store.pack(vec![layer, plain.clone()], true, &meter).unwrap();
        prop_assert_eq!(meter.done(), meter.total());
        let tar = read_all(&Blob::of_source(plain).unwrap());
        prop_assert_eq!(sha256::hash(&tar), packed[0].diff_id);
        prop_assert_eq!(packed[1].digest, packed[0].diff_id);
        let blob = store.blob(&packed[0].digest).unwrap();
        let stored = read_all(&blob);
        prop_assert_eq!(stored.len() as u64, packed[0].size);
        prop_assert_eq!(sha256::hash(&stored), packed[0].digest);
        let from = (stored.len() as f64 * at) as usize;
        let mut part = vec![0; (stored.len() - from).min(100_000)];
        blob.read(from as u64, &mut part).unwrap();
        prop_assert_eq!(&part[..], &stored[from..from + part.len()]);
        let wish = Wish { shape: Shape::Tar, packing, file: None, link: at < 0.5 };
        let out = folder.path().join("out");
        let target = Target::open(&out, Existing::Refuse).unwrap();
        store.unpack(&packed[0].digest, &wish, &target, &Meter::default()).unwrap();
        target.finish().unwrap();
        for (index, size) in sizes.iter().enumerate() {
            let there = std::fs::read(out.join("d").join(index.to_string())).unwrap();
            prop_assert_eq!(there, bytes(index as u64, *size));
        }
        prop_assert!(store.verify_all(&store.digests().unwrap(), &meter).unwrap().is_empty());
    }
}
