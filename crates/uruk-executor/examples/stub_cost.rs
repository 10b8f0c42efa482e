//! What stubs cost: `cargo run --release -p uruk-executor --example stub_cost`. Each line is the best of several
//! rounds, since other work on the machine only ever adds.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use uruk_executor::memory::{InProcessMemory, Options};
use uruk_executor::stubs::{Setup, Stub, StubId, StubPool};
use uruk_jitlink::memory::Placement;

const STUBS: usize = 100_000;
const CALLS: u64 = 500_000;

extern "C" fn body(value: u64) -> u64 {
    value + 1
}

fn function(address: u64) -> extern "C" fn(u64) -> u64 {
    // SAFETY: called with the address of `body` and of stubs that lead to it.
    unsafe { std::mem::transmute(address) }
}

fn main() {
    for strict in [false, true] {
        let memory = Arc::new(InProcessMemory::new(Options { strict, ..Options::default() }));
        println!("{}", memory.mode());
        let address = body as *const () as u64;
        let resolver = Arc::new(move |_: StubId| Some(address));
        let pool =
            StubPool::new(Arc::clone(&memory) as _, Setup { resolver, failure: None, placement: Placement::Near });
        let mut figures = [u128::MAX; 5];
        for _ in 0..10 {
            round(&pool, &mut figures);
        }
        let [make, first, redirect, free, alone] = figures.map(|time| time as f64 / STUBS as f64);
        println!("  make {make:.1} ns, free {free:.1} ns, redirect {redirect:.1} ns each of {STUBS}");
        println!("  first call {first:.1} ns");
        println!("  make, call and free one at a time {alone:.1} ns");
        let stub = pool.make(1).expect("there is room")[0];
        let [stub, direct] = steady([stub.address, address]);
        println!("  steady call {stub:.2} ns, direct call {direct:.2} ns");
    }
}

fn round(pool: &StubPool, figures: &mut [u128; 5]) {
    let mut time = |index: usize, work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        figures[index] = figures[index].min(start.elapsed().as_nanos());
    };
    let mut stubs: Vec<Stub> = Vec::new();
    time(0, &mut || stubs = pool.make(STUBS).expect("there is room"));
    time(1, &mut || {
        for stub in &stubs {
            black_box(function(stub.address)(1));
        }
    });
    let ids: Vec<StubId> = stubs.iter().map(|stub| stub.id).collect();
    let targets: Vec<(StubId, u64)> = ids.iter().map(|id| (*id, body as *const () as u64)).collect();
    time(2, &mut || pool.redirect(&targets).expect("they are live"));
    time(3, &mut || pool.free(&ids).expect("they are live"));
    // Beside another one, which keeps the memory.
    let other = pool.make(1).expect("there is room")[0];
    time(4, &mut || {
        for _ in 0..STUBS {
            let stub = pool.make(1).expect("there is room")[0];
            black_box(function(stub.address)(1));
            pool.free(&[stub.id]).expect("it is live");
        }
    });
    pool.free(&[other.id]).expect("it is live");
}

/// Nanoseconds of a call that waits for the one before, for each of these functions.
fn steady(addresses: [u64; 2]) -> [f64; 2] {
    let mut best = [u128::MAX; 2];
    for _ in 0..200 {
        for (best, address) in best.iter_mut().zip(addresses) {
            let function = black_box(function(address));
            let start = Instant::now();
            let value = (0..CALLS).fold(0, |value, _| function(value));
            *best = start.elapsed().as_nanos().min(*best);
            assert_eq!(black_box(value), CALLS);
        }
    }
    best.map(|time| time as f64 / CALLS as f64)
}
