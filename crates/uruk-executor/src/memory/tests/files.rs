//! Content that is handed over in files: in place where pages are one's own, copied elsewhere, gone when it is released.

use super::*;
use crate::protocol::files::Contents;
use std::fs::File;

/// Allocates and takes all content from a file: what `link` writes.
fn try_take(memory: &InProcessMemory, demand: &Demand, value: u32) -> Result<[Segment; 3], MemoryError> {
    let mut allocation = memory.allocate_here(demand)?;
    let segments = segments(&allocation, demand);
    let lanes = segments.map(|segment| (segment.address, segment.size - demand.lanes[segment.lane as usize].zero_fill));
    let mut contents = Contents::new(lanes, sys::page_bytes()).expect("there are files in memory");
    for bytes in contents.working() {
        bytes.fill(value as u8);
    }
    let code = returns(value);
    contents.working()[CODE][..code.len()].copy_from_slice(&code);
    let offsets = contents.offsets();
    let file: File = contents.seal().expect("it is sealed");
    for lane in Lane::ALL {
        let taken = allocation.take_file(lane, &file, offsets[lane as usize]);
        taken.map_err(|source| MemoryError::Exhausted { size: 0, place: "in the file", source })?;
    }
    Box::new(allocation).finalize()?;
    Ok(segments)
}

fn take(memory: &InProcessMemory, demand: &Demand, value: u32) -> [Segment; 3] {
    try_take(memory, demand, value).expect("memory is to be had")
}

fn files() -> usize {
    let text = std::fs::read_to_string("/proc/self/maps").expect("own mappings are listed");
    text.lines().filter(|line| line.contains("/memfd:uruk")).count()
}

/// Large and small lanes, with and without pages of their own.
const SIZES: [[u64; 3]; 4] =
    [[100 << 10, 70 << 10, 300 << 10], [100, 90 << 10, 3], [65 << 10, 10, 70_001], [16, 0, 64 << 10]];

#[test]
fn content_of_files_runs_among_other_memory() {
    for memory in [packed(), strict()] {
        let mut linked = Vec::new();
        for (round, lanes) in SIZES.iter().enumerate() {
            let value = round as u32 + 1;
            linked.push((link(&memory, &sizes(*lanes), value + 100), value + 100));
            linked.push((take(&memory, &sizes(*lanes), value), value));
        }
        linked.iter().for_each(|(segments, value)| check_linked(segments, *value));
        // Released by turns, and what lies there then is zero at first.
        for round in 0..3 {
            for (segments, _) in linked.drain(..) {
                memory.release(&segments);
            }
            for (index, lanes) in SIZES.iter().enumerate() {
                let value = (round * 10 + index) as u32;
                let way = if (round + index) % 2 == 0 { link } else { take };
                linked.push((way(&memory, &sizes(*lanes), value), value));
            }
            linked.iter().for_each(|(segments, value)| check_linked(segments, *value));
        }
    }
}

#[test]
fn what_is_zero_at_the_end_is_so_after_a_file_too() {
    let memory = packed();
    let tail = |size, zero_fill| LaneDemand { size, align: 4096, zero_fill };
    let demand = near([lane(16, 16), tail(200 << 10, 100_001), tail(900 << 10, 500_001)]);
    for round in 0..3 {
        let segments = take(&memory, &demand, 7);
        for (segment, zero_fill) in [(&segments[READ_ONLY], 100_001), (&segments[DATA], 500_001)] {
            let bytes = read(segment.address, segment.size as usize);
            let (content, zeros) = bytes.split_at(bytes.len() - zero_fill);
            assert!(content.iter().all(|byte| *byte == 7) && zeros.iter().all(|byte| *byte == 0), "round {round}");
        }
        memory.release(&segments);
    }
}

#[test]
fn released_files_are_given_back_with_much_memory() {
    let memory = packed();
    let demand = sizes([WARM_BYTES * 2, WARM_BYTES * 2, WARM_BYTES * 2]);
    let before = files();
    let segments = take(&memory, &demand, 3);
    assert!(before < files());
    check_linked(&segments, 3);
    memory.release(&segments);
    let left = Lane::ALL.map(|lane| memory.statistics().committed[lane as usize]);
    assert!(left.iter().take(2).all(|bytes| *bytes <= WARM_BYTES), "{left:?}");
    check_linked(&link(&memory, &demand, 4), 4);
}

#[test]
fn a_refusal_at_any_call_leaves_memory_as_it_was() {
    let demand = sizes([100 << 10, 70 << 10, 300 << 10]);
    for call in 1.. {
        let faults = Faults::new();
        let memory = InProcessMemory::with_system(Options::default(), faults.clone());
        let first = take(&memory, &demand, 1);
        let live = memory.statistics().live;
        faults.fail(call);
        let taken = try_take(&memory, &demand, 2);
        let ended = faults.clear();
        if let Ok(segments) = &taken {
            check_linked(segments, 2);
            memory.release(segments);
        }
        assert_eq!(memory.statistics().live, live);
        check_linked(&first, 1);
        check_linked(&take(&memory, &demand, 3), 3);
        if ended {
            assert!(5 < call && taken.is_ok());
            break;
        }
    }
}
