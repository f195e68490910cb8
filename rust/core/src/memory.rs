//! How much memory there may be, and that the allocator keeps what it got.

use std::fs;
use std::path::{Path, PathBuf};

/// Buffers up to this size are taken from the heap and stay there when freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGEST_KEPT: libc::c_int = 16 << 20;
/// The heap gives memory back to the system only beyond this much at its end.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_AT_THE_END: libc::c_int = 64 << 20;
/// Heaps that all threads share: what is kept in one is of no use to the others, and a heap
/// for each connection was measured to keep 100 MiB more than two.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 2;

/// Makes freed buffers stay with the process instead of going back to the system.
///
/// Network buffers of 256 KiB are made and freed thousands of times a second; by default
/// each one is mapped, cleared page by page and unmapped again, which was measured to cost
/// a fifth of a transfer's speed. Only glibc has these switches; elsewhere nothing is done.
///
/// Returns whether the allocator took them.
pub fn keep() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` may be called at any time; it changes thresholds, no allocation.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_KEPT) == 1
            && libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_AT_THE_END) == 1
            && libc::mallopt(libc::M_ARENA_MAX, HEAPS) == 1
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

/// The memory limit of this process's container in bytes, if it has one.
///
/// It counts the page cache, too. The smallest limit of the control groups (version 1 or 2)
/// that the process is in, as far as they can be seen.
pub fn limit() -> Option<u64> {
    limit_below(Path::new("/"))
}

fn limit_below(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (top, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // A path of the host's means nothing in a container: the groups above it do.
        let path = PathBuf::from(path.trim_start_matches('/'));
        let folders = path.ancestors().map(|group| root.join(top).join(group));
        limits.extend(folders.filter_map(|folder| number_in(&folder.join(file))));
    }
    // Version 1 says "none" with the largest whole number of pages.
    limits.into_iter().filter(|&limit| limit < 1 << 60).min()
}

/// The number in a file; none where it is absent or says "max".
fn number_in(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_limit_around_the_process_counts() {
        let cases = [
            (
                "0::/a/b\n",
                "sys/fs/cgroup/a/memory.max",
                "1000\n",
                Some(1000),
            ),
            ("0::/a/b\n", "sys/fs/cgroup/memory.max", "max\n", None),
            ("0::/../gone\n", "sys/fs/cgroup/memory.max", "77", Some(77)),
            (
                "7:cpu:/x\n4:memory,hugetlb:/k\n",
                "sys/fs/cgroup/memory/k/memory.limit_in_bytes",
                "5000",
                Some(5000),
            ),
            (
                "4:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712",
                None,
            ),
            ("4:cpu:/\nnonsense\n", "sys/fs/cgroup/memory.max", "5", None),
        ];
        for (groups, file, text, expected) in cases {
            let root = tempfile::tempdir().unwrap();
            for (name, text) in [("proc/self/cgroup", groups), (file, text)] {
                let path = root.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            assert_eq!(limit_below(root.path()), expected, "{groups} {file}");
        }
        assert_eq!(limit_below(Path::new("/nowhere")), None);
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn glibc_takes_the_thresholds() {
        assert!(super::keep());
    }
}
