//! `fork` while other threads add, link, look up and remove: the child and the parent both go on.

#[expect(dead_code, reason = "nothing is said here")]
#[path = "support/child.rs"]
mod child;
mod support;

use child::{alone, exit, fork};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use support::compile;
use uruk::{Definition, Input, Jit, MaterializationUnit, Name, Responsibility};
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::memory::Lane;
use uruk_orc::DylibId;
use uruk_orc::dispatch::Priority;
use uruk_orc::generator::{AsyncGenerator, DefinitionGenerator, Wanted};
use uruk_orc::session::{Request, Session, Suspended};

type Number = extern "C" fn(i32) -> i32;

/// A function of another name for each round; it registers something for its end and has a thread-local variable.
fn object(round: usize) -> Input {
    let source = format!(
        "#include <stdlib.h>\n\
         static __thread int calls; static int ends; static void end(void) {{ ends++; }}\n\
         int f{round}(int x) {{ static int registered; if (!registered++) atexit(end); return x + ++calls + {round}; }}"
    );
    compile(&format!("round{round}.c"), &source, &["-O1", "-fPIC"])
}

/// What a process does that has forked or was forked: it links a new object, and calls a lazy function first.
fn go_on(jit: &Jit, object: &Input, round: usize) -> i32 {
    let main = jit.main();
    main.add_objects(std::slice::from_ref(object)).unwrap();
    // SAFETY: as declared.
    let function = unsafe { main.function::<Number>(&format!("f{round}")).unwrap() };
    let stubs = jit.create_dylib("stubs").unwrap();
    let bodies = jit.create_dylib("bodies").unwrap();
    bodies.add_objects(&[body()]).unwrap();
    stubs.lazy_reexport(&bodies, &["lazy"]).unwrap();
    // SAFETY: as declared.
    let lazy = unsafe { stubs.function::<Number>("lazy").unwrap() };
    function(0) - round as i32 - 1 + lazy(20)
}

fn body() -> Input {
    thread_local! {
        static BODY: Input = compile("body.c", "int lazy(int x) { return x * 2; }", &["-O1"]);
    }
    BODY.with(Input::clone)
}

