//! What compiling costs, in one way, printed as milliseconds: `compile WAY COUNT [THREADS]`.
//!
//! Functions of a loop, some arithmetic and two calls each are built first; the time is that from their definition to
//! the return of the first call. A fresh process for each figure keeps them apart; `cargo xtask bench compile` runs
//! them in turn.

use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{self, AbiParam, InstBuilder, types};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{FuncId, Linkage, Module, default_libcall_names};
use std::sync::Arc;
use std::time::Instant;
use uruk::Jit;
use uruk::cache::Directory;
use uruk::uruk_cranelift::codegen as cranelift_codegen;
use uruk::uruk_cranelift::cranelift_module;
use uruk::uruk_cranelift::frontend as cranelift_frontend;
use uruk::uruk_cranelift::{Function, Names, OptLevel, Options, UrukBuilder, UrukModule};

/// Declares and builds `count` functions; each calls two of those before it.
fn functions(module: &mut impl Module, count: usize) -> Vec<(FuncId, ir::Function)> {
    let mut signature = module.make_signature();
    signature.params.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::I64));
    let mut tables = FunctionBuilderContext::new();
    let mut made: Vec<(FuncId, ir::Function)> = Vec::with_capacity(count);
    for number in 0..count {
        let id = module.declare_function(&format!("function_{number}"), Linkage::Export, &signature).unwrap();
        let mut function = ir::Function::new();
        function.signature = signature.clone();
        let callees = if number < 2 { Vec::new() } else { vec![made[number - 1].0, made[number / 2].0] };
        body(module, &mut function, &mut tables, &callees, number as i64);
        made.push((id, function));
    }
    made
}

/// A loop over `n % 8` with arithmetic; each round's outcome decides whether one of the callees is called with 0.
fn body(
    module: &mut impl Module,
    function: &mut ir::Function,
    tables: &mut FunctionBuilderContext,
    callees: &[FuncId],
    number: i64,
) {
    let mut builder = FunctionBuilder::new(function, tables);
    let [entry, head, round, exit] = [(); 4].map(|()| builder.create_block());
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    let argument = builder.block_params(entry)[0];
    let rounds = builder.ins().band_imm_s(argument, 7);
    let [index, sum] = [(); 2].map(|()| builder.append_block_param(head, types::I64));
    let zero = builder.ins().iconst(types::I64, 0);
    builder.ins().jump(head, &[zero.into(), argument.into()]);
    builder.switch_to_block(head);
    let more = builder.ins().icmp(IntCC::SignedLessThan, index, rounds);
    builder.ins().brif(more, round, &[], exit, &[]);
    builder.switch_to_block(round);
    let mut value = sum;
    for step in 1..6 {
        let product = builder.ins().imul_imm_s(value, number + step);
        let shifted = builder.ins().ushr_imm_u(product, step);
        let mixed = builder.ins().bxor(shifted, argument);
        value = builder.ins().iadd(mixed, index);
    }
    let next = builder.ins().iadd_imm_s(index, 1);
    builder.ins().jump(head, &[next.into(), value.into()]);
    builder.switch_to_block(exit);
    let mut total = sum;
    for callee in callees {
        let [call, after] = [(); 2].map(|()| builder.create_block());
        let result = builder.append_block_param(after, types::I64);
        let wanted = builder.ins().icmp_imm_s(IntCC::Equal, total, -1 - number);
        builder.ins().brif(wanted, call, &[], after, &[total.into()]);
        builder.switch_to_block(call);
        let callee = module.declare_func_in_func(*callee, builder.func);
        let called = builder.ins().call(callee, &[zero]);
        let called = builder.inst_results(called)[0];
        builder.ins().jump(after, &[called.into()]);
        builder.switch_to_block(after);
        total = builder.ins().iadd(result, argument);
    }
    builder.ins().return_(&[total]);
    builder.seal_all_blocks();
    builder.finalize(module.target_config());
}

fn call(address: *const u8) -> i64 {
    // SAFETY: all functions here are of this type, and their modules are kept.
    let function: extern "C" fn(i64) -> i64 = unsafe { std::mem::transmute(address) };
    function(5)
}

