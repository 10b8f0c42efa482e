//! Moving from `cranelift-jit`: the code stays as it is but for the `use` line, and functions can be freed and changed.
//!
//! `cargo run --example cranelift_module`

use uruk::uruk_cranelift::codegen::ir::{AbiParam, InstBuilder, types};
use uruk::uruk_cranelift::cranelift_module::{FuncId, Linkage, Module, default_libcall_names};
use uruk::uruk_cranelift::frontend::{FunctionBuilder, FunctionBuilderContext};
// use cranelift_jit::{JITBuilder, JITModule};
use uruk::uruk_cranelift::{JITBuilder, JITModule};

/// Defines `id(n) = n + number`.
fn define(module: &mut JITModule, id: FuncId, number: i64) {
    let mut context = module.make_context();
    context.func.signature.params.push(AbiParam::new(types::I64));
    context.func.signature.returns.push(AbiParam::new(types::I64));
    let mut tables = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut context.func, &mut tables);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    builder.seal_all_blocks();
    let argument = builder.block_params(block)[0];
    let sum = builder.ins().iadd_imm_s(argument, number);
    builder.ins().return_(&[sum]);
    builder.finalize(module.target_config());
    module.define_function(id, &mut context).expect("it compiles");
    module.finalize_definitions().expect("nothing is missing");
}

/// Runs the example.
pub fn main() {
    let mut builder = JITBuilder::new(default_libcall_names()).expect("Cranelift compiles for this machine");
    builder.hotswap(true);
    let mut module = JITModule::new(builder);
    let mut signature = module.make_signature();
    signature.params.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::I64));
    let add = module.declare_function("add", Linkage::Export, &signature).expect("the name is free");
    define(&mut module, add, 1);
    // SAFETY: this is how the function is built; it is not called once it has been freed.
    let function: extern "C" fn(i64) -> i64 = unsafe { std::mem::transmute(module.get_finalized_function(add)) };
    println!("add(41) = {}", function(41));
    assert_eq!(function(41), 42);

    module.prepare_for_function_redefine(add).expect("it is finalized, and functions are called through stubs");
    define(&mut module, add, 100);
    println!("add(41) = {} after it was defined again", function(41));
    assert_eq!(function(41), 141);

    module.free_function(add);
    // SAFETY: nothing of the module is used any more.
    unsafe { module.free_memory() };
}
