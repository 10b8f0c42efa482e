//! Memory as its user sees it: real code runs in it, neighbours are left alone, nothing is lost.

use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64};

use super::lane::{OWN_PAGES_BYTES, WARM_BYTES};
use super::*;
use crate::sys::faults::Faults;
use crate::sys::maps::{self, Entry};
use crate::testing::emulated;

mod demands;
mod failures;
#[cfg(target_os = "linux")]
mod files;
mod forks;
mod pages;
mod places;

const CODE: usize = Lane::Code as usize;
const READ_ONLY: usize = Lane::ReadOnly as usize;
const DATA: usize = Lane::Data as usize;

/// In an emulator that would not execute what is written by force, it is strict.
fn packed() -> InProcessMemory {
    let memory = InProcessMemory::new(Options::default());
    let refused = Mode::Refused { cause: libc::EOPNOTSUPP };
    assert!(memory.mode() == Mode::Packed || emulated() && memory.mode() == refused, "{}", memory.mode());
    memory
}

fn strict() -> InProcessMemory {
    InProcessMemory::new(Options { strict: true, ..Options::default() })
}

fn lane(size: u64, align: u64) -> LaneDemand {
    LaneDemand { size, align, zero_fill: 0 }
}

fn near(lanes: [LaneDemand; 3]) -> Demand {
    Demand { lanes, placement: Placement::Near }
}

/// Code, read-only data and variables of these sizes.
fn sizes(sizes: [u64; 3]) -> Demand {
    near(sizes.map(|size| lane(size, 16)))
}

/// A function that returns `value`.
fn returns(value: u32) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    let code = [&[0xb8][..], &value.to_le_bytes(), &[0xc3]].concat(); // mov eax, value; ret
    #[cfg(target_arch = "aarch64")]
    let code = {
        let low = 0x5280_0000 | (value & 0xffff) << 5; // movz w0, low
        let high = 0x72a0_0000 | (value >> 16) << 5; // movk w0, high, lsl 16
        [low, high, 0xd65f_03c0u32].map(u32::to_le_bytes).concat() // ret
    };
    #[cfg(target_arch = "riscv64")]
    let code = {
        let high = 0x0000_0537 | value.wrapping_add(0x800) & !0xfff; // lui a0, high
        let low = 0x0005_051b | value << 20; // addiw a0, a0, low
        [high, low, 0x0000_8067u32].map(u32::to_le_bytes).concat() // ret
    };
    code
}

/// Runs a function in finished code.
fn call(address: u64) -> u32 {
    // SAFETY: every caller has put one of `returns` there, finalized it and not released it.
    unsafe { std::mem::transmute::<usize, extern "C" fn() -> u32>(address as usize)() }
}

/// Reads finished memory.
fn read(address: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let file = std::fs::File::open("/proc/self/mem").expect("own memory can be read");
    file.read_exact_at(&mut bytes, address).expect("it is mapped");
    bytes
}

fn segments(allocation: &dyn Allocation, demand: &Demand) -> [Segment; 3] {
    Lane::ALL.map(|lane| Segment { lane, address: allocation.address(lane), size: demand.lanes[lane as usize].size })
}

/// Allocates, checks that all is zero, fills and finalizes: a function that returns `value`, and `value`'s low byte
/// in all other bytes.
fn try_link(memory: &InProcessMemory, demand: &Demand, value: u32) -> Result<[Segment; 3], MemoryError> {
    let mut allocation = memory.allocate(demand)?;
    for (bytes, demand) in allocation.working().into_iter().zip(&demand.lanes) {
        assert_eq!(bytes.len() as u64, demand.size - demand.zero_fill);
        assert!(*bytes == vec![0; bytes.len()], "working memory is zero at first");
        bytes.fill(value as u8);
    }
    let code = returns(value);
    if let Some(start) = allocation.working()[CODE].get_mut(..code.len()) {
        start.copy_from_slice(&code);
    }
    let segments = segments(&*allocation, demand);
    for (segment, demand) in segments.iter().zip(&demand.lanes) {
        assert_eq!(segment.address % demand.align, 0);
    }
    allocation.finalize()?;
    Ok(segments)
}

fn link(memory: &InProcessMemory, demand: &Demand, value: u32) -> [Segment; 3] {
    try_link(memory, demand, value).expect("memory is to be had")
}

/// What `link` wrote is there and runs.
fn check_linked(segments: &[Segment; 3], value: u32) {
    let code = returns(value);
    if code.len() as u64 <= segments[CODE].size {
        assert_eq!(call(segments[CODE].address), value);
    }
    for segment in &segments[READ_ONLY..] {
        assert!(read(segment.address, segment.size as usize) == vec![value as u8; segment.size as usize]);
    }
}

/// Ends the loops of other threads, also when the test fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn entries() -> Vec<Entry> {
    maps::parse(&std::fs::read_to_string("/proc/self/maps").expect("it is readable"))
}

fn entry_of(address: u64) -> Entry {
    entries().into_iter().find(|entry| entry.range.contains(&address)).expect("it is mapped")
}

/// How many of the kernel's mappings the reservations of a manager are made of.
fn mapping_count(memory: &InProcessMemory) -> usize {
    let state = memory.shared.lock();
    let ranges: Vec<_> = state.regions.values().map(Region::range).collect();
    let inside = |e: &Entry| ranges.iter().any(|range| e.range.start < range.end && range.start < e.range.end);
    entries().into_iter().filter(inside).count()
}

/// Bytes of the reservations that have memory behind them, by the page table.
fn resident(memory: &InProcessMemory) -> u64 {
    let state = memory.shared.lock();
    let file = std::fs::File::open("/proc/self/pagemap").expect("it is readable");
    let page_bytes = sys::page_bytes();
    let mut pages = 0;
    for region in state.regions.values() {
        let range = region.range();
        let mut table = vec![0; ((range.end - range.start) / page_bytes * 8) as usize];
        file.read_exact_at(&mut table, range.start / page_bytes * 8).expect("the table covers it");
        // Bit 63 of a little-endian entry: present.
        pages += table.iter().skip(7).step_by(8).filter(|byte| **byte & 0x80 != 0).count() as u64;
    }
    pages * page_bytes
}

fn assert_empty(memory: &InProcessMemory) {
    let statistics = memory.statistics();
    assert_eq!(statistics.live, [0; 3]);
    assert!(statistics.committed.iter().all(|bytes| *bytes <= WARM_BYTES), "{statistics:?}");
}

/// Runs `child` in a forked child, which must not panic across; says whether it returned true.
fn in_child(child: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child uses what `fork` leaves usable (malloc, and what is tested here), and ends by `_exit`.
    unsafe {
        let pid = libc::fork();
        assert!(0 <= pid);
        if pid == 0 {
            let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(false);
            libc::_exit(if good { 7 } else { 1 });
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &mut status, 0), pid);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7
    }
}
