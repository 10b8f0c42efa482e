//! The examples run.
#![allow(clippy::duplicate_mod, reason = "each example is complete in itself")]

#[cfg(feature = "cranelift")]
#[path = "../examples/cranelift.rs"]
mod cranelift;
#[cfg(feature = "cranelift")]
#[path = "../examples/cranelift_module.rs"]
mod cranelift_module;

#[cfg(feature = "cranelift")]
#[path = "../examples/engine.rs"]
mod engine;

#[cfg(feature = "cranelift")]
#[test]
fn engine_runs() {
    engine::main();
}

#[cfg(feature = "cranelift")]
#[test]
fn cranelift_runs() {
    cranelift::main();
}

#[cfg(feature = "cranelift")]
#[test]
fn cranelift_module_runs() {
    cranelift_module::main();
}

#[path = "../examples/cache.rs"]
mod cache;
#[path = "../examples/custom_compiler.rs"]
mod custom_compiler;
#[path = "../examples/on_demand.rs"]
mod on_demand;
#[path = "../examples/redirect.rs"]
mod redirect;
#[path = "../examples/reoptimize.rs"]
mod reoptimize;

#[test]
fn cache_runs() {
    cache::main();
}

#[test]
fn custom_compiler_runs() {
    custom_compiler::main();
}

#[test]
fn on_demand_runs() {
    on_demand::main();
}

#[test]
fn redirect_runs() {
    redirect::main();
}

#[test]
fn reoptimize_runs() {
    reoptimize::main();
}
