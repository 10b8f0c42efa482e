//! Panics and C++ exceptions go through compiled frames, and handlers in these run.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use uruk::Jit;

type Call = extern "C-unwind" fn(i64) -> i64;

thread_local! {
    static CLEANED: Cell<u32> = const { Cell::new(0) };
}

extern "C-unwind" fn refuses(n: i64) -> i64 {
    if n < 0 { panic!("{n} is negative") } else { n }
}

extern "C-unwind" fn cleaned() {
    CLEANED.set(CLEANED.get() + 1);
}

#[test]
fn a_handler_runs_and_the_panic_goes_on() {
    const TEXT: &str = "
        function %guarded(i64) -> i64 system_v {
            sig0 = (i64) -> i64 system_v
            fn0 = %refuses(i64) -> i64 system_v
            fn1 = %cleaned() system_v
            fn2 = %_Unwind_Resume(i64) system_v
        block0(v0: i64):
            try_call fn0(v0), sig0, block1(ret0), [ default: block2(exn0) ]
        block1(v1: i64):
            v4 = iconst.i64 1
            v2 = iadd v1, v4
            return v2
        block2(v3: i64):
            call fn1()
            call fn2(v3)
            trap user1
        }
        function %outer(i64) -> i64 system_v {
            fn0 = %guarded(i64) -> i64 system_v
        block0(v0: i64):
            v1 = call fn0(v0)
            v2 = call fn0(v1)
            return v2
        }
    ";
    let jit = Jit::new().unwrap();
    jit.main().define_function("refuses", refuses as Call);
    jit.main().define_function("cleaned", cleaned as extern "C-unwind" fn());
    jit.main().add_clif("guarded.clif", TEXT).unwrap();
    // SAFETY: as the text declares it.
    let outer = unsafe { jit.main().function::<Call>("outer") }.unwrap();
    assert_eq!((outer(5), CLEANED.get()), (7, 0));
    for count in 1..4 {
        let panic = catch_unwind(AssertUnwindSafe(|| outer(-3))).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), "-3 is negative");
        assert_eq!(CLEANED.get(), count);
    }
}

#[test]
fn saved_registers_are_restored() {
    // More values live across the call than registers that it may use.
    let mut text = String::from("function %busy(i64) -> i64 {\n    fn0 = %refuses(i64) -> i64\nblock0(v0: i64):\n");
    for number in 1..12 {
        text += &format!("    v{0} = iconst.i64 {1}\n    v{number} = imul v0, v{0}\n", 40 + number, 2 * number + 1);
    }
    text += "    v20 = call fn0(v0)\n";
    for number in 1..12 {
        text += &format!("    v{} = iadd v{}, v{number}\n", 20 + number, 19 + number);
    }
    text += "    return v31\n}\n";
    let jit = Jit::new().unwrap();
    jit.main().define_function("refuses", refuses as Call);
    jit.main().add_clif("busy.clif", &text).unwrap();
    // SAFETY: as the text declares it.
    let busy = unsafe { jit.main().function::<Call>("busy") }.unwrap();
    let expected: i64 = 1 + (1..12).map(|number| 2 * number + 1).sum::<i64>();
    let mut kept = [1i64, 2, 3, 4, 5, 6, 7, 8];
    for round in 0..3 {
        std::hint::black_box(&mut kept);
        let [a, b, c, d, e, f, g, h] = kept;
        assert!(catch_unwind(|| busy(-1)).is_err());
        assert_eq!([a, b, c, d, e, f, g, h], [1, 2, 3, 4, 5, 6, 7, 8], "round {round}");
        assert_eq!(busy(1), expected);
    }
}
