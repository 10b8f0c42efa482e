//! Add, look up, call and remove, again and again: memory, mappings and registrations end where they began.

mod support;

use std::fs::read_to_string;
use support::compile;
use uruk::Jit;

type Number = extern "C" fn(i32) -> i32;

unsafe extern "C" {
    /// The unwind record for an address, or null.
    fn _Unwind_Find_FDE(address: *const u8, bases: *mut [usize; 3]) -> *const u8;
}

fn can_unwind(address: usize) -> bool {
    let mut bases = [0; 3];
    // SAFETY: the function only compares the address, and `bases` has room for its results.
    unsafe { !_Unwind_Find_FDE(address as *const u8, &mut bases).is_null() }
}

fn rounds() -> usize {
    std::env::var("URUK_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20_000)
}

fn mappings() -> usize {
    read_to_string("/proc/self/maps").expect("this is Linux").lines().count()
}

/// KiB of memory that are the process's own.
fn resident() -> usize {
    let status = read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("it is there");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn everything_ends_where_it_began() {
    const WARM_UP: usize = 2000;
    let source = "
        extern int puts(const char *);
        static int counter = 3;
        int room[64];
        const char *text(void) { return \"a text that nobody prints\"; }
        int next(int by) { room[by & 63] += by; return counter += by; }
        int f(int by) { if (by < 0) puts(text()); return next(by) - next(-by) + by; }";
    let object = compile("round.c", source, &["-O1", "-fno-common"]);
    assert!((1024..3072).contains(&object.len()), "{} bytes", object.len());
    let jit = Jit::new().unwrap();
    let main = jit.main();
    let round = || {
        let tracker = main.add_tracked(std::slice::from_ref(&object)).unwrap();
        // SAFETY: as declared, and not called after its removal.
        let address = unsafe {
            let f = main.function::<Number>("f").unwrap();
            assert_eq!(f(5), 10);
            f as usize
        };
        assert!(can_unwind(address));
        tracker.remove().wait();
        address
    };
    for _ in 0..WARM_UP {
        round();
    }
    let before = (jit.memory_statistics(), jit.session().population(), mappings());
    let resident_before = resident();
    let mut last = 0;
    for _ in 0..rounds() {
        last = round();
    }
    assert_eq!((jit.memory_statistics(), jit.session().population(), mappings()), before);
    assert_eq!(jit.memory_statistics().live, [0; 3]);
    assert!(!can_unwind(last));
    // Allocators keep a little more or less; a leak of 32 bytes a round is seen.
    let grown = resident().saturating_sub(resident_before);
    assert!(grown < 512, "{grown} KiB more than before");
}
