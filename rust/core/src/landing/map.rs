//! Which bytes of a blob belong to which file, learned header by header.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::plan::{Plan, Sink};
use super::ranges::RangeSet;
use crate::tar::guard::unsafe_member;
use crate::tar::{Admitted, Guard, Member, Step, Walk};
use crate::{Error, Result};

/// A header further than this behind bytes that are on their way is worth a request.
///
/// Nearer ones come with the parts, which are no smaller than this.
const HOP: u64 = 8 << 20;

/// Bytes asked for with a header: room for PAX records and the small files around it.
const HOP_LENGTH: u64 = 16 << 10;

/// An extent of the blob that has a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Where it starts in the blob.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
    /// The number of its file.
    pub slot: u64,
}

impl Placed {
    /// The bytes of the blob it covers.
    pub fn range(&self) -> Range<u64> {
        self.offset..self.offset + self.length
    }
}

/// The extents found so far, ascending, and the walk that finds the next ones.
#[derive(Debug)]
pub struct Map {
    walk: Walk,
    need: Option<Range<u64>>,
    placed: Vec<Placed>,
    slots: u64,
    limit: u64,
    guard: Option<Guard>,
    /// Publishing had begun in an earlier run: files that are there may be its own.
    pub committing: bool,
    /// Where the tar's members end, once that is known.
    pub end: Option<u64>,
    /// Why the tar must not be unpacked.
    pub fault: Option<Error>,
}

impl Map {
    /// The map of a blob of which no byte is known.
    pub fn new(plan: &Plan) -> Self {
        let mut map = Self {
            walk: Walk::new(plan.size),
            need: plan.is_mapped().then_some(0..0),
            placed: Vec::new(),
            slots: 0,
            limit: plan.place_limit(),
            guard: None,
            committing: false,
            end: None,
            fault: None,
        };
        match &plan.sink {
            Sink::Target { target, .. } if plan.is_mapped() => {
                map.guard = Some(Guard::new(target.folds_case()));
            }
            _ if plan.is_compressed() || plan.is_mapped() => {}
            _ => map.place(0, plan.size),
        }
        map
    }

    /// The extents that have files, ascending.
    pub fn placed(&self) -> &[Placed] {
        &self.placed
    }

    /// Whether a broken tar is as good as any other blob: the store unpacks nothing.
    pub fn takes_anything(&self) -> bool {
        self.guard.is_none()
    }

    /// Whether headers that are down still have to be followed.
    pub fn can_advance(&self, down: &RangeSet) -> bool {
        self.need.clone().is_some_and(|need| down.contains(need))
    }

    /// The header worth a request of its own: (offset, length).
    pub fn wanted(&self, coming: &RangeSet, size: u64) -> Option<(u64, u64)> {
        let need = self.need.clone()?;
        let ahead = need.start - coming.last_before(need.start);
        (ahead >= HOP).then(|| (need.start, HOP_LENGTH.min(size - need.start)))
    }

    /// Follows one header that is down; whether an extent was placed.
    ///
    /// After an error of the disk the same step can be tried again.
    pub fn advance(&mut self, down: &RangeSet, spool: &File, plan: &Plan) -> Result<bool> {
        let before = self.placed.len();
        let step = self.walk.step(|offset, buffer| {
            let range = offset..offset + buffer.len() as u64;
            if !down.contains(range) {
                return Ok(false);
            }
            spool
                .read_exact_at(buffer, offset)
                .map_err(|error| Error::io("spool", error))?;
            Ok(true)
        });
        match step {
            Ok(Step::Need(offset, length)) => self.need = Some(offset..offset + length),
            Ok(Step::Member(member)) => {
                // Whatever comes next is not known yet: ask again.
                self.need = Some(0..0);
                self.member(&member, plan);
            }
            Ok(Step::End(at)) => {
                self.end = Some(at);
                self.rest(at.max(self.walk.seen()), plan);
            }
            Err(fault @ Error::Corrupt { .. }) => self.fail(fault, plan),
            Err(error) => return Err(error),
        }
        Ok(self.placed.len() > before)
    }

    fn member(&mut self, member: &Member, plan: &Plan) {
        let Some(guard) = &mut self.guard else {
            if member.size >= self.limit {
                self.place(member.body, member.size);
            }
            return;
        };
        let resumed = self.committing;
        let judged = guard.admit(member).and_then(|admitted| match admitted {
            // What is there may be what this very landing published before a crash.
            _ if resumed => Ok(matches!(admitted, Admitted::File(_))),
            admitted => judge(&admitted, plan),
        });
        match judged {
            Ok(true) if member.size >= self.limit => self.place(member.body, member.size),
            Ok(true) => self.slots += 1,
            Ok(false) => {}
            Err(fault) => self.fail(fault, plan),
        }
    }

    /// Nothing behind this can be mapped: no tar for a target, one extent for the store.
    fn fail(&mut self, fault: Error, plan: &Plan) {
        self.fault = Some(fault);
        self.rest(self.walk.seen(), plan);
    }

    fn rest(&mut self, from: u64, plan: &Plan) {
        self.need = None;
        let length = plan.size.saturating_sub(from);
        if self.guard.is_none() && length >= self.limit {
            self.place(from, length);
        }
    }

    fn place(&mut self, offset: u64, length: u64) {
        if length > 0 {
            self.placed.push(Placed {
                offset,
                length,
                slot: self.slots,
            });
        }
        self.slots += 1;
    }

    /// Cuts a range into pieces that lie in one file each: the extent's number, or none
    /// for the spool.
    pub fn pieces(&self, range: Range<u64>) -> Vec<(Option<usize>, Range<u64>)> {
        let mut pieces = Vec::new();
        let mut at = range.start;
        let mut index = self
            .placed
            .partition_point(|placed| placed.range().end <= at);
        while at < range.end {
            let next = self.placed.get(index).map(Placed::range);
            let (extent, end) = match next {
                Some(next) if next.start <= at => (Some(index), next.end),
                Some(next) => (None, next.start),
                None => (None, range.end),
            };
            let end = end.min(range.end);
            pieces.push((extent, at..end));
            index += usize::from(extent.is_some());
            at = end;
        }
        pieces
    }
}

/// Whether a member is a file; fails where it must not be written.
fn judge(admitted: &Admitted, plan: &Plan) -> Result<bool> {
    let Sink::Target { target, .. } = &plan.sink else {
        return Err(unsafe_member(b"", "the store unpacks nothing"));
    };
    match admitted {
        Admitted::File(name) => target.fate(name).map(|_| true),
        Admitted::Directory(name) => target.check_directory(name).map(|()| false),
    }
}
