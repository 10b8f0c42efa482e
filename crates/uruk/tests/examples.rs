//! The examples run.

#[cfg(feature = "cranelift")]
#[path = "../examples/cranelift.rs"]
mod cranelift;
#[cfg(feature = "cranelift")]
#[path = "../examples/cranelift_module.rs"]
mod cranelift_module;

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
