//! The other way: records that libgcc keeps.
//!
//! libgcc finds a registered block by the lowest and highest address of its code. GCC 12 stops at the first block that
//! starts below the address, GCC 13 and newer keep the hulls in a tree that admits no overlap: either way two blocks
//! whose hulls interleave lose records. So members whose hulls overlap are merged into one block, which is rebuilt
//! when a member comes or goes. Every throw in the process walks GCC 12's list of blocks, so there hulls are widened
//! to slabs of 1 MiB first.
//! Records are copied, with absolute pointers, so that they are sure to be well-formed and terminated. On GCC 12 a
//! block is a table of pointers to its members' copies. GCC 13 cannot deregister such a table (it reads it as if it
//! were a record), so there a block is one more copy of all its members.
//! Invariants: no two registered blocks overlap while the lock is free; a copy lives until all members in it have been
//! deregistered, because a thread that unwinds through one of them may be reading it; on GCC 12 and older a throw on
//! another thread finds all older records at every moment, because new blocks are registered from the highest down and
//! then the old ones go from the lowest up: the highest block that starts below an address is one that has its record.
//! Limit: GCC 13 and newer look blocks up without a lock and free their tables at once, so there a throw through a
//! block must not meet its rebuilding, that is, the registration or removal of code that interleaves with it.
//! Sources: `unwind-dw2-fde.c` of GCC 12 and 13 (behaviour only).

use once_cell::race::OnceBool;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::c_void;
use std::mem;
use std::ops::Range;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::eh_frame::Section;
use super::interpose::_Unwind_FindEnclosingFunction;
use crate::at_fork;

const SLAB_BYTES: usize = 1 << 20;

unsafe extern "C" {
    fn __register_frame(begin: *const c_void);
    fn __register_frame_info_table(begin: *const c_void, object: *mut Object);
    fn __deregister_frame_info(begin: *const c_void) -> *mut Object;
    fn __deregister_frame(begin: *const c_void);
}

/// libgcc's own notes on a block: seven words so far.
type Object = [u64; 16];

/// GCC 12 reads its notes on a block once more after it gave up its lock, so they must stay as they are for a moment
/// after the block has gone. There is no telling how long; they are used again after this many others.
const QUARANTINE: usize = 4096;

/// A claim on a member of the registry.
#[derive(Debug)]
pub struct Claim {
    /// None if the section had no record that can be used.
    member: Option<(u64, Range<usize>)>,
}

struct Registry {
    next_id: u64,
    /// By the start of the hull. They do not overlap.
    groups: BTreeMap<usize, Group>,
    quarantine: VecDeque<Box<Object>>,
}

/// Members whose hulls overlap, directly or through others.
struct Group {
    hull: Range<usize>,
    members: Vec<Member>,
    /// What libgcc has.
    block: Block,
}

enum Block {
    /// Pointers to the members' records, and null. The first is to an empty section: libgcc tells an empty block from
    /// others by the first half of the first pointer.
    Table(Vec<usize>),
    /// The members' records and a zero word.
    Records(Arc<Vec<u64>>),
}

struct Member {
    id: u64,
    hull: Range<usize>,
    /// A copy of its records, with a zero word.
    records: Vec<u64>,
    /// The blocks that have held its records; they go with their last member.
    _blocks: Vec<Arc<Vec<u64>>>,
}

static EMPTY_SECTION: u64 = 0;

static REGISTRY: Mutex<Registry> =
    Mutex::new(Registry { next_id: 0, groups: BTreeMap::new(), quarantine: VecDeque::new() });

pub fn register(section: Section<'_>) -> Claim {
    let code = section.fdes().map(|fde| fde.code);
    let Some(hull) = code.reduce(|a, b| a.start.min(b.start)..a.end.max(b.end)) else {
        return Claim { member: None };
    };
    let slab = if keeps_a_tree() { 1 } else { SLAB_BYTES };
    let hull = hull.start / slab * slab..hull.end.div_ceil(slab) * slab;
    let mut bytes = Vec::new();
    section.append_absolute(&mut bytes);
    let words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes")));
    let records = words.chain([0]).collect();

    let mut registry = lock();
    let id = registry.next_id;
    registry.next_id += 1;
    registry.exchange(&hull, |members| members.push(Member { id, hull: hull.clone(), records, _blocks: Vec::new() }));
    Claim { member: Some((id, hull)) }
}

pub fn deregister(claim: &mut Claim) {
    if let Some((id, hull)) = claim.member.take() {
        lock().exchange(&hull, |members| members.extract_if(.., |member| member.id == id).collect::<Vec<_>>());
    }
}

/// Keeps the registry as it is. `fork` must not happen in the middle of a change.
pub fn hold() -> impl Sized {
    lock()
}

