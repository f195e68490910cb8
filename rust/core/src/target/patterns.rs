//! Which names of a tar are wanted: patterns that include, and patterns that exclude.

use crate::tar::Name;

/// What is wanted: what an `include` pattern fits, or everything where there is none, but
/// nothing that an `exclude` pattern fits.
///
/// `*` and `?` stand for characters other than `/`, `**` for any. A pattern without `/` is
/// held against every part of a name, any other against the whole name; a pattern that fits
/// a folder fits all that is in it.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    /// What is wanted.
    pub include: Vec<String>,
    /// What is not, even so.
    pub exclude: Vec<String>,
}

impl Patterns {
    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    /// Whether a file or folder of this name is wanted.
    pub fn want(&self, name: &Name) -> bool {
        let any = |patterns: &[String]| {
            let fits = |pattern: &String| fits(pattern.as_bytes(), name.as_bytes());
            patterns.iter().any(fits)
        };
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }

    /// Whether something of this name, or in a folder of this name, may be wanted.
    pub fn may_want(&self, name: &Name) -> bool {
        let excluded = |pattern: &String| fits(pattern.as_bytes(), name.as_bytes());
        let leads = |pattern: &String| leads_to(pattern.as_bytes(), name.as_bytes());
        !self.exclude.iter().any(excluded)
            && (self.include.is_empty() || self.include.iter().any(leads))
    }

    /// What tells these patterns from others.
    pub fn identity(&self) -> Vec<u8> {
        let mut identity = Vec::new();
        for (kind, patterns) in [(b'+', &self.include), (b'-', &self.exclude)] {
            for pattern in patterns {
                identity.push(kind);
                identity.extend((pattern.len() as u64).to_le_bytes());
                identity.extend(pattern.as_bytes());
            }
        }
        identity
    }
}

/// Whether a pattern is held against whole names, and what of it is.
///
/// A `/` that only ends it does not say where the folder is.
fn rooted(pattern: &[u8]) -> (bool, &[u8]) {
    let here = pattern.strip_prefix(b"./");
    let pattern = here.unwrap_or(pattern);
    let pattern = pattern.strip_suffix(b"/").unwrap_or(pattern);
    let is_rooted = here.is_some() || pattern.contains(&b'/');
    (is_rooted, pattern.strip_prefix(b"/").unwrap_or(pattern))
}

fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (is_rooted, pattern) = rooted(pattern);
    if !is_rooted && pattern != b"**" {
        return name
            .split(|&byte| byte == b'/')
            .any(|part| glob(pattern, part));
    }
    let borders = (0..name.len()).filter(|&at| name[at] == b'/');
    borders
        .chain([name.len()])
        .any(|end| glob(pattern, &name[..end]))
}

/// Whether the pattern may fit something in, at or around the folder `name`.
fn leads_to(pattern: &[u8], name: &[u8]) -> bool {
    let (is_rooted, pattern) = rooted(pattern);
    if !is_rooted {
        return true;
    }
    let mut parts = name.split(|&byte| byte == b'/');
    for wanted in pattern.split(|&byte| byte == b'/') {
        let Some(part) = parts.next() else {
            return true;
        };
        if wanted.windows(2).any(|pair| pair == b"**") {
            return true;
        }
        if !glob(wanted, part) {
            return false;
        }
    }
    true
}

/// Whether the pattern fits the whole text; the work is the product of their lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // Which beginnings of the text the pattern so far fits.
    let mut now = vec![false; text.len() + 1];
    now[0] = true;
    let mut rest = pattern;
    while let Some((&token, after)) = rest.split_first() {
        let mut next = vec![false; text.len() + 1];
        rest = after;
        if token == b'*' {
            let deep = after.first() == Some(&b'*');
            if deep {
                rest = &after[1..];
                // `**/` also stands for no folder at all.
                if rest.first() == Some(&b'/') {
                    rest = &rest[1..];
                    let mut any = false;
                    for at in 0..=text.len() {
                        next[at] = now[at] || (any && at > 0 && text[at - 1] == b'/');
                        any |= now[at];
                    }
                    now = next;
                    continue;
                }
            }
            for at in 0..=text.len() {
                let on = at > 0 && next[at - 1] && (deep || text[at - 1] != b'/');
                next[at] = now[at] || on;
            }
        } else {
            for at in 1..=text.len() {
                let byte = text[at - 1];
                next[at] = now[at - 1] && (token == byte || (token == b'?' && byte != b'/'));
            }
        }
        now = next;
    }
    now[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_what_they_say() {
        for (pattern, name, fit) in [
            ("*.json", "config.json", true),
            ("*.json", "deep/er/config.json", true),
            ("*.json", "config.jsonl", false),
            ("deep", "deep/er/config.json", true),
            ("deep/", "deep/er/config.json", true),
            ("er/*.json", "deep/er/config.json", false),
            ("deep/*/c*", "deep/er/config.json", true),
            ("deep/*.json", "deep/er/config.json", false),
            ("deep/**.json", "deep/er/config.json", true),
            ("**/config.json", "config.json", true),
            ("**/config.json", "a/b/config.json", true),
            ("**/config.json", "a/b/noconfig.json", false),
            ("./deep/er", "deep/er/config.json", true),
            ("./config.json", "config.json", true),
            ("./config.json", "deep/er/config.json", false),
            ("./deep/", "deep/er/config.json", true),
            ("./er/", "deep/er/config.json", false),
            ("/config.json", "config.json", true),
            ("**", "a/b", true),
            ("model-0000?-of-*", "model-00001-of-00030.safetensors", true),
            ("model-0000?", "model-00001-of-00030.safetensors", false),
            ("a?b/c", "a/b/c", false),
            ("", "a", false),
        ] {
            assert_eq!(
                fits(pattern.as_bytes(), name.as_bytes()),
                fit,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_its_length() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!fits(pattern.as_bytes(), "a".repeat(4000).as_bytes()));
    }

    #[test]
    fn folders_that_hold_nothing_wanted_are_known() {
        let name = |text: &str| Name::check(text.as_bytes()).unwrap();
        for (include, folder, may) in [
            ("*.json", "weights", true),
            ("weights/*.json", "weights", true),
            ("weights/*.json", "data", false),
            ("w*/deep/*.json", "weights/deep/er", false),
            ("w*/deep/**", "weights/deep/er", true),
            ("w*/deep/a.json", "weights/other", false),
            ("**/x.json", "data", true),
            ("data", "data/deep", true),
            ("data/deep/", "data", true),
            ("./a.json", "data", false),
        ] {
            let patterns = Patterns {
                include: vec![include.into()],
                exclude: Vec::new(),
            };
            assert_eq!(patterns.may_want(&name(folder)), may, "{include} {folder}");
        }
        let patterns = Patterns {
            include: Vec::new(),
            exclude: vec!["data".into()],
        };
        assert!(!patterns.may_want(&name("data/deep")));
        assert!(patterns.may_want(&name("weights")));
    }

    #[test]
    fn excluding_wins() {
        let name = |text: &str| Name::check(text.as_bytes()).unwrap();
        let patterns = Patterns {
            include: vec!["weights/**".into(), "*.json".into()],
            exclude: vec!["*.bin".into()],
        };
        assert!(patterns.want(&name("weights/a.safetensors")));
        assert!(!patterns.want(&name("weights/a.bin")));
        assert!(!patterns.want(&name("README.md")));
        assert!(Patterns::default().want(&name("README.md")));
        assert!(Patterns::default().is_empty() && !patterns.is_empty());
        assert_ne!(patterns.identity(), Patterns::default().identity());
    }
}
