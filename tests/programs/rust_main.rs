//! `HashMap`, thread-locals with destructors, threads, channels and a caught panic whose backtrace names its functions.
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;

struct Loud(&'static str);
impl Drop for Loud {
    fn drop(&mut self) {
        println!("dropped {}", self.0);
    }
}
thread_local! {
    static COUNT: Cell<u32> = const { Cell::new(7) };
    static HELD: RefCell<Option<Loud>> = RefCell::new(Some(Loud("thread-local")));
}
static NAMES: OnceLock<Vec<String>> = OnceLock::new();

#[inline(never)]
fn deepest_function(depth: u32) -> u32 {
    if depth == 0 {
        let trace = Backtrace::force_capture().to_string();
        let named = ["deepest_function", "catching_function"].map(|name| trace.contains(name));
        panic!("at the bottom, named {named:?}");
    }
    std::hint::black_box(deepest_function(depth - 1)) + 1
}

#[inline(never)]
fn catching_function() -> String {
    let result = panic::catch_unwind(|| {
        let _guard = Loud("guard");
        deepest_function(3)
    });
    *result.expect_err("it panics").downcast::<String>().expect("a formatted message")
}

fn main() {
    panic::set_hook(Box::new(|_| {}));
    let mut words: HashMap<&str, usize> = HashMap::new();
    for word in "to be or not to be".split(' ') {
        *words.entry(word).or_default() += 1;
    }
    let mut sorted: Vec<_> = words.into_iter().collect();
    sorted.sort();
    println!("{sorted:?}");

    println!("caught: {}", catching_function());

    let total = Arc::new(Mutex::new(0u64));
    let (sender, receiver) = mpsc::channel();
    let handles: Vec<_> = (0..4)
        .map(|i| {
            let (sender, total) = (sender.clone(), total.clone());
            thread::spawn(move || {
                COUNT.with(|count| count.set(count.get() + i));
                *total.lock().unwrap() += COUNT.get() as u64;
                sender.send(COUNT.get()).unwrap();
            })
        })
        .collect();
    drop(sender);
    let mut received: Vec<u32> = receiver.iter().collect();
    received.sort();
    for handle in handles {
        handle.join().unwrap();
    }
    println!("received {received:?}, total {}, here {}", total.lock().unwrap(), COUNT.get());
    thread::spawn(|| HELD.with(|held| println!("held {}", held.borrow().as_ref().unwrap().0))).join().unwrap();
    println!("panic in a thread: {}", thread::spawn(|| panic!("no")).join().is_err());
    println!("{:?}", NAMES.get_or_init(|| std::env::args().skip(1).collect()));
    println!("{:.6} {}", 2f64.powf(0.5), u128::MAX / 3);
    std::process::exit(11);
}
