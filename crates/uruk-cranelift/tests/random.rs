//! Random functions give what Cranelift's interpreter gives for them, at every level of optimisation.

use cranelift_codegen::data_value::DataValue;
use cranelift_interpreter::environment::FunctionStore;
use cranelift_interpreter::interpreter::{Interpreter, InterpreterState};
use cranelift_interpreter::step::ControlFlow;
use std::fmt::Write;
use std::sync::Arc;
use uruk_cranelift::codegen as cranelift_codegen;
use uruk_cranelift::cranelift_module;
use uruk_cranelift::{Cranelift, Function, OptLevel, Options, UrukBuilder, UrukModule};
use uruk_orc::layer::CompileLayer;

/// A generator whose numbers are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const BINARY: &[&str] =
    &["iadd", "isub", "imul", "band", "bor", "bxor", "ishl", "ushr", "sshr", "rotl", "rotr", "umulhi", "smin", "umax"];
const UNARY: &[&str] = &["ineg", "bnot", "popcnt", "clz", "ctz", "bitrev", "bswap", "iabs"];
const CONDITIONS: &[&str] = &["eq", "ne", "slt", "sge", "ult", "ugt"];

/// A function of two numbers: `blocks` pieces of arithmetic, each of which decides where the next begins.
fn function(numbers: &mut Numbers, name: &str, callee: Option<&str>, blocks: usize) -> String {
    let mut text = format!("function %{name}(i64, i64) -> i64 system_v {{\n");
    if let Some(callee) = callee {
        let _ = writeln!(text, "    fn0 = colocated %{callee}(i64, i64) -> i64 system_v");
    }
    let mut value = 0;
    for block in 0..blocks {
        let [a, b] = [value, value + 1];
        let _ = writeln!(text, "block{block}(v{a}: i64, v{b}: i64):");
        let first = value;
        value += 2;
        for _ in 0..6 {
            let operands = [0; 3].map(|_| first + numbers.below(value - first));
            let [x, y, z] = operands;
            let line = match numbers.below(6) {
                0 => format!("iconst.i64 {}", numbers.below(1 << 40) as i64 - (1 << 39)),
                1 => format!("{} v{x}", numbers.one(UNARY)),
                2 => {
                    // Numbers of another type, which nothing else takes.
                    let narrow = 100_000 + value;
                    let _ = writeln!(text, "    v{narrow} = icmp {} v{x}, v{y}", numbers.one(CONDITIONS));
                    format!("select v{narrow}, v{y}, v{z}")
                }
                3 if callee.is_some() => format!("call fn0(v{x}, v{y})"),
                _ => format!("{} v{x}, v{y}", numbers.one(BINARY)),
            };
            let _ = writeln!(text, "    v{value} = {line}");
            value += 1;
        }
        let last = value - 1;
        if block + 1 == blocks {
            let _ = writeln!(text, "    return v{last}");
        } else {
            let [one, other] = [0; 2].map(|_| block + 1 + numbers.below(blocks - block - 1));
            let _ = writeln!(text, "    brif v{first}, block{one}(v{last}, v{first}), block{other}(v{first}, v{last})");
        }
    }
    text + "}\n"
}

#[test]
fn random_functions_give_what_the_interpreter_gives() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let mut text = String::new();
    const COUNT: usize = 60;
    for number in 0..COUNT {
        // No long chains: each call is one of several in each caller.
        let callee = (number % 3 != 0).then(|| format!("f{}", number - 1));
        let blocks = 1 + numbers.below(6);
        text += &function(&mut numbers, &format!("f{number}"), callee.as_deref(), blocks);
    }
    let arguments = [(0, 0), (1, -1), (i64::MAX, 12345), (i64::MIN, 63), (0x1234_5678_9abc_def0, -7)];
    let isa = Options::default().isa().unwrap();
    let functions = uruk_cranelift::read("random.clif", &text, &*isa).unwrap();
    let mut store = FunctionStore::default();
    for function in &functions {
        store.add(format!("%{}", function.name), &function.body);
    }
    let interpret = |function: &Function, (a, b): (i64, i64)| {
        let mut interpreter = Interpreter::new(InterpreterState::default().with_function_store(store.clone()));
        let result = interpreter.call_by_name(&format!("%{}", function.name), &[DataValue::I64(a), DataValue::I64(b)]);
        let ControlFlow::Return(values) = result.unwrap() else { panic!("{} does not return", function.name) };
        values.to_vec()
    };
    let expected: Vec<_> = functions.iter().map(|function| arguments.map(|pair| interpret(function, pair))).collect();
    for opt_level in [OptLevel::None, OptLevel::Speed, OptLevel::SpeedAndSize] {
        let compiler = Cranelift::new(&Options { opt_level, ..Options::default() }).unwrap();
        let layer = Arc::new(CompileLayer::new(compiler));
        let module = UrukModule::new(UrukBuilder::new(cranelift_module::default_libcall_names()).unwrap());
        let (session, dylib) = (module.session(), module.dylib());
        for function in &functions {
            session.add(&layer, dylib, None, function.clone()).unwrap();
        }
        for (function, expected) in functions.iter().zip(&expected) {
            let address = session.lookup(&session.search_order(dylib), &[&function.name]).unwrap()[0];
            // SAFETY: all of them are declared so.
            let compiled: extern "C" fn(i64, i64) -> i64 = unsafe { std::mem::transmute(address as *const ()) };
            for ((a, b), expected) in arguments.into_iter().zip(expected) {
                let found = vec![DataValue::I64(compiled(a, b))];
                assert_eq!(&found, expected, "{}({a}, {b}) at {opt_level:?}\n{}", function.name, function.body);
            }
        }
    }
}
