//! What a first call passes on.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex};

use super::super::StubId;
use super::super::arch::entry;
use super::arch::Registers;
use super::*;

static REGISTERS: LazyLock<Library> = LazyLock::new(|| Library::c("registers", arch::REGISTERS));
static ARGUMENTS: LazyLock<Library> =
    LazyLock::new(|| Library::c("arguments", &[include_str!("arguments.c"), arch::ARGUMENTS].concat()));
/// Held by whoever uses the variables of `registers.c`.
static REGISTERS_IN_USE: Mutex<()> = Mutex::new(());

/// Changes every register that a function may change; returns the floating-point control words it was called with.
fn clobber() -> u64 {
    // SAFETY: the function has this type.
    unsafe { REGISTERS.function::<extern "C" fn() -> u64>("clobber")() }
}

#[test]
fn arguments_of_every_shape_arrive() {
    let common = ["integers", "doubles", "extended", "variadic", "in_memory", "in_registers", "chained"];
    let _in_use = REGISTERS_IN_USE.lock();
    // SAFETY: the function has this type.
    unsafe { REGISTERS.function::<extern "C" fn(i64)>("set_width")(*arch::widths().last().unwrap()) };
    let memory = memory();
    for name in common.into_iter().chain(arch::calls()) {
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

/// Calls a function that writes the registers down through a stub of the pool, with these ones set.
fn registers_seen(pool: &StubPool, registers: Registers) -> Registers {
    // SAFETY: the functions have these types.
    let [given, seen] = unsafe {
        ["given_state", "seen_state"].map(|name| REGISTERS.function::<extern "C" fn() -> *mut Registers>(name)())
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
        for width in arch::widths_saved(way) {
            let given = arch::pattern(width);
            set_width(width);
            assert_eq!(registers_seen(&pool, given), given, "way {way}, width {width}");
            assert_eq!(environment.load(SeqCst) & arch::ENVIRONMENT_BITS, arch::DEFAULT_ENVIRONMENT);
            tried += 1;
        }
    }
    assert!(entry::addresses().len() <= tried);
}
