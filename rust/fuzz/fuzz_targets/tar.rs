//! Any bytes as a tar: both readers agree on them, and no name leads out.
#![no_main]

use kitfast_core::tar::{Admitted, Guard, Member, Reader, Step, Walk};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, Vec<u8>)| {
    let (honest, mut tar) = input;
    if honest {
        tar.as_chunks_mut::<512>()
            .0
            .iter_mut()
            .for_each(set_checksum);
    }
    let tar = &tar[..];
    let hopped = hop(tar);
    let read = read(tar);
    if let Some(read) = &read {
        assert_eq!(Some(read), hopped.as_ref());
    }
    let mut guard = Guard::new(tar.len() % 2 == 0);
    for member in hopped.into_iter().flatten() {
        let (Ok(Admitted::File(name)) | Ok(Admitted::Directory(name))) = guard.admit(&member)
        else {
            continue;
        };
        let path = name.as_path();
        assert!(path.is_relative());
        assert!(
            path.components()
                .all(|part| matches!(part, std::path::Component::Normal(_)))
        );
    }
});

/// Few inputs would get past the checksum otherwise.
fn set_checksum(block: &mut [u8; 512]) {
    if block.iter().all(|&byte| byte == 0) {
        return;
    }
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn hop(tar: &[u8]) -> Option<Vec<Member>> {
    let mut walk = Walk::new(tar.len() as u64);
    let mut members = Vec::new();
    loop {
        let step = walk.step(|offset, buffer| {
            let from = offset as usize;
            buffer.copy_from_slice(&tar[from..from + buffer.len()]);
            Ok(true)
        });
        match step.ok()? {
            Step::Member(member) => members.push(member),
            Step::End(at) => {
                assert!(at <= tar.len().next_multiple_of(512) as u64);
                return Some(members);
            }
            Step::Need(..) => panic!("all bytes are there"),
        }
    }
}

fn read(tar: &[u8]) -> Option<Vec<Member>> {
    let mut reader = Reader::new(tar, "fuzz");
    let mut members = Vec::new();
    while let Some(member) = reader.next_member().ok()? {
        members.push(member);
    }
    Some(members)
}
