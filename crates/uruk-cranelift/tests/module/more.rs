//! What `cranelift-jit` cannot do: free one function, change one, thread-local variables, panics through frames, errors.

use crate::build::{Unary, body, call, declare, define, signature};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, types};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{DataDescription, FuncId, Linkage, Module, default_libcall_names};
use std::panic::{AssertUnwindSafe, catch_unwind};
use uruk_cranelift::codegen as cranelift_codegen;
use uruk_cranelift::cranelift_module;
use uruk_cranelift::frontend as cranelift_frontend;
use uruk_cranelift::{UrukBuilder, UrukModule};

fn builder() -> UrukBuilder {
    UrukBuilder::new(default_libcall_names()).unwrap()
}

#[test]
fn functions_are_freed_one_by_one_and_defined_again() {
    let mut module = UrukModule::new(builder());
    let [f, g] = ["f", "g"].map(|name| declare(&mut module, name, Linkage::Export));
    define(&mut module, f, None, 1);
    define(&mut module, g, None, 2);
    module.finalize_definitions().unwrap();
    let live = |module: &UrukModule| module.session().population().units;
    let before = live(&module);
    module.free_function(f).unwrap().wait();
    assert!(live(&module) < before);
    assert_eq!(call(module.get_finalized_function(g), 0), 2);
    assert!(module.free_function(f).is_none(), "it is gone");
    define(&mut module, f, Some(g), 40);
    module.finalize_definitions().unwrap();
    assert_eq!(call(module.get_finalized_function(f), 0), 42);
}

#[test]
fn functions_are_changed_while_others_call_them() {
    let mut options = builder();
    options.hotswap(true);
    let mut module = UrukModule::new(options);
    let [f, caller] = ["f", "caller"].map(|name| declare(&mut module, name, Linkage::Export));
    define(&mut module, f, None, 1);
    define(&mut module, caller, Some(f), 100);
    module.finalize_definitions().unwrap();
    let (pointer, caller) = (module.get_finalized_function(f), module.get_finalized_function(caller));
    assert_eq!((call(pointer, 0), call(caller, 0)), (1, 101));
    for number in 2..5 {
        module.prepare_for_function_redefine(f).unwrap();
        define(&mut module, f, None, number);
        module.finalize_definitions().unwrap();
        assert_eq!((call(pointer, 0), call(caller, 0)), (number, 100 + number));
    }
    assert_eq!(module.get_finalized_function(f), pointer);
    let mut rigid = UrukModule::new(builder());
    let f = declare(&mut rigid, "f", Linkage::Export);
    let error = rigid.prepare_for_function_redefine(f).unwrap_err().to_string();
    assert!(error.contains("`f` cannot be defined again"), "{error}");
}

/// `counter()` adds its argument to a thread-local variable that starts at 40.
fn counter(module: &mut UrukModule) -> FuncId {
    let variable = module.declare_data("variable", Linkage::Local, true, true).unwrap();
    let mut data = DataDescription::new();
    data.define(40i64.to_le_bytes().into());
    module.define_data(variable, &data).unwrap();
    let id = declare(module, "counter", Linkage::Export);
    let mut context = module.make_context();
    context.func.signature = signature(module);
    let mut tables = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut context.func, &mut tables);
    let block = builder.create_block();
    builder.append_block_params_for_function_params(block);
    builder.switch_to_block(block);
    builder.seal_all_blocks();
    let argument = builder.block_params(block)[0];
    let variable = module.declare_data_in_func(variable, builder.func);
    let address = builder.ins().tls_value(types::I64, variable);
    let value = builder.ins().load(types::I64, MemFlagsData::trusted(), address, 0);
    let sum = builder.ins().iadd(value, argument);
    builder.ins().store(MemFlagsData::trusted(), sum, address, 0);
    builder.ins().return_(&[sum]);
    builder.finalize(module.target_config());
    module.define_function(id, &mut context).unwrap();
    id
}

