//! What a first call passes on.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};

use super::super::{StubId, entry};
use super::*;

static REGISTERS: LazyLock<Library> = LazyLock::new(|| Library::c("registers", include_str!("registers.c")));
static ARGUMENTS: LazyLock<Library> = LazyLock::new(|| Library::c("arguments", include_str!("arguments.c")));
/// Held by whoever uses the variables of `registers.c`.
static REGISTERS_IN_USE: Mutex<()> = Mutex::new(());

/// The vector registers that this processor has: what `width` in `registers.c` may be.
fn widths() -> impl Iterator<Item = i64> {
    let widths = [true, is_x86_feature_detected!("avx"), is_x86_feature_detected!("avx512bw")];
    (0..3).zip(widths).filter(|(_, available)| *available).map(|(width, _)| width)
}

/// Changes every register that a function may change; returns the floating-point control words it was called with.
fn clobber() -> u64 {
    // SAFETY: the function has this type.
    unsafe { REGISTERS.function::<extern "C" fn() -> u64>("clobber")() }
}

#[test]
fn arguments_of_every_shape_arrive() {
    let cases = [
        ("integers", true),
        ("doubles", true),
        ("extended", true),
        ("variadic", true),
        ("in_memory", true),
        ("in_registers", true),
        ("chained", true),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512", is_x86_feature_detected!("avx512f")),
        ("windows", true),
        ("windows_variadic", true),
    ];
    let _in_use = REGISTERS_IN_USE.lock();
    // SAFETY: the function has this type.
    unsafe { REGISTERS.function::<extern "C" fn(i64)>("set_width")(widths().last().unwrap()) };
    let memory = memory();
    for (name, _) in cases.into_iter().filter(|(_, available)| *available) {
        let body = ARGUMENTS.address(name);
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let pool = pool(&memory, move |_| {
            clobber();
            count.fetch_add(1, SeqCst);
            Some(body)
        });
        let stub = pool.make(1).unwrap()[0];
        // SAFETY: every caller has this type.
        let caller: extern "C" fn(u64) -> i32 = unsafe { ARGUMENTS.function(&format!("call_{name}")) };
        for round in ["first", "later"] {
            assert_eq!(caller(stub.address), 1, "{name}, {round} call");
        }
        assert_eq!(asked.load(SeqCst), 1, "{name}");
    }
}

/// As in `registers.c`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Debug)]
struct State {
    general: [u64; 9],
    kept: [u64; 6],
    unused: u64,
    vectors: [[u64; 8]; 32],
    masks: [u64; 8],
    control: u32,
    x87_control: u16,
}

impl State {
    fn pattern(width: i64) -> State {
        let mut next = 0x0123_4567_89ab_cdefu64;
        let mut number = || {
            next = next.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            next
        };
        let vector_words = [2, 4, 8][width as usize];
        State {
            general: std::array::from_fn(|_| number()),
            kept: std::array::from_fn(|_| number()),
            unused: 0,
            vectors: std::array::from_fn(|register| {
                let exists = register < 16 || width == 2;
                std::array::from_fn(|word| if exists && word < vector_words { number() } else { 0 })
            }),
            masks: std::array::from_fn(|_| if width == 2 { number() } else { 0 }),
            // Towards zero, denormals flushed; and with single precision.
            control: 0xff80,
            x87_control: 0x0c7f,
        }
    }
}

/// Calls a function that writes the registers down through a stub of the pool, with these ones set.
fn registers_seen(pool: &StubPool, registers: State) -> State {
    // SAFETY: the functions have these types.
    let [given, seen] = unsafe {
        ["given_state", "seen_state"].map(|name| REGISTERS.function::<extern "C" fn() -> *mut State>(name)())
    };
    // SAFETY: as above.
    let caller: extern "C" fn(u64) = unsafe { REGISTERS.function("call_with_registers") };
    // SAFETY: the library's variables have this type, and only this thread uses them.
    unsafe {
        given.write(registers);
        seen.write_bytes(0, 1);
        caller(pool.make(1).unwrap()[0].address);
        seen.read()
    }
}

#[test]
fn every_register_arrives_and_the_resolver_gets_the_default_environment() {
    let _in_use = REGISTERS_IN_USE.lock();
    // SAFETY: the function has this type.
    let set_width: extern "C" fn(i64) = unsafe { REGISTERS.function("set_width") };
    let body = REGISTERS.address("write_registers");
    let memory = memory();
    let mut tried = 0;
    for (way, entry) in entry::addresses().iter().rev().enumerate() {
        let environment = Arc::new(AtomicU64::new(0));
        let noted = Arc::clone(&environment);
        let resolver = move |_: StubId| {
            noted.store(clobber(), SeqCst);
            Some(body)
        };
        let pool = StubPool::with_entry(Arc::clone(&memory) as _, setup(None, resolver), *entry);
        // The way for the oldest processors saves what these have.
        for width in widths().filter(|width| way != 0 || *width == 0) {
            let given = State::pattern(width);
            set_width(width);
            assert_eq!(registers_seen(&pool, given), given, "way {way}, width {width}");
            let environment = environment.load(SeqCst);
            assert_eq!((environment as u32 & 0xffc0, environment >> 32), (0x1f80, 0x37f));
            tried += 1;
        }
    }
    assert!(entry::addresses().len() <= tried);
}