#[test]
fn both_processes_go_on_while_other_threads_link() {
    const FORKS: usize = 60;
    let objects: Vec<Input> = (0..4).map(object).collect();
    alone("both_processes_go_on_while_other_threads_link", || {
        let jit = Jit::builder().compile_threads(2).build().unwrap();
        body();
        let shared = jit.create_dylib("shared").unwrap();
        shared.add_objects(&objects[3..]).unwrap();
        let (done, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            for (number, object) in objects[..2].iter().enumerate() {
                let (jit, done, rounds) = (&jit, &done, &rounds);
                scope.spawn(move || {
                    let dylib = jit.create_dylib(&format!("thread {number}")).unwrap();
                    let tracker = dylib.add_tracked(&[]).unwrap();
                    while !done.load(Ordering::Relaxed) {
                        tracker.add_objects(&dylib, std::slice::from_ref(object)).unwrap();
                        // SAFETY: as declared; it is not called after its removal.
                        let function = unsafe { dylib.function::<Number>(&format!("f{number}")).unwrap() };
                        assert!(number < function(1) as usize);
                        tracker.remove().wait();
                        rounds.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let status = (0..FORKS).map(|_| fork(|| go_on(&jit, &objects[2], 2))).find(|status| *status != 40);
            let number = go_on(&jit, &objects[2], 2);
            done.store(true, Ordering::Relaxed);
            assert_eq!((status, number), (None, 40));
        });
        assert_ne!(rounds.load(Ordering::Relaxed), 0);
        drop(jit);
        exit()
    });
}

/// Where a thread says that it has come, and waits for the other side.
struct Stop {
    come: mpsc::Sender<()>,
    goes_on: Arc<Barrier>,
}

impl Stop {
    fn new() -> (Stop, OtherSide) {
        let (come, wait_come) = mpsc::channel();
        let goes_on = Arc::new(Barrier::new(2));
        (Stop { come, goes_on: goes_on.clone() }, OtherSide { come: wait_come, goes_on })
    }

    fn stop(self) {
        self.come.send(()).unwrap();
        self.goes_on.wait();
    }
}

struct OtherSide {
    come: mpsc::Receiver<()>,
    goes_on: Arc<Barrier>,
}

impl OtherSide {
    fn wait_come(&self) {
        self.come.recv().unwrap();
    }

    fn let_go_on(&self) {
        self.goes_on.wait();
    }
}

/// A function that is made when the other side says so.
struct Slow {
    name: Name,
    stop: Stop,
}

/// A JIT with one thread that compiles, and with such a function, `slow`.
fn slow_jit() -> (Jit, OtherSide) {
    let jit = Jit::builder().compile_threads(1).build().unwrap();
    let (stop, other_side) = Stop::new();
    let name = jit.session().names().intern(b"slow");
    jit.main().define_unit(Box::new(Slow { name, stop })).unwrap();
    (jit, other_side)
}

impl MaterializationUnit for Slow {
    fn name(&self) -> String {
        "slow".into()
    }

    fn definitions(&self) -> Vec<Definition> {
        vec![Definition::function(self.name)]
    }

    fn materialize(self: Box<Self>, responsibility: Responsibility) {
        self.stop.stop();
        // lea (%rdi, %rdi, 2), %eax; ret
        let triple = responsibility.write(Lane::Code, &[0x8d, 0x04, 0x7f, 0xc3], 16).unwrap();
        responsibility.resolve(&[(self.name, triple)]).unwrap();
        responsibility.emit(&[]).unwrap();
    }
}

extern "C" fn triple(number: i32) -> i32 {
    number * 3
}

#[test]
fn what_another_thread_was_making_fails_in_the_child() {
    let user = compile("user.c", "int slow(int); int user(int x) { return slow(x) + 1; }", &["-O1"]);
    let other = compile("other.c", "int other(int x) { return x + 4; }", &["-O1"]);
    alone("what_another_thread_was_making_fails_in_the_child", || {
        let (jit, other_side) = slow_jit();
        let main = jit.main();
        main.add_member(&user).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| jit.main().find("user"));
            // The pool's only thread is busy, and another one waits for it.
            other_side.wait_come();
            let status = fork(|| {
                for name in ["slow", "user"] {
                    let error = main.find(name).unwrap_err().to_string();
                    assert!(error.contains("was under way in another thread when the process forked"), "{error}");
                }
                // Everything else is had as ever.
                main.add_objects(&[other]).unwrap();
                // SAFETY: as declared.
                let other = unsafe { main.function::<Number>("other").unwrap() };
                other(1)
            });
            other_side.let_go_on();
            assert_eq!(status, 5);
            // SAFETY: as declared.
            let user: Number = unsafe { std::mem::transmute(waiting.join().unwrap().unwrap() as *const ()) };
            assert_eq!(user(2), 7);
        });
        exit()
    });
}

#[test]
fn what_nobody_had_begun_is_done_by_the_child() {
    let late = compile("late.c", "int late(int x) { return x + 9; }", &["-O1"]);
    alone("what_nobody_had_begun_is_done_by_the_child", || {
        let (jit, other_side) = slow_jit();
        let main = jit.main();
        main.add_member(&late).unwrap();
        let session = jit.session();
        let order = session.search_order(main.id());
        let request = |name: &str| Request::new(&order, &[session.names().intern(name.as_bytes())]);
        let slow = session.start(&request("slow"));
        other_side.wait_come();
        // Waits in the pool's queue.
        let late = session.start(&request("late"));
        let (told, wait_told) = mpsc::channel();
        session.start_with(&request("slow"), move |answer| told.send(answer.is_err()).unwrap());
        let status = fork(|| {
            // SAFETY: as declared.
            let late = unsafe { main.function::<Number>("late").unwrap() };
            assert!(wait_told.recv().unwrap(), "nobody works for this look-up");
            late(1)
        });
        other_side.let_go_on();
        assert_eq!(status, 10);
        assert!(slow.wait().is_ok() && late.wait().is_ok());
        assert!(!wait_told.recv().unwrap());
        exit()
    });
}

/// Supplies what is missing; the first time when the other side says so.
struct Supplier {
    stop: Mutex<Option<Stop>>,
}

