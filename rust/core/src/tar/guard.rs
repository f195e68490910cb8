//! Refuses members that escape, collide or are neither file nor directory.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::decode::Kind;
use super::parser::Member;
use crate::{Error, Result};

/// Names that start like this are kitfast's own folders inside a target.
pub const RESERVED: &str = ".kitfast-";

/// Members a tar may have; a set of this many names takes about 150 MB.
pub const ENTRY_LIMIT: u64 = 10_000_000;

/// Linux's PATH_MAX.
const NAME_LIMIT: usize = 4096;

/// A relative name without `..`, empty or `.` parts: safe to resolve beneath a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Vec<u8>);

impl Name {
    /// Checks `raw` as a tar or an annotation spells it.
    ///
    /// `./a//b/` becomes `a/b`; the folder itself (`./`) becomes the empty name.
    ///
    /// # Errors
    /// [`Error::UnsafeMember`] with the reason.
    pub fn check(raw: &[u8]) -> Result<Self> {
        let refuse = |why: &str| Err(unsafe_member(raw, why));
        if raw.len() > NAME_LIMIT {
            return refuse("its name is longer than 4096 bytes");
        }
        if raw.contains(&0) {
            return refuse("its name holds a NUL");
        }
        if raw.starts_with(b"/") || raw.starts_with(br"\\") {
            return refuse("its name is absolute");
        }
        if is_drive(raw) {
            return refuse("its name starts with a drive letter");
        }
        if raw
            .split(|&b| b == b'/' || b == b'\\')
            .any(|part| part == b"..")
        {
            return refuse("its name leads out of the folder");
        }
        let parts: Vec<&[u8]> = raw
            .split(|&b| b == b'/')
            .filter(|part| !part.is_empty() && *part != b".")
            .collect();
        if parts.iter().any(|part| part.len() > 255) {
            return refuse("a part of its name is longer than 255 bytes");
        }
        if parts
            .first()
            .is_some_and(|part| part.starts_with(RESERVED.as_bytes()))
        {
            return refuse("its name is reserved for kitfast's own use");
        }
        Ok(Self(parts.join(&b'/')))
    }

    /// Whether this is the folder itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The name as a relative path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The folder it lies in (empty for the top) and its last part.
    pub fn split(&self) -> (&[u8], &[u8]) {
        match self.0.iter().rposition(|&b| b == b'/') {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (b"", &self.0),
        }
    }

    /// Every folder on the way to it, outermost first.
    pub fn parents(&self) -> impl Iterator<Item = &[u8]> {
        let slashes = self.0.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
        slashes.map(|(at, _)| &self.0[..at])
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Builds the error for a member called `raw`.
pub fn unsafe_member(raw: &[u8], why: &str) -> Error {
    Error::UnsafeMember {
        name: String::from_utf8_lossy(&raw[..raw.len().min(200)]).into_owned(),
        why: why.into(),
    }
}

/// What may be unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// A regular file.
    File(Name),
    /// A directory.
    Directory(Name),
}

/// Looks at every member of one tar, in order, before anything of it is written.
///
/// Names are kept as keyed 64-bit hashes: ten million of them take 150 MB, and two that
/// collide by chance (one case in a million at that size) are refused, never mixed up.
#[derive(Debug)]
pub struct Guard {
    fold_case: bool,
    entries: u64,
    keys: RandomState,
    files: HashSet<u64>,
    folders: HashSet<u64>,
    last_folder: Vec<u8>,
}

impl Guard {
    /// A guard for one tar; `fold_case` where the target does not tell `A` from `a`.
    pub fn new(fold_case: bool) -> Self {
        Self {
            fold_case,
            entries: 0,
            keys: RandomState::new(),
            files: HashSet::new(),
            folders: HashSet::new(),
            last_folder: Vec::new(),
        }
    }

    /// Checks the next member.
    ///
    /// # Errors
    /// [`Error::UnsafeMember`] with the reason.
    pub fn admit(&mut self, member: &Member) -> Result<Admitted> {
        self.entries += 1;
        if self.entries > ENTRY_LIMIT {
            return Err(unsafe_member(
                &member.name,
                "the tar has more than ten million members",
            ));
        }
        let name = Name::check(&member.name)?;
        match member.kind {
            Kind::File => self.file(name, &member.name).map(Admitted::File),
            Kind::Directory => self.folder(name, &member.name).map(Admitted::Directory),
            _ => Err(unsafe_member(&member.name, refusal(member.kind))),
        }
    }

    /// Checks names that something other than a tar tells, as if a tar held them all.
    ///
    /// # Errors
    /// [`Error::UnsafeMember`] with the reason.
    pub fn check_names<T: AsRef<[u8]>>(fold_case: bool, files: &[T], folders: &[T]) -> Result<()> {
        let mut guard = Self::new(fold_case);
        for raw in files.iter().map(T::as_ref) {
            guard.file(Name::check(raw)?, raw)?;
        }
        for raw in folders.iter().map(T::as_ref) {
            guard.folder(Name::check(raw)?, raw)?;
        }
        Ok(())
    }

