//! What memory management costs: `cargo run --release -p uruk-executor --example memory_cycle`.
//! A cycle is allocate, fill, finalize, release of one object of three lanes; each line is the best of
//! many short rounds, since other work on the machine only ever adds.

use std::hint::black_box;
use std::time::Instant;

use uruk_executor::memory::{InProcessMemory, Options};
use uruk_jitlink::memory::{Demand, Lane, LaneDemand, MemoryManager, Segment};

fn main() {
    for strict in [false, true] {
        let options = Options { strict, ..Options::default() };
        let memory = InProcessMemory::new(options);
        println!("{}", memory.mode());
        let small = [1000, 300, 200];
        time("  cycle of 1.5 KB in three lanes", 20_000, || drop(link(&memory, small, true)));
        time("  cycle of 1.5 KB of data only", 20_000, || drop(link(&memory, [0, 0, 1500], true)));
        time("  cycle of 1.5 KB of code only", 20_000, || drop(link(&memory, [1500, 0, 0], true)));
        time("  cycle of 3 x 64 KiB", 500, || drop(link(&memory, [64 << 10; 3], true)));
        time("  cycle of 3 x 1 MiB", 100, || drop(link(&memory, [1 << 20; 3], true)));
        time("  cycle of 3 x 6 MiB", 20, || drop(link(&memory, [6 << 20; 3], true)));
        let mut live: Vec<_> = (0..10_000).map(|_| link(&memory, small, false)).collect();
        time("  cycle of 1.5 KB beside 10,000 others", 20_000, || drop(link(&memory, small, true)));
        let mut others = live.iter().step_by(2);
        others.by_ref().for_each(|segments| memory.release(segments));
        time("  cycle of 1.5 KB among 5,000 others and as many holes", 20_000, || drop(link(&memory, small, true)));
        time("  cycle of 1.2 KB of data in them", 20_000, || drop(link(&memory, [0, 0, 150], true)));
        let mut keep = live.drain(..).skip(1).step_by(2);
        keep.by_ref().for_each(|segments| memory.release(&segments));
        println!("  {:?}", memory.statistics());
    }
}

fn link(memory: &InProcessMemory, sizes: [u64; 3], release: bool) -> Vec<Segment> {
    let lanes = sizes.map(|size| LaneDemand { size, align: 16, zero_fill: 0 });
    let mut allocation = memory.allocate(&Demand { lanes, ..Demand::default() }).expect("there is room");
    for bytes in allocation.working() {
        black_box(bytes).fill(0xc3);
    }
    let segments =
        Lane::ALL.map(|lane| Segment { lane, address: allocation.address(lane), size: sizes[lane as usize] });
    allocation.finalize().expect("it is granted");
    if release {
        memory.release(&segments);
    }
    if release { Vec::new() } else { segments.to_vec() }
}

fn time(what: &str, cycles: u32, mut cycle: impl FnMut()) {
    let per_round = (cycles / 200).max(1);
    let rounds = (0..cycles.div_ceil(per_round)).map(|_| {
        let start = Instant::now();
        (0..per_round).for_each(|_| cycle());
        start.elapsed() / per_round
    });
    println!("{what}: {:?}", rounds.min().expect("a round"));
}
