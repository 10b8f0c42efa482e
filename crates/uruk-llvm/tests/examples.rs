//! The examples run.

#[expect(dead_code, reason = "an example's `main` is not called here")]
#[path = "../examples/build.rs"]
mod build;
#[expect(dead_code, reason = "an example's `main` is not called here")]
#[path = "../examples/lazy.rs"]
mod lazy;
#[expect(dead_code, reason = "an example's `main` is not called here")]
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
