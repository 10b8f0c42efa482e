//! Functions that are compiled by their first calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use uruk::{Builder, Jit, LazyJit};

type Call = extern "C-unwind" fn(i64) -> i64;

/// `broken` cannot be had, and nobody needs it but `f` with a negative number.
const TEXT: &str = "
function %f(i64) -> i64 {
    fn0 = %g(i64) -> i64
    fn1 = %broken(i64) -> i64
block0(v0: i64):
    v1 = iconst.i64 0
    v2 = icmp slt v0, v1
    brif v2, block1, block2
block1:
    v3 = call fn1(v0)
    return v3
block2:
    v4 = call fn0(v0)
    return v4
}
function %g(i64) -> i64 {
block0(v0: i64):
    v1 = imul v0, v0
    return v1
}
function %broken(i64) -> i64 {
    fn0 = %surely_missing(i64) -> i64
block0(v0: i64):
    v1 = call fn0(v0)
    return v1
}
";

extern "C-unwind" fn refuse() {
    panic!("there is no such function");
}

#[test]
fn only_what_is_called_is_compiled() {
    let eager = Jit::new().unwrap();
    eager.main().add_clif("lazy.clif", TEXT).unwrap();
    assert!(eager.main().find("f").unwrap_err().to_string().contains("surely_missing"));
    for threads in [None, Some(2)] {
        let mut builder = LazyJit::builder().lazy_failure(refuse as extern "C-unwind" fn() as usize as u64);
        if let Some(threads) = threads {
            builder = builder.compile_threads(threads);
        }
        let jit = builder.build_lazy().unwrap();
        jit.main().add_clif("lazy.clif", TEXT).unwrap();
        // SAFETY: as the text declares it.
        let f = unsafe { jit.main().function::<Call>("f") }.unwrap();
        assert_eq!((f(3), f(4)), (9, 16));
        let panic = catch_unwind(AssertUnwindSafe(|| f(-1))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"there is no such function"));
        assert_eq!(f(5), 25, "the rest goes on");
    }
}

/// `fib` calls itself through its name.
const FIB: &str = "
function %fib(i64) -> i64 {
    fn0 = %fib(i64) -> i64
block0(v0: i64):
    v1 = iconst.i64 2
    v2 = icmp slt v0, v1
    brif v2, block1, block2
block1:
    return v0
block2:
    v3 = isub v0, v1
    v4 = iconst.i64 -1
    v5 = iadd v0, v4
    v6 = call fn0(v3)
    v7 = call fn0(v5)
    v8 = iadd v6, v7
    return v8
}
";

#[test]
fn lazy_and_eager_on_one_thread_and_many_agree() {
    let check = |jit: &Jit| {
        jit.main().add_clif("fib.clif", FIB).unwrap();
        // SAFETY: as the text declares it.
        let fib = unsafe { jit.main().function::<Call>("fib") }.unwrap();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(move || fib(20))).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 6765));
    };
    for threads in [None, Some(1), Some(3)] {
        let builder = || match threads {
            None => Builder::default(),
            Some(threads) => Builder::default().compile_threads(threads),
        };
        check(&builder().build().unwrap());
        check(&builder().build_lazy().unwrap());
    }
}