    fn file(&mut self, name: Name, raw: &[u8]) -> Result<Name> {
        if name.is_root() {
            return Err(unsafe_member(raw, "it has no name"));
        }
        self.enter(name.split().0, raw)?;
        let key = self.key(name.as_bytes());
        if self.folders.contains(&key) {
            return Err(unsafe_member(
                raw,
                "it is a file here and a directory elsewhere",
            ));
        }
        if !self.files.insert(key) {
            return Err(unsafe_member(raw, "two members have this name"));
        }
        Ok(name)
    }

    fn folder(&mut self, name: Name, raw: &[u8]) -> Result<Name> {
        self.enter(name.as_bytes(), raw)?;
        Ok(name)
    }

    /// Notes `folder` and all folders around it; none of them may be a file.
    fn enter(&mut self, folder: &[u8], raw: &[u8]) -> Result<()> {
        if folder.is_empty() || folder == self.last_folder {
            return Ok(());
        }
        let ends = (0..=folder.len()).filter(|&at| at == folder.len() || folder[at] == b'/');
        for end in ends {
            let key = self.key(&folder[..end]);
            if self.files.contains(&key) {
                return Err(unsafe_member(
                    raw,
                    "it lies in a directory that is also a file",
                ));
            }
            self.folders.insert(key);
        }
        self.last_folder = folder.to_vec();
        Ok(())
    }

    fn key(&self, name: &[u8]) -> u64 {
        if self.fold_case {
            return self
                .keys
                .hash_one(String::from_utf8_lossy(name).to_lowercase());
        }
        self.keys.hash_one(name)
    }
}

/// `C:\` and `C:/`; a file called `a:b` is nothing to fear.
fn is_drive(raw: &[u8]) -> bool {
    matches!(raw, [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic())
}

fn refusal(kind: Kind) -> &'static str {
    match kind {
        Kind::Other(b'1') => "it is a hard link",
        Kind::Other(b'2') => "it is a symbolic link",
        Kind::Other(b'3' | b'4') => "it is a device",
        Kind::Other(b'6') => "it is a named pipe",
        Kind::Other(b'S') => "it is a sparse file",
        _ => "it is neither a file nor a directory",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, kind: Kind) -> Member {
        Member {
            name: name.into(),
            mode: 0o644,
            kind,
            header: 0,
            body: 512,
            size: 0,
        }
    }

    fn admits(guard: &mut Guard, name: &str, kind: Kind) -> bool {
        guard.admit(&member(name, kind)).is_ok()
    }

    #[test]
    fn names_are_cleaned_or_refused() {
        let name = |raw: &str| {
            Name::check(raw.as_bytes())
                .map(|name| name.to_string())
                .ok()
        };
        assert_eq!(name("./a//b/").as_deref(), Some("a/b"));
        assert_eq!(name("./").as_deref(), Some(""));
        assert_eq!(name("a..b/...").as_deref(), Some("a..b/..."));
        for evil in [
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "C:\\a",
            "c:/a",
            "\\\\host\\share",
            "a\\..\\b",
            "a\0b",
            ".kitfast-staging/x",
        ] {
            assert_eq!(name(evil), None, "{evil:?}");
        }
        assert_eq!(name(&"x".repeat(256)), None);
        assert_eq!(name(&"x/".repeat(2100)), None);
    }

    #[test]
    fn collisions_are_refused() {
        let mut guard = Guard::new(false);
        assert!(admits(&mut guard, "a/b", Kind::File));
        assert!(!admits(&mut guard, "./a/b", Kind::File));
        assert!(!admits(&mut guard, "a", Kind::File));
        assert!(!admits(&mut guard, "a/b/c", Kind::File));
        assert!(!admits(&mut guard, "a/b", Kind::Directory));
        assert!(admits(&mut guard, "a", Kind::Directory));
        assert!(admits(&mut guard, "a", Kind::Directory));
        assert!(admits(&mut guard, "A/B", Kind::File));
        let mut folding = Guard::new(true);
        assert!(admits(&mut folding, "Ünï", Kind::File));
        assert!(!admits(&mut folding, "üNÏ", Kind::File));
    }

    #[test]
    fn names_alone_are_held_to_the_same() {
        let check = |fold_case, files: &[&str], folders: &[&str]| {
            Guard::check_names(fold_case, files, folders).is_ok()
        };
        for (files, folders, plain, folding) in [
            (&["a/b", "A/c"][..], &["a", "A"][..], true, true),
            (&["a/b", "A/B"], &[], true, false),
            (&["a", "b"], &["A"], true, false),
            (&["a", "A/b"], &[], true, false),
            (&["a", "./a"], &[], false, false),
            (&["a"], &["a/b"], false, false),
            (&["../a"], &[], false, false),
            (&[], &["/a"], false, false),
        ] {
            assert_eq!(check(false, files, folders), plain, "{files:?} {folders:?}");
            assert_eq!(
                check(true, files, folders),
                folding,
                "{files:?} {folders:?}"
            );
        }
    }

    #[test]
    fn only_files_and_directories() {
        for flag in b"123467SDMVX".iter().filter(|flag| **flag != b'7') {
            assert!(!admits(&mut Guard::new(false), "x", Kind::Other(*flag)));
        }
    }
}
