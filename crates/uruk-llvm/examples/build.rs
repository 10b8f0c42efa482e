//! A function built with inkwell, optimised, compiled when it is looked up, and called.

use std::error::Error;
use uruk::Jit;
use uruk_llvm::{Options, ThreadSafeModule};

/// Builds, adds and calls.
pub fn main() -> Result<(), Box<dyn Error>> {
    let module = ThreadSafeModule::new("sum");
    module.with(|ir| {
        let context = ir.get_context();
        let number = context.i64_type();
        let function = ir.add_function("add", number.fn_type(&[number.into(), number.into()], false), None);
        let builder = context.create_builder();
        builder.position_at_end(context.append_basic_block(function, "entry"));
        let parameter = |index| function.get_nth_param(index).expect("it has two").into_int_value();
        let sum = builder.build_int_add(parameter(0), parameter(1), "sum")?;
        builder.build_return(Some(&sum)).map(|_| ())
    })?;

    let options = Options::optimized('2').ok_or("there is no such level")?;
    let jit = Jit::builder().llvm_options(options).build()?;
    jit.main().add_ir_module(module)?;
    // SAFETY: this is the type that the function was built with.
    let add = unsafe { jit.main().handle::<extern "C" fn(i64, i64) -> i64>("add")? };
    assert_eq!(add(40, 2), 42);
    println!("40 + 2 = {}", add(40, 2));
    Ok(())
}
