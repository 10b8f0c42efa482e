//! Compiles the Scheme of the test to Cranelift's language.
//!
//! Every value that has to stay while others are computed is in a slot of the machine's stack: first the arguments, then variables
//! and temporaries, at offsets that are known here. A function gets itself, the number of its arguments, and where these are. It
//! captures values, not variables: what is assigned anywhere is a pair, whose first field has the value. Constants of a form are in
//! one vector, which all of its closures capture first.

use crate::forms::Form::{self, *};
use crate::forms::{find_assigned, find_symbols, name_of, symbol, text};
use std::collections::BTreeSet;
use std::fmt::Write;

const NIL: i64 = 2;
const FALSE: i64 = 10;
const TRUE: i64 = 18;
const NOTHING: i64 = 26;

/// A form that has been compiled.
pub struct Compiled {
    /// Its functions; the first runs it, and is `form_N`.
    pub clif: String,
    /// The list of its constants, to be read again.
    pub constants: String,
}

/// Compiles the form of this number.
pub fn compile(number: usize, form: &Form) -> Compiled {
    let mut unit = Unit { number, functions: Vec::new(), constants: Vec::new() };
    unit.function(&[], &[], std::slice::from_ref(form));
    Compiled { clif: unit.functions.concat(), constants: text(&List(unit.constants)) }
}

struct Unit {
    number: usize,
    functions: Vec<String>,
    constants: Vec<Form>,
}

#[derive(Clone, Copy)]
enum Location {
    Slot(usize),
    Captured(usize),
}

#[derive(Clone)]
struct Variable {
    name: String,
    location: Location,
    is_assigned: bool,
}

/// A named `let` whose name is called: where its variables begin, and its block.
#[derive(Clone)]
struct Loop {
    name: String,
    first: usize,
    assigned: Vec<bool>,
    block: usize,
}

struct Function<'a> {
    unit: &'a mut Unit,
    declared: Vec<String>,
    text: String,
    values: usize,
    blocks: usize,
    /// How many slots are in use.
    depth: usize,
    scope: Vec<Variable>,
    assigned: BTreeSet<String>,
}

/// A value of the function, `v0` and so on.
type Value = usize;

impl Unit {
    fn name(&self, function: usize) -> String {
        if function == 0 { format!("form_{}", self.number) } else { format!("form_{}_{function}", self.number) }
    }

    /// Compiles a function that captures these variables behind the constants, and returns its number.
    fn function(&mut self, captured: &[Variable], parameters: &[Form], body: &[Form]) -> usize {
        let number = self.functions.len();
        self.functions.push(String::new());
        let mut assigned = BTreeSet::new();
        body.iter().for_each(|form| find_assigned(form, &mut assigned));
        let captured = captured.iter().enumerate();
        let scope =
            captured.map(|(at, variable)| Variable { location: Location::Captured(at + 1), ..variable.clone() });
        let scope = scope.collect();
        let mut function = Function {
            unit: self,
            declared: vec!["gv0 = symbol %machine".into()],
            text: String::new(),
            values: 3,
            blocks: 1,
            depth: parameters.len(),
            scope,
            assigned,
        };
        for (slot, parameter) in parameters.iter().enumerate() {
            let value = function.value(&format!("load.i64 v2+{}", 8 * slot));
            function.bind(name_of(parameter), slot, value);
        }
        let result = function.all(body, &[]).expect("a function returns");
        let Function { declared, text, .. } = function;
        let name = self.name(number);
        self.functions[number] = format!(
            "function %{name}(i64, i64, i64) -> i64 system_v {{\n    {}\nblock0(v0: i64, v1: i64, v2: i64):\n{text}    return v{result}\n}}\n\n",
            declared.join("\n    ")
        );
        number
    }
}

