//! The local store: every content once, every blob a recipe that names contents.

pub mod contents;
pub mod hold;
pub mod recipe;
pub mod writer;

pub use contents::Contents;
pub use hold::Hold;
pub use recipe::{Place, Recipe, Segment};
pub use writer::RecipeWriter;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Error, Result};

/// Files of tars below this size stay inline beside their headers: thousands of small
/// files then cost one recipe and no file of their own. At 32 KiB a file of its own costs
/// less than an eighth in block rounding, and weights never stay inline.
pub const INLINE_LIMIT: u64 = 32 << 10;

/// Lowercase hexadecimal of a digest.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}

/// A name in `folder` that no other process and no other call uses.
pub(crate) fn fresh_name(folder: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(".tmp-{}-{count}-{clock:x}", std::process::id()))
}

/// Creates `folder` and what it stands in.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))
}
