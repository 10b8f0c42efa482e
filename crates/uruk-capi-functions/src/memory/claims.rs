//! What a manager's answers take up, so that no two of them do at once: from when an answer is taken until what was linked there is
//! released, or nothing comes of it.

use super::checks::segment_name;
use crate::error::{Failure, uruk_status};
use crate::raw::Opaque;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use uruk::memory::Lane;

/// What is linked, or was and has not all been released.
#[derive(Default)]
pub struct Live {
    /// Where code runs.
    pub targets: Claims,
    /// Where bytes are written: of finalized allocations, only where they stay.
    pub workings: Claims,
    /// The context of each that is finalized, and its bytes that have not been released.
    pub allocations: HashMap<u64, (Opaque, u64)>,
}

/// Ranges of addresses that do not overlap, by their first address.
#[derive(Default)]
pub struct Claims(BTreeMap<u64, Claim>);

/// A segment of an allocation, or what is left of it.
#[derive(Clone, Copy)]
pub struct Claim {
    end: u64,
    /// Its number.
    pub allocation: u64,
    lane: Lane,
}

impl Claims {
    /// Claims addresses for a segment, unless some of them are another's.
    pub fn take(&mut self, range: Range<u64>, allocation: u64, lane: Lane) -> Result<(), Failure> {
        if let Some((start, taken)) = self.0.range(..range.end).next_back().filter(|(_, taken)| range.start < taken.end)
        {
            let whose = match taken.allocation == allocation {
                true => String::new(),
                false => format!(" of allocation {}, which has not been given back", taken.allocation),
            };
            let (name, other) = (segment_name(lane), segment_name(taken.lane));
            let text =
                format!("the {name} segment at {:#x} lies in the {other} segment at {start:#x}{whose}", range.start);
            return Err(Failure::new(uruk_status::URUK_OVERLAP, text));
        }
        self.0.insert(range.start, Claim { end: range.end, allocation, lane });
        Ok(())
    }

    /// The claim that an address lies in.
    pub fn at(&self, address: u64) -> Option<Claim> {
        self.0.range(..=address).next_back().map(|(_, claim)| *claim).filter(|claim| address < claim.end)
    }

    /// Gives back what an allocation has of a range.
    pub fn free(&mut self, range: Range<u64>, allocation: u64) {
        while let Some((start, claim)) = self.last_of(&range, allocation) {
            self.0.remove(&start);
            if start < range.start {
                self.0.insert(start, Claim { end: range.start, ..claim });
            }
            if range.end < claim.end {
                self.0.insert(range.end, claim);
            }
        }
    }

    fn last_of(&self, range: &Range<u64>, allocation: u64) -> Option<(u64, Claim)> {
        let claims = self.0.range(..range.end).rev().take_while(|(_, claim)| range.start < claim.end);
        claims.map(|(start, claim)| (*start, *claim)).find(|(_, claim)| claim.allocation == allocation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimed_is_nobody_elses_until_it_is_given_back() {
        let mut claims = Claims::default();
        claims.take(100..200, 1, Lane::Code).unwrap();
        claims.take(200..300, 1, Lane::Data).unwrap();
        for range in [50..101, 100..200, 120..130, 199..400, 0..1000, 299..300] {
            let failure = claims.take(range.clone(), 2, Lane::ReadOnly).unwrap_err();
            assert_eq!(failure.status, uruk_status::URUK_OVERLAP, "{range:?}");
            assert!(failure.text.contains("of allocation 1,"), "{failure}");
        }
        // Somebody else's are not given back.
        claims.free(0..1000, 2);
        claims.take(50..100, 2, Lane::Code).unwrap();
        claims.take(300..301, 2, Lane::Data).unwrap();
        claims.free(120..150, 1);
        claims.take(120..150, 3, Lane::Code).unwrap();
        let whose = |claims: &Claims, address| claims.at(address).map(|claim| claim.allocation);
        let owners = [49, 99, 100, 119, 120, 149, 150, 299, 300, 301].map(|address| whose(&claims, address));
        assert_eq!(owners, [None, Some(2), Some(1), Some(1), Some(3), Some(3), Some(1), Some(1), Some(2), None]);
        claims.free(0..1000, 1);
        let owners = [100, 120, 150, 250, 300].map(|address| whose(&claims, address));
        assert_eq!(owners, [None, Some(3), None, None, Some(2)]);
    }
}
