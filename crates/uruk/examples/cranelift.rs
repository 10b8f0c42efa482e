//! A JIT in ten lines: a function built with Cranelift's front end is compiled when it is first asked for.
//!
//! `cargo run --example cranelift`

use uruk::Jit;
use uruk::uruk_cranelift::Function;
use uruk::uruk_cranelift::codegen::ir::{self, AbiParam, ExternalName, InstBuilder, Signature, UserFuncName, types};
use uruk::uruk_cranelift::codegen::isa::CallConv;
use uruk::uruk_cranelift::frontend::{FunctionBuilder, FunctionBuilderContext};
use uruk::uruk_cranelift::{Options, codegen};

/// `hypotenuse(a, b) = sqrt(square(a) + square(b))`, where `square` is whatever the dylib has under that name.
fn hypotenuse(target: &dyn codegen::isa::TargetIsa) -> Function {
    let unary = Signature {
        params: vec![AbiParam::new(types::F64)],
        returns: vec![AbiParam::new(types::F64)],
        call_conv: CallConv::SystemV,
    };
    let binary = Signature { params: vec![AbiParam::new(types::F64); 2], ..unary.clone() };
    let mut body = ir::Function::with_name_signature(UserFuncName::default(), binary);
    let mut tables = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut body, &mut tables);
    let signature = builder.import_signature(unary);
    let name = ExternalName::testcase("square");
    let square = ir::ExtFuncData { name, signature, colocated: true, patchable: false };
    let square = builder.import_function(square);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    builder.seal_all_blocks();
    let squares = [0, 1].map(|number| {
        let side = builder.block_params(block)[number];
        let call = builder.ins().call(square, &[side]);
        builder.inst_results(call)[0]
    });
    let sum = builder.ins().fadd(squares[0], squares[1]);
    let root = builder.ins().sqrt(sum);
    builder.ins().return_(&[root]);
    builder.finalize(target.frontend_config());
    Function::new("hypotenuse", body)
}

/// `square`, as text.
const SQUARE: &str = "
function %square(f64) -> f64 {
block0(v0: f64):
    v1 = fmul v0, v0
    return v1
}
";

/// Runs the example.
pub fn main() {
    let target = Options::default().isa().expect("Cranelift compiles for this machine");
    let jit = Jit::new().expect("there is room for a JIT");
    jit.main().add_clif("square.clif", SQUARE).expect("the text is CLIF");
    jit.main().add_functions([hypotenuse(&*target)]).expect("the name is free");
    // SAFETY: this is how the function above is built.
    let hypotenuse = unsafe { jit.main().function::<extern "C" fn(f64, f64) -> f64>("hypotenuse") };
    let hypotenuse = hypotenuse.expect("it compiles, and `square` is there");
    println!("hypotenuse(3, 4) = {}", hypotenuse(3.0, 4.0));
    assert_eq!(hypotenuse(3.0, 4.0), 5.0);
}
