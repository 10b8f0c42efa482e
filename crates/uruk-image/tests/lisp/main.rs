//! A Scheme system: its runtime in C, functions of its prelude compiled by Cranelift, and the world that these have built, which goes on
//! as a program of its own. That answers what is typed as the system would have done in memory.

mod compiler;
mod scheme;
#[path = "../support/mod.rs"]
mod support;
mod world;

use scheme::Scheme;
use support::HERE;
use uruk::Jit;
use uruk_image::Mappings;
use uruk_image::memory::ThisProcess;

#[test]
fn it_goes_on_as_a_program() {
    let jit = Jit::builder().retain_graphs(true).build().unwrap();
    let scheme = Scheme::start(HERE, jit);
    scheme.check(&ThisProcess::open().unwrap(), &Mappings::of_this_process().unwrap());
}