/// Defines them one after the other and calls the last.
fn define<M: Module>(module: &mut M, functions: Vec<(FuncId, ir::Function)>) -> FuncId {
    let mut context = module.make_context();
    let last = functions.last().expect("there is one").0;
    for (id, function) in functions {
        context.func = function;
        module.define_function(id, &mut context).unwrap();
        module.clear_context(&mut context);
    }
    last
}

/// How many of the lazy functions are called.
const CALLED: usize = 10;

/// What `cranelift-jit` compiles with.
fn options() -> Options {
    Options { opt_level: OptLevel::None, ..Options::default() }
}

/// The same functions for a JIT, which knows them by their names.
fn named(count: usize) -> Vec<Function> {
    let mut module = UrukModule::new(UrukBuilder::new(default_libcall_names()).unwrap());
    let names: Names = Arc::new(|_, index| format!("function_{index}"));
    let functions = functions(&mut module, count).into_iter().enumerate();
    functions
        .map(|(number, (_, body))| Function::new(names(0, number as u32), body).with_names(names.clone()))
        .collect()
}

fn address(jit: &Jit, number: usize) -> *const u8 {
    std::ptr::with_exposed_provenance(jit.main().address(&format!("function_{number}")).unwrap() as usize)
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let count = arguments.get(1).map_or(1000, |count| count.parse().expect("a number of functions"));
    let threads = arguments.get(2).map(|threads| threads.parse().expect("a number of threads"));
    let way = arguments.first().map_or("module", String::as_str);
    let (milliseconds, result) = match way {
        "cranelift-jit" => {
            let builder = cranelift_jit::JITBuilder::new(default_libcall_names()).unwrap();
            let mut module = cranelift_jit::JITModule::new(builder);
            let functions = functions(&mut module, count);
            timed(|| {
                let last = define(&mut module, functions);
                module.finalize_definitions().unwrap();
                call(module.get_finalized_function(last))
            })
        }
        "module" => {
            let mut module = UrukModule::new(UrukBuilder::new(default_libcall_names()).unwrap());
            let functions = functions(&mut module, count);
            timed(|| {
                let last = define(&mut module, functions);
                module.finalize_definitions().unwrap();
                call(module.get_finalized_function(last))
            })
        }
        "deferred" => {
            let mut builder = UrukBuilder::new(default_libcall_names()).unwrap();
            threads.map(|threads| builder.threads(threads));
            let mut module = UrukModule::new(builder);
            let functions = functions(&mut module, count);
            timed(|| {
                let last = functions.last().expect("there is one").0;
                for (id, function) in functions {
                    module.define_function_later(id, function).unwrap();
                }
                module.finalize_definitions().unwrap();
                call(module.get_finalized_function(last))
            })
        }
        "functions" => {
            let mut builder = Jit::builder().cranelift_options(options());
            if let Some(threads) = threads {
                builder = builder.compile_threads(threads);
            }
            let jit = builder.build().unwrap();
            let functions = named(count);
            timed(|| {
                jit.main().add_functions(functions).unwrap();
                call(address(&jit, count - 1))
            })
        }
        "warm" => {
            let folder = tempfile::tempdir().unwrap();
            // The code of each is some hundreds of bytes.
            let cached = || {
                let cache = Arc::new(Directory::new(folder.path(), 1 << 30));
                Jit::builder().cranelift_options(options()).cache(cache).build().unwrap()
            };
            let functions = named(count);
            let cold = cached();
            cold.main().add_functions(functions.clone()).unwrap();
            address(&cold, count - 1);
            drop(cold);
            let jit = cached();
            timed(|| {
                jit.main().add_functions(functions).unwrap();
                call(address(&jit, count - 1))
            })
        }
        "lazy" => {
            let jit = Jit::builder().cranelift_options(options()).build_lazy().unwrap();
            let functions = named(count);
            timed(|| {
                jit.main().add_functions(functions).unwrap();
                (0..CALLED)
                    .map(|number| call(address(&jit, count - 1 - number * (count / CALLED))))
                    .fold(0, i64::wrapping_add)
            })
        }
        _ => panic!("there is no way `{way}`"),
    };
    println!("{milliseconds:.3}\t{result}");
}

fn timed(run: impl FnOnce() -> i64) -> (f64, i64) {
    let start = Instant::now();
    let result = run();
    (start.elapsed().as_secs_f64() * 1e3, result)
}
