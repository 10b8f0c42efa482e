//! The examples run.

#[path = "../examples/build.rs"]
mod build;
#[path = "../examples/lazy.rs"]
mod lazy;
#[path = "../examples/tier_up.rs"]
mod tier_up;

#[test]
fn a_module_is_built_and_called() {
    build::main().unwrap();
}

#[test]
fn functions_are_compiled_when_they_are_called() {
    lazy::main().unwrap();
}

#[test]
fn a_kernel_gets_faster_while_it_is_used() {
    tier_up::main().unwrap();
}
