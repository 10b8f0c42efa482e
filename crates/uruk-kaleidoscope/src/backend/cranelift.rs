//! Trees to Cranelift's intermediate representation.

use super::Backend;
use crate::ast::{Expression, Function, Loop, Operator};
use crate::error::Error;
use std::collections::HashMap;
use std::sync::Arc;
use uruk::orc::TrackerId;
use uruk::{CompileLayer, Jit};
use uruk_cranelift::Options;
use uruk_cranelift::codegen::ir::condcodes::FloatCC;
use uruk_cranelift::codegen::ir::{
    self, AbiParam, ExtFuncData, ExternalName, FuncRef, InstBuilder, Signature, Value, types,
};
use uruk_cranelift::codegen::isa::{CallConv, TargetFrontendConfig};
use uruk_cranelift::frontend::{FunctionBuilder, FunctionBuilderContext, Variable};

// ANCHOR: add
/// Compiles with Cranelift.
pub struct Cranelift {
    layer: Arc<CompileLayer<uruk_cranelift::Cranelift>>,
}

impl Cranelift {
    /// For this machine.
    pub fn new() -> Result<Cranelift, Error> {
        let compiler = uruk_cranelift::Cranelift::new(&Options::default()).map_err(Error::compile)?;
        Ok(Cranelift { layer: Arc::new(CompileLayer::new(compiler)) })
    }
}

impl Backend for Cranelift {
    fn add(&self, jit: &Jit, tracker: TrackerId, function: &Function, symbol: &str) -> Result<(), Error> {
        let translated = translate(function, self.layer.compiler().isa().frontend_config());
        let translated = uruk_cranelift::Function::new(symbol, translated);
        let added = jit.session().add(&self.layer, jit.main().id(), Some(tracker), translated);
        Ok(added.map_err(uruk::Error::from)?)
    }
}
// ANCHOR_END: add

// ANCHOR: function
/// A function of the language, which calls others by their names.
fn translate(function: &Function, target: TargetFrontendConfig) -> ir::Function {
    let convention = target.default_call_conv;
    let mut translated = ir::Function::new();
    translated.signature = signature(function.parameters, convention);
    let mut context = FunctionBuilderContext::new();
    let mut builder = FunctionBuilder::new(&mut translated, &mut context);
    let variables: Vec<Variable> = (0..function.variables).map(|_| builder.declare_var(types::F64)).collect();
    let entry = builder.create_block();
    builder.append_block_params_for_function_params(entry);
    builder.switch_to_block(entry);
    builder.seal_block(entry);
    for (number, variable) in variables.iter().take(function.parameters).enumerate() {
        let value = builder.block_params(entry)[number];
        builder.def_var(*variable, value);
    }
    let mut body = Body { builder, variables, functions: HashMap::new(), convention };
    let result = body.value(&function.body);
    body.builder.ins().return_(&[result]);
    body.builder.finalize(target);
    translated
}
// ANCHOR_END: function

/// All functions take doubles and return one.
fn signature(parameters: usize, convention: CallConv) -> Signature {
    let mut signature = Signature::new(convention);
    signature.params = vec![AbiParam::new(types::F64); parameters];
    signature.returns = vec![AbiParam::new(types::F64)];
    signature
}

/// A function under construction.
struct Body<'a> {
    builder: FunctionBuilder<'a>,
    variables: Vec<Variable>,
    /// Those that are called.
    functions: HashMap<String, FuncRef>,
    convention: CallConv,
}

// ANCHOR: value
impl Body<'_> {
    /// Appends what computes an expression; returns its value.
    fn value(&mut self, expression: &Expression) -> Value {
        match expression {
            Expression::Number(value) => self.builder.ins().f64const(*value),
            Expression::Get(variable) => self.builder.use_var(self.variables[variable.0]),
            Expression::Set(variable, value) => {
                let value = self.value(value);
                self.builder.def_var(self.variables[variable.0], value);
                value
            }
            Expression::Binary(operator, operands) => {
                let [left, right] = [0, 1].map(|side| self.value(&operands[side]));
                self.operation(*operator, left, right)
            }
            Expression::Call(name, arguments) => {
                let arguments: Vec<Value> = arguments.iter().map(|argument| self.value(argument)).collect();
                let function = self.function(name, arguments.len());
                let call = self.builder.ins().call(function, &arguments);
                self.builder.inst_results(call)[0]
            }
            Expression::If(parts) => self.choice(parts),
            Expression::For(parts) => self.repetition(parts),
            Expression::Let(variables, body) => {
                for (variable, value) in variables {
                    let value = self.value(value);
                    self.builder.def_var(self.variables[variable.0], value);
                }
                self.value(body)
            }
        }
    }
    // ANCHOR_END: value

    fn operation(&mut self, operator: Operator, left: Value, right: Value) -> Value {
        match operator {
            Operator::Add => self.builder.ins().fadd(left, right),
            Operator::Subtract => self.builder.ins().fsub(left, right),
            Operator::Multiply => self.builder.ins().fmul(left, right),
            Operator::Divide => self.builder.ins().fdiv(left, right),
            Operator::Less => {
                let less = self.builder.ins().fcmp(FloatCC::LessThan, left, right);
                self.builder.ins().fcvt_from_uint(types::F64, less)
            }
        }
    }

    fn function(&mut self, name: &str, parameters: usize) -> FuncRef {
        if let Some(function) = self.functions.get(name) {
            return *function;
        }
        let signature = self.builder.import_signature(signature(parameters, self.convention));
        let external =
            ExtFuncData { name: ExternalName::testcase(name), signature, colocated: false, patchable: false };
        let function = self.builder.import_function(external);
        self.functions.insert(name.to_owned(), function);
        function
    }

    // ANCHOR: choice
    fn choice(&mut self, [condition, yes, no]: &[Expression; 3]) -> Value {
        let [then, otherwise, after] = [(); 3].map(|()| self.builder.create_block());
        let result = self.builder.append_block_param(after, types::F64);
        let condition = self.truth(condition);
        self.builder.ins().brif(condition, then, &[], otherwise, &[]);
        for (block, expression) in [(then, yes), (otherwise, no)] {
            self.builder.switch_to_block(block);
            self.builder.seal_block(block);
            let value = self.value(expression);
            self.builder.ins().jump(after, &[value.into()]);
        }
        self.builder.switch_to_block(after);
        self.builder.seal_block(after);
        result
    }
    // ANCHOR_END: choice

    fn repetition(&mut self, parts: &Loop) -> Value {
        let variable = self.variables[parts.variable.0];
        let [body, after] = [(); 2].map(|()| self.builder.create_block());
        let start = self.value(&parts.start);
        self.builder.def_var(variable, start);
        self.builder.ins().jump(body, &[]);
        self.builder.switch_to_block(body);
        self.value(&parts.body);
        let goes_on = self.truth(&parts.condition);
        let step = self.value(&parts.step);
        let current = self.builder.use_var(variable);
        let next = self.builder.ins().fadd(current, step);
        self.builder.def_var(variable, next);
        self.builder.ins().brif(goes_on, body, &[], after, &[]);
        self.builder.seal_block(body);
        self.builder.switch_to_block(after);
        self.builder.seal_block(after);
        self.builder.ins().f64const(0.0)
    }

    /// Whether an expression is not 0; what is no number is not.
    fn truth(&mut self, expression: &Expression) -> Value {
        let value = self.value(expression);
        let zero = self.builder.ins().f64const(0.0);
        self.builder.ins().fcmp(FloatCC::NotEqual, value, zero)
    }
}