#[test]
fn each_thread_has_its_own_thread_local_variables() {
    let mut module = UrukModule::new(builder());
    let counter = counter(&mut module);
    module.finalize_definitions().unwrap();
    let address = module.get_finalized_function(counter) as usize;
    let count = move |by: i64| call(address as *const u8, by);
    assert_eq!((count(1), count(1)), (41, 42));
    assert_eq!(std::thread::spawn(move || (count(10), count(10))).join().unwrap(), (50, 60));
    assert_eq!(count(0), 42);
}

extern "C-unwind" fn refuses(n: i64) -> i64 {
    if n < 0 { panic!("{n} is negative") } else { n }
}

#[test]
fn a_panic_goes_through_compiled_frames() {
    let mut options = builder();
    options.symbol("refuses", refuses as Unary as *const u8);
    let mut module = UrukModule::new(options);
    let refuses = declare(&mut module, "refuses", Linkage::Import);
    let mut callee = refuses;
    for depth in 0..10 {
        let caller = declare(&mut module, &format!("depth{depth}"), Linkage::Export);
        define(&mut module, caller, Some(callee), 1);
        callee = caller;
    }
    module.finalize_definitions().unwrap();
    let outer = module.get_finalized_function(callee);
    assert_eq!(call(outer, 1), 11);
    let panic = catch_unwind(AssertUnwindSafe(|| call(outer, -1))).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().unwrap(), "-1 is negative");
    assert_eq!(call(outer, 2), 12, "nothing is left behind");
}

#[test]
fn deferred_functions_are_compiled_on_threads() {
    let mut options = builder();
    options.threads(2);
    let mut module = UrukModule::new(options);
    let ids: Vec<FuncId> = (0..200).map(|i| declare(&mut module, &format!("f{i}"), Linkage::Export)).collect();
    for (index, id) in ids.iter().enumerate() {
        let mut function = module.make_context().func;
        function.signature = signature(&module);
        body(&mut module, &mut function, index.checked_sub(1).map(|callee| ids[callee]), 1);
        module.define_function_later(*id, function).unwrap();
    }
    module.finalize_definitions().unwrap();
    assert_eq!(call(module.get_finalized_function(ids[199]), 0), 200);
}

#[test]
fn what_is_missing_is_an_error_and_can_be_mended() {
    let mut module = UrukModule::new(builder());
    let missing = declare(&mut module, "surely_missing", Linkage::Import);
    let f = declare(&mut module, "f", Linkage::Export);
    define(&mut module, f, Some(missing), 1);
    let error = module.finalize_definitions().unwrap_err().to_string();
    assert!(error.contains("`surely_missing`") && error.contains("f(.text+"), "{error}");
    define(&mut module, f, None, 1);
    module.finalize_definitions().unwrap();
    assert_eq!(call(module.get_finalized_function(f), 1), 2);
    let data = module.declare_data("data", Linkage::Export, true, false).unwrap();
    let error = module.define_data(data, &DataDescription::new()).unwrap_err().to_string();
    assert!(error.contains("data `data` has no contents"), "{error}");
}

#[test]
fn local_names_of_modules_in_one_dylib_do_not_meet() {
    let first = UrukModule::new(builder());
    let (session, dylib) = (first.session().clone(), first.dylib());
    let mut results = Vec::new();
    for number in [1, 2] {
        let mut module = builder().build_in(&session, dylib);
        let local = declare(&mut module, "local", Linkage::Local);
        let caller = declare(&mut module, &format!("caller{number}"), Linkage::Export);
        define(&mut module, local, None, number);
        define(&mut module, caller, Some(local), 10);
        module.finalize_definitions().unwrap();
        results.push(call(module.get_finalized_function(caller), 0));
    }
    assert_eq!(results, [11, 12]);
    assert!(session.lookup(&session.search_order(dylib), &["local"]).is_err());
}
