//! First calls that coincide, nest or fail.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::thread;

use super::super::StubId;
use super::*;

#[test]
fn threads_whose_first_calls_coincide_ask_at_once() {
    const THREADS: usize = 8;
    // The resolver waits until all of them are in it, so no lock keeps one out.
    let together = Barrier::new(THREADS);
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let pool = pool(&memory(), move |_| {
        together.wait();
        count.fetch_add(1, SeqCst);
        Some(address(one))
    });
    let stub = pool.make(1).unwrap()[0];
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| assert_eq!((call(stub.address), call(stub.address)), (1, 1)));
        }
    });
    assert_eq!(asked.load(SeqCst), THREADS as u64);
}

#[test]
fn a_resolver_may_call_lazy_stubs_and_use_the_pool() {
    let inner: Arc<OnceLock<(Arc<StubPool>, Vec<Stub>)>> = Arc::default();
    let seen = Arc::clone(&inner);
    let pool = Arc::new(pool(&memory(), move |stub| {
        let (pool, stubs) = seen.get().unwrap();
        let at = stubs.iter().position(|known| known.id == stub).unwrap();
        // A chain of first calls, each in the resolver of the one before.
        let Some(next) = stubs.get(at + 1) else { return Some(address(two)) };
        assert_eq!(call(next.address), 2);
        let extra = pool.make(1).unwrap()[0];
        pool.redirect(&[(extra.id, address(one))]).unwrap();
        assert_eq!(call(extra.address), 1);
        pool.free(&[extra.id]).unwrap();
        Some(address(two))
    }));
    let stubs = pool.make(20).unwrap();
    inner.set((Arc::clone(&pool), stubs.clone())).ok().unwrap();
    assert_eq!(call(stubs[0].address), 2);
    let ids: Vec<StubId> = stubs.iter().map(|stub| stub.id).collect();
    assert_eq!(pool.targets(&ids).unwrap(), [Some(address(two)); 20]);
}

#[test]
fn a_failed_first_call_goes_to_the_handler_and_the_next_one_asks_again() {
    let answers = Arc::new(AtomicU64::new(0));
    let round = Arc::clone(&answers);
    let pool = pool(&memory(), move |_| match round.fetch_add(1, SeqCst) {
        0 => None,
        // Without the message of an ordinary panic.
        1 => resume_unwind(Box::new("a resolver's panic")),
        _ => Some(address(one)),
    });
    let stub = pool.make(1).unwrap()[0];
    assert_eq!([(); 4].map(|()| call(stub.address)), [404, 404, 1, 1]);
    assert_eq!(answers.load(SeqCst), 3);
}

#[test]
fn without_a_handler_a_failed_call_says_so_and_aborts() {
    let test = "stubs::tests::first_calls::without_a_handler_a_failed_call_says_so_and_aborts";
    if crate::testing::in_child() {
        let pool = pool_failing_to(&memory(), None, |_| None);
        call(pool.make(1).unwrap()[0].address);
        return;
    }
    let output = crate::testing::run_in_child(test, &[]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("called a function that could not be made ready or was removed"), "{text}");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(libc::SIGABRT));
}

/// A pool of one stub and what its resolver does to it before it answers with `one`.
fn with_meddling_resolver(meddle: fn(&StubPool, StubId)) -> (Arc<InProcessMemory>, Arc<StubPool>, Stub) {
    let memory = memory();
    let own: Arc<OnceLock<Arc<StubPool>>> = Arc::default();
    let seen = Arc::clone(&own);
    let pool = Arc::new(pool(&memory, move |stub| {
        meddle(seen.get().unwrap(), stub);
        Some(address(one))
    }));
    own.set(Arc::clone(&pool)).ok().unwrap();
    let stub = pool.make(1).unwrap()[0];
    (memory, pool, stub)
}