impl DefinitionGenerator for Supplier {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), uruk_orc::error::Error> {
        let stop = self.stop.lock().unwrap().take();
        if let Some(stop) = stop {
            stop.stop();
        }
        let address = triple as Number as usize as u64;
        let supplied: Vec<_> = wanted.required().map(|name| (name, address, SymbolKind::Function)).collect();
        session.define_absolute(dylib, &supplied);
        Ok(())
    }

    fn name(&self) -> String {
        "supplier".into()
    }
}

#[test]
fn what_another_thread_was_reading_is_linked_by_the_child() {
    let user = compile("user.c", "int supplied(int); int user(int x) { return supplied(x) + 1; }", &["-O1"]);
    alone("what_another_thread_was_reading_is_linked_by_the_child", || {
        let jit = Jit::new().unwrap();
        let main = jit.main();
        let (stop, other_side) = Stop::new();
        jit.session().add_generator(main.id(), Arc::new(Supplier { stop: Mutex::new(Some(stop)) }));
        main.add_objects(&[user]).unwrap();
        let user = || {
            // SAFETY: as declared.
            let user = unsafe { jit.main().function::<Number>("user").unwrap() };
            user(3)
        };
        thread::scope(|scope| {
            let other = scope.spawn(user);
            other_side.wait_come();
            let status = fork(user);
            other_side.let_go_on();
            assert_eq!((status, other.join().unwrap()), (10, 10));
        });
        exit()
    });
}

/// Leaves every look-up to somebody else.
struct Later(Mutex<mpsc::Sender<Suspended>>);

impl AsyncGenerator for Later {
    fn generate(&self, suspended: Suspended) {
        self.0.lock().unwrap().send(suspended).unwrap();
    }

    fn name(&self) -> String {
        "later".into()
    }
}

#[test]
fn a_child_runs_tasks_itself_and_ends_look_ups_that_nobody_attends() {
    alone("a_child_runs_tasks_itself_and_ends_look_ups_that_nobody_attends", || {
        let jit = Jit::builder().compile_threads(1).build().unwrap();
        let (main, session) = (jit.main(), jit.session());
        let (sender, suspended) = mpsc::channel();
        session.add_async_generator(main.id(), Arc::new(Later(Mutex::new(sender))));
        let request = Request::new(&session.search_order(main.id()), &[session.names().intern(b"absent")]);
        let (told, wait_told) = mpsc::channel();
        session.start_with(&request, move |answer| told.send(answer.unwrap_err().to_string()).unwrap());
        let suspended = suspended.recv().unwrap();
        let (ran, wait_ran) = mpsc::channel();
        let run = || {
            let ran = ran.clone();
            session.spawn(Priority::Normal, move |_| ran.send(thread::current().id()).unwrap());
        };
        run();
        assert_ne!(wait_ran.recv().unwrap(), thread::current().id(), "the pool has a thread");
        // That thread is done with the channel, too.
        session.wait_until_idle();
        let status = fork(|| {
            run();
            assert_eq!(wait_ran.try_recv().ok(), Some(thread::current().id()));
            assert!(wait_told.try_recv().unwrap().contains("was under way in another thread"));
            7
        });
        assert_eq!(status, 7);
        drop(suspended);
        assert!(wait_told.recv().unwrap().contains("given up"));
        exit()
    });
}

#[test]
fn large_links_work_in_a_child() {
    // Large enough to be worth other threads.
    let large: Vec<Input> = (0..2)
        .map(|number| {
            let source =
                format!("char big{number}[2 << 20] = {{1}}; int large{number}(int x) {{ return x + big{number}[0]; }}");
            compile(&format!("large{number}.c"), &source, &["-O1"])
        })
        .collect();
    alone("large_links_work_in_a_child", || {
        let jit = Jit::builder().threads(2).build().unwrap();
        let first = jit.create_dylib("first").unwrap();
        first.add_objects(&large).unwrap();
        first.initialize().unwrap();
        let status = fork(|| {
            let main = jit.main();
            main.add_objects(&large).unwrap();
            // SAFETY: as declared.
            let function = unsafe { main.function::<Number>("large1").unwrap() };
            let sum = function(1);
            drop(jit);
            sum
        });
        assert_eq!(status, 2);
        exit()
    });
}
