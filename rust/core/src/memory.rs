//! Tells the allocator to keep the memory that buffers come and go in.

/// Buffers up to this size are taken from the heap and stay there when freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGEST_KEPT: libc::c_int = 16 << 20;
/// The heap gives memory back to the system only beyond this much at its end.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_AT_THE_END: libc::c_int = 64 << 20;

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
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

#[cfg(test)]
mod tests {
    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn glibc_takes_the_thresholds() {
        assert!(super::keep());
    }
}
