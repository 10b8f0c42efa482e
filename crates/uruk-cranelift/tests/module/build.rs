//! Functions for the tests, built as clients of `cranelift-module` build them.

use cranelift_codegen::ir::{AbiParam, InstBuilder, Signature, types};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId, Linkage, Module};
use uruk_cranelift::codegen as cranelift_codegen;
use uruk_cranelift::cranelift_module;
use uruk_cranelift::frontend as cranelift_frontend;

/// `i64` to `i64`.
pub fn signature(module: &impl Module) -> Signature {
    let mut signature = module.make_signature();
    signature.params.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

/// Declares `name(n) = callee(n) + number`, or `n + number`.
pub fn declare(module: &mut impl Module, name: &str, linkage: Linkage) -> FuncId {
    let signature = signature(module);
    module.declare_function(name, linkage, &signature).unwrap()
}

/// Defines it.
pub fn define(module: &mut impl Module, id: FuncId, callee: Option<FuncId>, number: i64) {
    let mut context = module.make_context();
    context.func.signature = signature(module);
    body(module, &mut context.func, callee, number);
    module.define_function(id, &mut context).unwrap();
}

/// Writes its body.
pub fn body(
    module: &mut impl Module,
    function: &mut cranelift_codegen::ir::Function,
    callee: Option<FuncId>,
    number: i64,
) {
    let mut tables = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(function, &mut tables);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    builder.seal_all_blocks();
    let mut value = builder.block_params(block)[0];
    if let Some(callee) = callee {
        let callee = module.declare_func_in_func(callee, builder.func);
        let call = builder.ins().call(callee, &[value]);
        value = builder.inst_results(call)[0];
    }
    let sum = builder.ins().iadd_imm_s(value, number);
    builder.ins().return_(&[sum]);
    builder.finalize(module.target_config());
}

/// A pointer to one of these functions.
pub type Unary = extern "C-unwind" fn(i64) -> i64;

/// Calls a function that has been finalized.
pub fn call(address: *const u8, argument: i64) -> i64 {
    // SAFETY: the tests finalize functions of this type only, and keep them.
    let function: Unary = unsafe { std::mem::transmute(address) };
    function(argument)
}
