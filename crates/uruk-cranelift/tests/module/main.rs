//! Modules: what was written for `cranelift-jit`, and what that cannot do.

mod build;
mod more;
mod same;
