//! Lazy functions whose bodies are ready: defined, called first, and called again; and handles as users of a JIT get them.

use std::hint::black_box;

use uruk::Jit;
use uruk_jitlink::names::Name;
use uruk_orc::session::Request;
use uruk_orc::unit::Definition;

use crate::{report, symbol};

const FUNCTIONS: usize = 10_000;
const CALLS: usize = 1_000_000;

type Body = extern "C" fn(usize) -> usize;

extern "C" fn body(number: usize) -> usize {
    number ^ 1
}

/// A JIT whose dylib "bodies" has the functions, and their names.
struct Program {
    jit: Jit,
    names: Vec<Name>,
}

pub fn measure() {
    let defined = |program: &Program| {
        black_box(program.define_lazy());
    };
    report("lazy function defined and looked up", FUNCTIONS, Program::new, defined);
    let called = |(_program, stubs): &(Program, Vec<Body>)| {
        for stub in stubs {
            black_box(stub(black_box(1)));
        }
    };
    report("first call of a lazy function", FUNCTIONS, with_stubs, called);
    let stubs = || {
        let stubs = with_stubs();
        stubs.1[0](0);
        stubs
    };
    report("later call of a lazy function", CALLS, stubs, |(_program, stubs)| {
        for number in 0..CALLS {
            black_box(stubs[0](black_box(number)));
        }
    });
}

impl Program {
    fn new() -> Program {
        let jit = Jit::new().expect("nothing fails");
        let bodies = jit.create_dylib("bodies").expect("the name is free").id();
        let intern = |number| jit.session().names().intern(symbol(number).as_bytes());
        let names: Vec<Name> = (0..FUNCTIONS).map(intern).collect();
        let address = body as *const () as usize as u64;
        let definitions: Vec<_> = names.iter().map(|name| (Definition::function(*name), address)).collect();
        jit.session().define_addresses(bodies, None, &definitions).expect("no name is defined");
        Program { jit, names }
    }

    /// The addresses of lazy functions for all of them.
    fn define_lazy(&self) -> Vec<Option<u64>> {
        let session = self.jit.session();
        let bodies = session.dylib("bodies").expect("it has been made");
        let main = self.jit.main().id();
        let functions: Vec<_> = self.names.iter().map(|name| (Definition::function(*name), *name)).collect();
        session.define_lazy_reexports(main, None, bodies, &functions).expect("no name is defined");
        session.start(&Request::new(&session.search_order(main), &self.names)).wait().expect("all are defined")
    }
}

fn with_stubs() -> (Program, Vec<Body>) {
    let program = Program::new();
    let addresses = program.define_lazy().into_iter().flatten();
    // SAFETY: the stubs lead to `body`, which is such a function, and stay as long as the JIT beside them.
    let stubs = addresses.map(|address| unsafe { std::mem::transmute::<usize, Body>(address as usize) }).collect();
    (program, stubs)
}

pub fn handles() {
    const COUNT: usize = 100_000;
    let jit = Jit::new().expect("nothing fails");
    let dylib = jit.main();
    dylib.define("body", body as *const () as usize as u64);
    report(
        "address by string, as a user of the JIT gets it",
        COUNT,
        || (),
        |_| {
            for _ in 0..COUNT {
                black_box(dylib.address("body").expect("it is defined"));
            }
        },
    );
    report(
        "handle by string, as a user of the JIT gets it",
        COUNT,
        || (),
        |_| {
            for _ in 0..COUNT {
                // SAFETY: it is such a function, and is not called.
                black_box(unsafe { dylib.handle::<Body>("body") }.expect("it is defined"));
            }
        },
    );
}
