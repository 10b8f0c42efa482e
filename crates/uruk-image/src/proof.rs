//! The proof before an image is made: words that would be wrong in it, though nobody said that they are addresses.
//!
//! Data flow: what the process has mapped → every word of what is kept that no pointer was described at → those that lie in a mapping
//! → an error, but for those that were allowed ([`check`]). A number may look like an address: whoever knows better allows its path.

use crate::closure::Closure;
use crate::data::CodeSymbols;
use crate::error::Error;
use crate::world::World;
use std::fs;
use std::io;
use uruk_executor::maps::{self, Entry};
use uruk_orc::executor::Executor;

/// A part of an address space that something is mapped at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The first address.
    pub start: u64,
    /// The one behind the last.
    pub end: u64,
    /// What is there: a file, `[stack]`, `[heap]`, or nothing that has a name.
    pub name: String,
}

/// What a process has mapped.
#[derive(Clone, Debug, Default)]
pub struct Mappings(Vec<Mapping>);

/// A word that is no described pointer, and points into a mapping of the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The way from a root, with the offset of the word.
    pub path: String,
    /// What it holds.
    pub value: u64,
    /// What is mapped there.
    pub mapping: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Finding { path, value, mapping } = self;
        write!(
            f,
            "{path}: {value:#x} is an address in {mapping}, which is not in the image; describe the pointer, give it an entry, or allow it"
        )
    }
}

/// Errors with all findings whose paths, as they are printed, were not allowed.
pub fn check(mut findings: Vec<Finding>, allowed: &[String]) -> Result<(), Error> {
    findings.retain(|finding| !allowed.contains(&finding.path));
    if findings.is_empty() { Ok(()) } else { Err(Error::Findings { findings }) }
}

impl Mappings {
    /// Of these, in any order.
    pub fn new(mut mappings: Vec<Mapping>) -> Mappings {
        mappings.sort_by_key(|mapping| mapping.start);
        Mappings(mappings)
    }

    /// Those of this process, as the system lists them (`/proc/self/maps`, proc_pid_maps(5)).
    pub fn of_this_process() -> io::Result<Mappings> {
        Ok(Mappings::parse(&fs::read_to_string("/proc/self/maps")?))
    }

    /// Those of a process where a session runs its code.
    pub fn of_executor(executor: &dyn Executor) -> Result<Mappings, uruk_orc::error::Error> {
        Ok(Mappings::parse(&executor.mappings()?))
    }

    fn parse(list: &str) -> Mappings {
        let mapping = |Entry { range, name, .. }| {
            let name = if name.is_empty() { "memory without a name".into() } else { name };
            Mapping { start: range.start, end: range.end, name }
        };
        Mappings::new(maps::parse(list).into_iter().map(mapping).collect())
    }

    /// All of them, by their addresses.
    pub fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.0.iter()
    }

    /// What is mapped at an address.
    pub fn at(&self, address: u64) -> Option<&Mapping> {
        let before = self.0.partition_point(|mapping| mapping.start <= address).checked_sub(1)?;
        self.0.get(before).filter(|mapping| address < mapping.end)
    }
}

impl Closure {
    /// The words that would be wrong in an image. Variables of the code are looked at by [`Code::take_values`](crate::Code::take_values).
    pub fn prove(&self, world: &World, code: &dyn CodeSymbols, mappings: &Mappings) -> Vec<Finding> {
        const WORD: usize = 8;
        let mut known = self.edges.iter().map(|edge| edge.from).chain(self.cleared.iter().copied()).collect::<Vec<_>>();
        known.sort_unstable_by_key(|place| (place.kept, place.offset));
        let mut findings = Vec::new();
        let kept = (0..).zip(&self.kept).filter(|(_, kept)| code.variable_at(kept.address).is_none());
        for (number, kept) in kept {
            let bytes = self.bytes_of(kept);
            let first = (kept.address.next_multiple_of(WORD as u64) - kept.address) as usize;
            for (position, word) in bytes.get(first..).unwrap_or_default().chunks_exact(WORD).enumerate() {
                let offset = (first + position * WORD) as u64;
                let value = u64::from_le_bytes(word.try_into().expect("a word has eight bytes"));
                let Some(mapping) = mappings.at(value) else { continue };
                // A described pointer may lie across two words.
                let from = known.partition_point(|place| (place.kept, place.offset + WORD as u64) <= (number, offset));
                if known.get(from).is_some_and(|place| place.kept == number && place.offset < offset + WORD as u64) {
                    continue;
                }
                let path = self.path(world, Some((number, offset)));
                findings.push(Finding { path, value, mapping: mapping.name.clone() });
            }
        }
        findings
    }
}
