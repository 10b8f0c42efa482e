//! Stubs as a session has them: through its executor, beside code that it linked.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_jitlink::memory::Placement;
use uruk_orc::error::Error;
use uruk_orc::executor::{Executor, Resolver, StubId, StubSetup};

/// What a session would do: it knows what each stub is to lead to, and counts how often it is asked.
#[derive(Default)]
struct Bodies {
    asked: AtomicU64,
}

thread_local! {
    /// The last function that was called.
    static CALLED: Cell<&'static str> = const { Cell::new("") };
}

extern "C" fn body() {
    CALLED.set("body");
}

extern "C" fn better() {
    CALLED.set("better");
}

extern "C" fn failed() {
    CALLED.set("failed");
}

fn address(function: extern "C" fn()) -> u64 {
    function as *const () as u64
}

/// Calls a function and says which it was.
fn call(executor: &dyn Executor, address: u64) -> &'static str {
    executor.run_initialisers(&[address]).unwrap();
    CALLED.take()
}

impl Resolver for Bodies {
    fn resolve(&self, _stub: StubId) -> Option<u64> {
        (self.asked.fetch_add(1, SeqCst) != 0).then(|| address(body))
    }
}

#[test]
fn an_executor_makes_redirects_and_frees_stubs() {
    for placement in [Placement::Near, Placement::Low] {
        let process = InProcess::new(Options::default());
        let executor: &dyn Executor = &process;
        let bodies = Arc::new(Bodies::default());
        let setup = StubSetup { resolver: Arc::clone(&bodies) as _, failure: Some(address(failed)), placement };
        let stubs = executor.stubs(setup).unwrap();
        let made = stubs.make(2).unwrap();
        assert_eq!(made[0].address < 1 << 31, placement == Placement::Low);
        assert_eq!([(); 3].map(|()| call(executor, made[0].address)), ["failed", "body", "body"]);
        stubs.redirect(&[(made[0].id, address(better)), (made[1].id, address(better))]).unwrap();
        assert_eq!([0, 1].map(|at: usize| call(executor, made[at].address)), ["better"; 2]);
        assert_eq!(bodies.asked.load(SeqCst), 2);
        stubs.free(&[made[0].id]).unwrap();
        let error = stubs.redirect(&[(made[1].id, address(body)), (made[0].id, address(body))]).unwrap_err();
        assert!(matches!(&error, Error::Executor { .. }), "{error}");
        assert!(error.to_string().starts_with("redirecting stubs: stub 0x"), "{error}");
        assert_eq!(call(executor, made[1].address), "better", "none was redirected");
        drop(stubs);
        assert_eq!(process.memory().statistics().live, [0; 3]);
    }
}
