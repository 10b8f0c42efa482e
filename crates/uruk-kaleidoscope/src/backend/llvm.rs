//! Trees to LLVM's intermediate representation, as text.

use super::Backend;
use crate::ast::{Expression, Function, Loop, Operator};
use crate::error::Error;
use std::collections::BTreeMap;
use std::fmt::Write;
use uruk::Jit;
use uruk::orc::TrackerId;
use uruk_llvm_loader::{Compiler, Plugin};

/// Compiles with LLVM, which is loaded for that.
pub struct Llvm {
    compiler: Compiler,
}

impl Llvm {
    /// For this machine, with the passes of `-O2`.
    pub fn new() -> Result<Llvm, Error> {
        let compiler = Plugin::find().and_then(|plugin| Compiler::new(plugin, Some('2'), None));
        Ok(Llvm { compiler: compiler.map_err(Error::compile)? })
    }
}

impl Backend for Llvm {
    fn add(&self, jit: &Jit, tracker: TrackerId, function: &Function, symbol: &str) -> Result<(), Error> {
        let unit = self.compiler.open(symbol, translate(function, symbol).as_bytes());
        let object = unit.and_then(|unit| self.compiler.compile(unit)).map_err(Error::compile)?;
        Ok(jit.session().add_objects(jit.main().id(), Some(tracker), &[object]).map_err(uruk::Error::from)?)
    }
}

/// A module with a function of the language, under the name `symbol`, which calls others by theirs.
pub fn translate(function: &Function, symbol: &str) -> String {
    let mut body = Body::default();
    // Variables live in memory; LLVM's own pass makes registers of them.
    for number in 0..function.variables {
        body.line(&format!("%v{number} = alloca double"));
    }
    for number in 0..function.parameters {
        body.line(&format!("store double %p{number}, ptr %v{number}"));
    }
    let result = body.value(&function.body);
    body.line(&format!("ret double {result}"));
    let parameters: Vec<String> = (0..function.parameters).map(|number| format!("double %p{number}")).collect();
    let mut module =
        format!("define double {}({}) {{\nentry:\n{}}}\n", global(symbol), parameters.join(", "), body.text);
    for (name, parameters) in &body.functions {
        let _ = writeln!(module, "declare double {}({})", global(name), vec!["double"; *parameters].join(", "));
    }
    module
}

/// A name as LLVM's text has it: operators have signs that it knows in quotation marks only.
fn global(name: &str) -> String {
    let mut quoted = String::from("@\"");
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => quoted.push(byte.into()),
            other => quoted += &format!("\\{other:02X}"),
        }
    }
    quoted + "\""
}

/// A function under construction.
#[derive(Default)]
struct Body {
    text: String,
    /// Values and blocks so far, for their names.
    made: usize,
    /// The block that is being written; the first one if it has no name.
    block: Option<String>,
    /// Those that are called, with the number of their parameters.
    functions: BTreeMap<String, usize>,
}

impl Body {
    /// Appends what computes an expression; returns its value.
    fn value(&mut self, expression: &Expression) -> String {
        match expression {
            // Its bits, so that nothing is rounded.
            Expression::Number(value) => format!("0x{:016X}", value.to_bits()),
            Expression::Get(variable) => self.define(&format!("load double, ptr %v{}", variable.0)),
            Expression::Set(variable, value) => {
                let value = self.value(value);
                self.line(&format!("store double {value}, ptr %v{}", variable.0));
                value
            }
            Expression::Binary(operator, operands) => {
                let [left, right] = [0, 1].map(|side| self.value(&operands[side]));
                self.operation(*operator, &left, &right)
            }
            Expression::Call(name, arguments) => {
                self.functions.insert(name.clone(), arguments.len());
                let arguments: Vec<_> = arguments.iter().map(|part| format!("double {}", self.value(part))).collect();
                // A program may define a `cos` of its own, of which LLVM is not to believe that it knows it.
                self.define(&format!("call double {}({}) nobuiltin", global(name), arguments.join(", ")))
            }
            Expression::If(parts) => self.choice(parts),
            Expression::For(parts) => self.repetition(parts),
            Expression::Let(variables, body) => {
                for (variable, value) in variables {
                    let value = self.value(value);
                    self.line(&format!("store double {value}, ptr %v{}", variable.0));
                }
                self.value(body)
            }
        }
    }

    fn operation(&mut self, operator: Operator, left: &str, right: &str) -> String {
        let instruction = match operator {
            Operator::Add => "fadd",
            Operator::Subtract => "fsub",
            Operator::Multiply => "fmul",
            Operator::Divide => "fdiv",
            Operator::Less => {
                let less = self.define(&format!("fcmp olt double {left}, {right}"));
                return self.define(&format!("uitofp i1 {less} to double"));
            }
        };
        self.define(&format!("{instruction} double {left}, {right}"))
    }

    fn choice(&mut self, [condition, yes, no]: &[Expression; 3]) -> String {
        let [then, otherwise, after] = [(); 3].map(|()| self.name("b"));
        let condition = self.truth(condition);
        self.line(&format!("br i1 {condition}, label %{then}, label %{otherwise}"));
        let [yes, no] = [(then, yes), (otherwise, no)].map(|(block, expression)| {
            self.begin(block);
            let value = self.value(expression);
            self.line(&format!("br label %{after}"));
            // Not the one that was begun, if the expression has blocks of its own.
            let end = self.block.clone().expect("one was begun");
            format!("[{value}, %{end}]")
        });
        self.begin(after);
        self.define(&format!("phi double {yes}, {no}"))
    }

    fn repetition(&mut self, parts: &Loop) -> String {
        let variable = format!("ptr %v{}", parts.variable.0);
        let [body, after] = [(); 2].map(|()| self.name("b"));
        let start = self.value(&parts.start);
        self.line(&format!("store double {start}, {variable}"));
        self.line(&format!("br label %{body}"));
        self.begin(body.clone());
        self.value(&parts.body);
        let goes_on = self.truth(&parts.condition);
        let step = self.value(&parts.step);
        let current = self.define(&format!("load double, {variable}"));
        let next = self.define(&format!("fadd double {current}, {step}"));
        self.line(&format!("store double {next}, {variable}"));
        self.line(&format!("br i1 {goes_on}, label %{body}, label %{after}"));
        self.begin(after);
        "0.0".to_owned()
    }

    /// Whether an expression is not 0; what is no number is not.
    fn truth(&mut self, expression: &Expression) -> String {
        let value = self.value(expression);
        self.define(&format!("fcmp une double {value}, 0.0"))
    }

    fn line(&mut self, instruction: &str) {
        let _ = writeln!(self.text, "  {instruction}");
    }

    /// Gives the result of an instruction a name.
    fn define(&mut self, instruction: &str) -> String {
        let name = format!("%{}", self.name("t"));
        self.line(&format!("{name} = {instruction}"));
        name
    }

    fn begin(&mut self, block: String) {
        let _ = writeln!(self.text, "{block}:");
        self.block = Some(block);
    }

    fn name(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}{}", self.made)
    }
}