impl Function<'_> {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "    {line}").expect("text takes whatever is written to it");
    }

    fn value(&mut self, computed: &str) -> Value {
        self.values += 1;
        let value = self.values - 1;
        self.line(&format!("v{value} = {computed}"));
        value
    }

    fn number(&mut self, number: i64) -> Value {
        self.value(&format!("iconst.i64 {number}"))
    }

    fn block(&mut self) -> usize {
        self.blocks += 1;
        self.blocks - 1
    }

    fn begin(&mut self, block: usize, parameter: Option<Value>) {
        let parameter = parameter.map_or(String::new(), |value| format!("(v{value}: i64)"));
        writeln!(self.text, "block{block}{parameter}:").expect("text takes whatever is written to it");
    }

    /// Declares what is called, once: a name with its signature.
    fn callee(&mut self, name: &str, signature: &str) -> usize {
        let is_it = |line: &String| line.contains(&format!("= %{name} "));
        self.declared.iter().position(is_it).unwrap_or_else(|| {
            let number = self.declared.len();
            self.declared.push(format!("sig{number} = {signature} system_v\n    fn{number} = %{name} sig{number}"));
            number
        })
    }

    /// Calls a function of the runtime.
    fn runtime(&mut self, name: &str, arguments: &[Value]) -> Value {
        let signature = format!("({}) -> i64", vec!["i64"; arguments.len()].join(", "));
        let callee = self.callee(name, &signature);
        let arguments: Vec<String> = arguments.iter().map(|value| format!("v{value}")).collect();
        self.value(&format!("call fn{callee}({})", arguments.join(", ")))
    }

    /// Tells the machine where its stack ends.
    fn set_depth(&mut self, depth: usize) {
        self.depth = depth;
        let machine = self.value("symbol_value.i64 gv0");
        let machine = self.value(&format!("load.i64 v{machine}"));
        let bytes = self.number(8 * depth as i64);
        let top = self.value(&format!("iadd v2, v{bytes}"));
        self.line(&format!("store v{top}, v{machine}"));
    }

    fn push(&mut self, value: Value) {
        self.line(&format!("store v{value}, v2+{}", 8 * self.depth));
        self.set_depth(self.depth + 1);
    }

    /// A pair of the two values that are on the top.
    fn cons(&mut self) -> Value {
        self.depth -= 2;
        self.runtime("scheme_cons", &[])
    }

    /// Names what a slot has, or is to have.
    fn bind(&mut self, name: &str, slot: usize, value: Value) {
        let is_assigned = self.assigned.contains(name);
        let value = if is_assigned { self.boxed(value) } else { value };
        self.line(&format!("store v{value}, v2+{}", 8 * slot));
        if slot == self.depth {
            self.set_depth(slot + 1);
        }
        self.scope.push(Variable { name: name.into(), location: Location::Slot(slot), is_assigned });
    }

    fn boxed(&mut self, value: Value) -> Value {
        self.push(value);
        let nil = self.number(NIL);
        self.push(nil);
        self.cons()
    }

    fn constant(&mut self, form: &Form) -> Value {
        let constants = &mut self.unit.constants;
        let known = constants.iter().position(|known| known == form);
        let number = known.unwrap_or_else(|| {
            constants.push(form.clone());
            constants.len() - 1
        });
        let vector = self.captured(0);
        self.value(&format!("load.i64 v{vector}+{}", 7 + 8 * number))
    }

    fn captured(&mut self, number: usize) -> Value {
        self.value(&format!("load.i64 v0+{}", 15 + 8 * number))
    }

    /// A variable as it is captured: perhaps a pair.
    fn whole(&mut self, location: Location) -> Value {
        match location {
            Location::Slot(slot) => self.value(&format!("load.i64 v2+{}", 8 * slot)),
            Location::Captured(number) => self.captured(number),
        }
    }

    fn find(&self, name: &str) -> Option<Variable> {
        self.scope.iter().rev().find(|variable| variable.name == name).cloned()
    }

    fn is_it(&mut self, value: Value, constant: i64) -> Value {
        let constant = self.number(constant);
        self.value(&format!("icmp eq v{value}, v{constant}"))
    }

    fn boolean(&mut self, condition: Value) -> Value {
        let (yes, no) = (self.number(TRUE), self.number(FALSE));
        self.value(&format!("select v{condition}, v{yes}, v{no}"))
    }

    /// The last one's value, or none if it goes on elsewhere.
    fn all(&mut self, forms: &[Form], loops: &[Loop]) -> Option<Value> {
        let (last, first) = forms.split_last().expect("there is something to do");
        for form in first {
            self.one(form);
        }
        self.form(last, loops)
    }

    fn one(&mut self, form: &Form) -> Value {
        self.form(form, &[]).expect("no loop goes on in the middle of something")
    }

    fn form(&mut self, form: &Form, loops: &[Loop]) -> Option<Value> {
        let forms = match form {
            Number(number) => return Some(self.number(number << 3)),
            Text(_) => return Some(self.constant(form)),
            Symbol(name) => return Some(self.reference(name)),
            List(forms) => forms,
        };
        let Some(Symbol(head)) = forms.first() else { return Some(self.call(forms)) };
        Some(match (&**head, &forms[1..]) {
            ("quote", [List(quoted)]) if quoted.is_empty() => self.number(NIL),
            ("quote", [Number(number)]) => self.number(number << 3),
            ("quote", [quoted]) => self.constant(quoted),
            ("begin", body) => return self.all(body, loops),
            ("if", [condition, yes, no]) => return self.branch(condition, yes, no, loops),
            ("cond", clauses) => return self.clauses(clauses, loops),
            ("and", [only]) | ("or", [only]) => return self.form(only, loops),
            ("and", [first, rest @ ..]) => {
                let rest = List([&[symbol("and")], rest].concat());
                return self.branch(first, &rest, &symbol("#f"), loops);
            }
            ("or", [first, rest @ ..]) => {
                let rest = List([&[symbol("or")], rest].concat());
                return self.branch(first, &symbol("#t"), &rest, loops);
            }
            ("lambda", [List(parameters), body @ ..]) => self.lambda(parameters, body),
            ("define", [List(named), body @ ..]) => {
                let function = self.lambda(&named[1..], body);
                self.define(name_of(&named[0]), function)
            }
            ("define", [Symbol(name), value]) => {
                let value = self.one(value);
                self.define(name, value)
            }
            ("set!", [Symbol(name), value]) => {
                let value = self.one(value);
                let variable = self.find(name).expect("only variables of functions are assigned here");
                let pair = self.whole(variable.location);
                self.line(&format!("store v{value}, v{pair}+7"));
                self.number(NOTHING)
            }
            ("let", [List(bindings), body @ ..]) => return self.local(bindings, body, loops),
            ("let", [Symbol(name), List(bindings), body @ ..]) => return self.named_let(name, bindings, body, loops),
            ("cons", [first, second]) => {
                for form in [first, second] {
                    let value = self.one(form);
                    self.push(value);
                }
                self.cons()
            }
            (operator @ ("+" | "-" | "<" | "=" | "eq?"), [first, second]) => {
                let first = self.one(first);
                self.push(first);
                let second = self.one(second);
                let slot = self.depth - 1;
                let first = self.value(&format!("load.i64 v2+{}", 8 * slot));
                self.set_depth(slot);
                match operator {
                    "+" => self.value(&format!("iadd v{first}, v{second}")),
                    "-" => self.value(&format!("isub v{first}, v{second}")),
                    _ => {
                        let order = if operator == "<" { "slt" } else { "eq" };
                        let condition = self.value(&format!("icmp {order} v{first}, v{second}"));
                        self.boolean(condition)
                    }
                }
            }
            ("null?", [tested]) => {
                let tested = self.one(tested);
                let condition = self.is_it(tested, NIL);
                self.boolean(condition)
            }
            (name, arguments) => {
                if let Some(of) = loops.iter().rposition(|each| each.name == name) {
                    self.go_on(&loops[of], arguments);
                    return None;
                }
                self.call(forms)
            }
        })
    }

    fn reference(&mut self, name: &str) -> Value {
        match name {
            "#t" => return self.number(TRUE),
            "#f" => return self.number(FALSE),
            _ => {}
        }
        let Some(variable) = self.find(name) else {
            let symbol = self.constant(&symbol(name));
            return self.runtime("scheme_global", &[symbol]);
        };
        let value = self.whole(variable.location);
        if variable.is_assigned { self.value(&format!("load.i64 v{value}+7")) } else { value }
    }

    fn define(&mut self, name: &str, value: Value) -> Value {
        let symbol = self.constant(&symbol(name));
        self.line(&format!("store v{value}, v{symbol}+15"));
        symbol
    }

    fn call(&mut self, forms: &[Form]) -> Value {
        let base = self.depth;
        for form in forms {
            let value = self.one(form);
            self.push(value);
        }
        let count = self.number(forms.len() as i64 - 1);
        let result = self.runtime("scheme_apply", &[count]);
        self.depth = base;
        result
    }

    fn clauses(&mut self, clauses: &[Form], loops: &[Loop]) -> Option<Value> {
        let [List(clause), rest @ ..] = clauses else { return Some(self.number(NOTHING)) };
        if clause[0] == symbol("else") {
            return self.all(&clause[1..], loops);
        }
        let yes = List([&[symbol("begin")], &clause[1..]].concat());
        let no = List([&[symbol("cond")], rest].concat());
        self.branch(&clause[0], &yes, &no, loops)
    }

    fn branch(&mut self, condition: &Form, yes: &Form, no: &Form, loops: &[Loop]) -> Option<Value> {
        let condition = self.one(condition);
        let is_false = self.is_it(condition, FALSE);
        let (then, otherwise, behind) = (self.block(), self.block(), self.block());
        self.line(&format!("brif v{is_false}, block{otherwise}, block{then}"));
        let mut arrives = false;
        for (block, form) in [(then, yes), (otherwise, no)] {
            self.begin(block, None);
            let (depth, scope) = (self.depth, self.scope.len());
            if let Some(value) = self.form(form, loops) {
                self.line(&format!("jump block{behind}(v{value})"));
                arrives = true;
            }
            self.depth = depth;
            self.scope.truncate(scope);
        }
        self.values += 1;
        let result = self.values - 1;
        arrives.then(|| {
            self.begin(behind, Some(result));
            result
        })
    }

    fn local(&mut self, bindings: &[Form], body: &[Form], loops: &[Loop]) -> Option<Value> {
        let (depth, scope) = (self.depth, self.scope.len());
        for binding in bindings {
            let List(binding) = binding else { panic!("{binding:?} is no binding") };
            let value = self.one(&binding[1]);
            let slot = self.depth;
            self.bind(name_of(&binding[0]), slot, value);
        }
        let result = self.all(body, loops);
        self.scope.truncate(scope);
        if result.is_some() {
            self.set_depth(depth);
        }
        self.depth = depth;
        result
    }

    fn named_let(&mut self, name: &str, bindings: &[Form], body: &[Form], loops: &[Loop]) -> Option<Value> {
        let (depth, scope) = (self.depth, self.scope.len());
        let mut names = Vec::new();
        for binding in bindings {
            let List(binding) = binding else { panic!("{binding:?} is no binding") };
            let value = self.one(&binding[1]);
            self.push(value);
            names.push(name_of(&binding[0]));
        }
        for (number, name) in names.iter().enumerate() {
            let value = self.whole(Location::Slot(depth + number));
            self.bind(name, depth + number, value);
        }
        let block = self.block();
        let assigned = names.iter().map(|name| self.assigned.contains(*name)).collect();
        self.line(&format!("jump block{block}"));
        self.begin(block, None);
        let this = Loop { name: name.into(), first: depth, assigned, block };
        let result = self.all(body, &[loops, &[this]].concat());
        self.scope.truncate(scope);
        if result.is_some() {
            self.set_depth(depth);
        }
        self.depth = depth;
        result
    }

    /// The next round of a loop.
    fn go_on(&mut self, of: &Loop, arguments: &[Form]) {
        let base = self.depth;
        for (argument, is_assigned) in arguments.iter().zip(&of.assigned) {
            let value = self.one(argument);
            let value = if *is_assigned { self.boxed(value) } else { value };
            self.push(value);
        }
        for number in 0..arguments.len() {
            let value = self.whole(Location::Slot(base + number));
            self.line(&format!("store v{value}, v2+{}", 8 * (of.first + number)));
        }
        self.set_depth(of.first + arguments.len());
        self.line(&format!("jump block{}", of.block));
    }

    fn lambda(&mut self, parameters: &[Form], body: &[Form]) -> Value {
        let mut named = BTreeSet::new();
        body.iter().for_each(|form| find_symbols(form, &mut named));
        let captured: Vec<Variable> = named.iter().filter_map(|name| self.find(name)).collect();
        let constants = self.captured(0);
        self.push(constants);
        for variable in &captured {
            let value = self.whole(variable.location);
            self.push(value);
        }
        let number = self.unit.function(&captured, parameters, body);
        let name = self.unit.name(number);
        let callee = self.callee(&name, "(i64, i64, i64) -> i64");
        let function = self.value(&format!("func_addr.i64 fn{callee}"));
        self.depth -= captured.len() + 1;
        let count = self.number(captured.len() as i64 + 1);
        self.runtime("scheme_closure", &[function, count])
    }
}