#[test]
fn a_redirection_outlasts_an_answer_that_comes_later() {
    let (_, pool, stub) = with_meddling_resolver(|pool, stub| pool.redirect(&[(stub, address(two))]).unwrap());
    assert_eq!(call(stub.address), 2, "the latest is the one to call");
    assert_eq!(pool.targets(&[stub.id]).unwrap(), [Some(address(two))]);
}

#[test]
fn a_call_outlives_its_stub() {
    let (memory, pool, stub) = with_meddling_resolver(|pool, stub| pool.free(&[stub]).unwrap());
    assert_eq!(call(stub.address), 1);
    assert_eq!(memory.statistics().live, [0; 3]);
    assert!(pool.targets(&[stub.id]).is_err());
}

#[test]
fn an_answer_for_a_freed_stub_leaves_its_successor_alone() {
    static SUCCESSOR: OnceLock<Stub> = OnceLock::new();
    let (_, pool, stub) = with_meddling_resolver(|pool, stub| {
        pool.free(&[stub]).unwrap();
        SUCCESSOR.set(pool.make(1).unwrap()[0]).unwrap();
    });
    // Keeps the memory.
    pool.make(1).unwrap();
    assert_eq!(call(stub.address), 1);
    let successor = SUCCESSOR.get().unwrap();
    assert_eq!(successor.address, stub.address);
    assert_ne!(successor.id, stub.id);
    assert_eq!(pool.targets(&[successor.id]).unwrap(), [None], "it still is lazy");
}

#[test]
fn a_pool_may_go_while_a_call_waits() {
    let memory = memory();
    let (entered, wait_entered) = mpsc::channel();
    let (go, wait_go) = mpsc::channel::<()>();
    let (entered, wait_go) = (std::sync::Mutex::new(entered), std::sync::Mutex::new(wait_go));
    let pool = pool(&memory, move |_| {
        entered.lock().unwrap().send(()).unwrap();
        wait_go.lock().unwrap().recv().unwrap();
        Some(address(one))
    });
    let stub = pool.make(1).unwrap()[0];
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(call(stub.address), 1);
            done.store(true, SeqCst);
        });
        wait_entered.recv().unwrap();
        drop(pool);
        go.send(()).unwrap();
    });
    assert!(done.load(SeqCst));
    assert_eq!(memory.statistics().live, [0; 3]);
}

#[test]
fn a_signal_handler_makes_a_first_call_on_its_own_stack() {
    static STUB: AtomicU64 = AtomicU64::new(0);
    static ANSWER: AtomicU64 = AtomicU64::new(0);
    static RESOLVED_AT: AtomicU64 = AtomicU64::new(0);
    extern "C" fn handler(_signal: libc::c_int) {
        ANSWER.store(call(STUB.load(SeqCst)), SeqCst);
    }
    let pool = pool(&memory(), |_| {
        let here = 0u8;
        RESOLVED_AT.store((&raw const here).addr() as u64, SeqCst);
        Some(address(one))
    });
    STUB.store(pool.make(1).unwrap()[0].address, SeqCst);
    let mut bytes = vec![0u8; 64 << 10];
    let stack = libc::stack_t { ss_sp: bytes.as_mut_ptr().cast(), ss_flags: 0, ss_size: bytes.len() };
    // SAFETY: the stack outlives its use, a signal action is plain data, and the handler has the type of one. Both are
    // put back.
    unsafe {
        let (mut old_stack, mut old): (libc::stack_t, libc::sigaction) = std::mem::zeroed();
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_ONSTACK;
        assert_eq!(libc::sigaltstack(&stack, &mut old_stack), 0);
        assert_eq!(libc::sigaction(libc::SIGUSR2, &action, &mut old), 0);
        libc::raise(libc::SIGUSR2);
        libc::sigaction(libc::SIGUSR2, &old, std::ptr::null_mut());
        libc::sigaltstack(&old_stack, std::ptr::null_mut());
    }
    assert_eq!(ANSWER.load(SeqCst), 1);
    let range = bytes.as_ptr_range();
    assert!((range.start.addr()..range.end.addr()).contains(&(RESOLVED_AT.load(SeqCst) as usize)));
}