fn lock() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// Regroups the members of all groups that overlap `hull`, after `change`.
    /// What `change` returns is dropped when libgcc no longer refers to it.
    fn exchange<T>(&mut self, hull: &Range<usize>, change: impl FnOnce(&mut Vec<Member>) -> T) {
        let below = self.groups.range(..hull.end).rev();
        let starts = below.take_while(|(_, group)| hull.start < group.hull.end).map(|(&start, _)| start);
        let starts: Vec<_> = starts.collect();
        let mut old: Vec<_> = starts.iter().filter_map(|start| self.groups.remove(start)).collect();
        let mut members = old.iter_mut().flat_map(|group| mem::take(&mut group.members)).collect();
        let outgoing = change(&mut members);
        let new = regroup(members);
        if keeps_a_tree() {
            old.iter().for_each(|group| group.deregister(&mut self.quarantine));
            new.iter().for_each(|group| group.register(&mut self.quarantine));
        } else {
            new.iter().for_each(|group| group.register(&mut self.quarantine));
            old.iter().rev().for_each(|group| group.deregister(&mut self.quarantine));
        }
        drop(outgoing);
        self.groups.extend(new.into_iter().map(|group| (group.hull.start, group)));
    }
}

/// Groups of the members, from the highest address down.
fn regroup(mut members: Vec<Member>) -> Vec<Group> {
    members.sort_by_key(|member| member.hull.start);
    let mut groups: Vec<Group> = Vec::new();
    for member in members {
        match groups.last_mut().filter(|group| member.hull.start < group.hull.end) {
            Some(group) => {
                group.hull.end = group.hull.end.max(member.hull.end);
                group.members.push(member);
            }
            None => {
                let (hull, block) = (member.hull.clone(), Block::Table(Vec::new()));
                groups.push(Group { hull, members: vec![member], block });
            }
        }
    }
    groups.reverse();
    for group in &mut groups {
        group.block = if keeps_a_tree() { one_copy(&mut group.members) } else { table(&group.members) };
    }
    groups
}

fn table(members: &[Member]) -> Block {
    let sections = members.iter().map(|member| member.records.as_ptr().addr());
    Block::Table([(&raw const EMPTY_SECTION).addr()].into_iter().chain(sections).chain([0]).collect())
}

fn one_copy(members: &mut [Member]) -> Block {
    let records = members.iter().flat_map(|member| &member.records[..member.records.len() - 1]);
    let block = Arc::new(records.copied().chain([0]).collect::<Vec<_>>());
    members.iter_mut().for_each(|member| member._blocks.push(Arc::clone(&block)));
    Block::Records(block)
}

impl Group {
    fn register(&self, quarantine: &mut VecDeque<Box<Object>>) {
        // Records are well-formed, terminated and independent of their place, as `append_absolute` promises.
        match &self.block {
            Block::Table(table) => {
                let served = (QUARANTINE < quarantine.len()).then(|| quarantine.pop_front()).flatten();
                let object = Box::into_raw(served.unwrap_or_default());
                // SAFETY: see above; the table and its members' records stay where they are until `deregister`; the
                // object is large enough and libgcc's until then.
                unsafe { __register_frame_info_table(table.as_ptr().cast(), object) };
                // The object is made ready by the next look-up, before which nobody may read it.
                // SAFETY: the function only looks its argument up.
                unsafe { _Unwind_FindEnclosingFunction(ptr::without_provenance_mut(self.hull.start + 1)) };
            }
            // SAFETY: see above; the block stays where it is until `deregister`.
            Block::Records(records) => unsafe { __register_frame(records.as_ptr().cast()) },
        }
    }

    fn deregister(&self, quarantine: &mut VecDeque<Box<Object>>) {
        match &self.block {
            Block::Table(table) => {
                // SAFETY: this block was registered once, and is deregistered when it leaves the registry. The table
                // is read under libgcc's lock only; the records live on in their members.
                let object = unsafe { __deregister_frame_info(table.as_ptr().cast()) };
                if !object.is_null() {
                    // SAFETY: it is the object of `register`, and libgcc has no pointer to it but on its stacks.
                    quarantine.push_back(unsafe { Box::from_raw(object) });
                }
            }
            // SAFETY: this block was registered once, and is deregistered when it leaves the registry.
            Block::Records(records) => unsafe { __deregister_frame(records.as_ptr().cast()) },
        }
    }
}

/// Whether libgcc is GCC 13's or newer, to which blocks that overlap must not be shown even for a moment.
pub fn keeps_a_tree() -> bool {
    static TREE: OnceBool = OnceBool::new();
    TREE.get_or_init(|| {
        // glibc leaves the loader's lock in a child as it was.
        let _forks = at_fork::hold_off();
        // SAFETY: both names are C strings. The function has nothing to do with unwinding; it was new in GCC 13.
        unsafe { !libc::dlvsym(libc::RTLD_DEFAULT, c"__truncsfbf2".as_ptr(), c"GCC_13.0.0".as_ptr()).is_null() }
    })
}
