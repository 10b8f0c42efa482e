//! A program that grows while it runs.
//!
//! Every function is reached through a *redirectable* symbol of its own name, a declared one, too; bodies have names
//! with a number. So a body can be compiled before those that it calls are defined, and a new definition is at once that
//! of all callers. What nobody can reach any more is removed: the body of an earlier definition, and an expression that
//! has been evaluated.

use crate::ast::{Expression, Function};
use crate::backend::Backend;
use crate::error::Error;
use crate::parser::{Item, Known, Parser};
use crate::runtime;
use std::collections::{HashMap, HashSet};
use uruk::orc::{DylibId, TrackerId};
use uruk::{Jit, Redirectable};

// ANCHOR: state
/// A Kaleidoscope program.
pub struct Kaleidoscope {
    jit: Jit,
    backend: Box<dyn Backend>,
    /// What programs find without defining it.
    runtime: DylibId,
    /// For the parser.
    known: Known,
    functions: HashMap<String, Callable>,
}

/// A function that was defined or declared.
struct Callable {
    /// Its symbol, which leads to its body.
    symbol: Redirectable,
    body: Body,
    /// How often it was defined.
    definitions: u64,
}

/// What a function leads to.
enum Body {
    /// It is declared only.
    Nothing,
    /// A function of the process or of the run-time library.
    External,
    /// Code that goes with its tracker, and the functions that it calls.
    Compiled(TrackerId, Vec<String>),
}
// ANCHOR_END: state

/// What an item has led to.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    /// A function was defined.
    Defined(String),
    /// A function was declared.
    Declared(String),
    /// An expression has this value.
    Value(f64),
}

impl Kaleidoscope {
    // ANCHOR: new
    /// A program without functions, compiled by `backend`.
    pub fn new(backend: Box<dyn Backend>) -> Result<Kaleidoscope, Error> {
        let jit = Jit::new()?;
        jit.load_libraries_on_demand(&["libm.so.6"]);
        let library = jit.create_dylib("runtime")?;
        library.define_function("putchard", runtime::putchard as extern "C" fn(f64) -> f64);
        library.define_function("printd", runtime::printd as extern "C" fn(f64) -> f64);
        let runtime = library.id();
        Ok(Kaleidoscope { jit, backend, runtime, known: Known::default(), functions: HashMap::new() })
    }
    // ANCHOR_END: new

    // ANCHOR: run
    /// Does what a text says, item by item, and gives `answer` what comes of each. After an error it goes on with the next.
    pub fn run(&mut self, text: &str, mut answer: impl FnMut(Result<Answer, Error>)) {
        let mut parser = Parser::new(text);
        while let Some(item) = parser.next(&self.known) {
            answer(item.and_then(|item| self.perform(item)));
        }
    }

    fn perform(&mut self, item: Item) -> Result<Answer, Error> {
        let answer = match &item {
            Item::Declaration(name, _) => self.declare(name)?,
            Item::Definition(function, _) => self.define(function)?,
            Item::Expression(function) => Answer::Value(self.evaluate(function)?),
        };
        self.known.learn(&item);
        Ok(answer)
    }
    // ANCHOR_END: run

    /// Whether a text ends where an item does, so that it need not go on.
    pub fn is_complete(&self, text: &str) -> bool {
        let mut known = self.known.clone();
        let mut parser = Parser::new(text);
        while let Some(item) = parser.next(&known) {
            match item {
                Ok(item) => known.learn(&item),
                Err(error) => return !error.is_incomplete(),
            }
        }
        true
    }

    /// The JIT that the program lives in.
    pub fn jit(&self) -> &Jit {
        &self.jit
    }

    // ANCHOR: define
    fn declare(&mut self, name: &str) -> Result<Answer, Error> {
        if !self.functions.contains_key(name) {
            let nowhere = uruk::FunctionPointer::to_address(runtime::undefined as extern "C" fn() -> f64);
            let symbol = self.jit.main().redirectable(&[(name, nowhere)])?;
            self.functions.insert(name.to_owned(), Callable { symbol, body: Body::Nothing, definitions: 0 });
        }
        Ok(Answer::Declared(name.to_owned()))
    }

    fn define(&mut self, function: &Function) -> Result<Answer, Error> {
        self.declare(&function.name)?;
        let definitions = self.functions[&function.name].definitions;
        // No function of a program has a point in its name. There are two bodies at most, the earlier one and this.
        let symbol = format!("{}.{}", function.name, definitions % 2);
        let tracker = self.compile(function, &symbol)?;
        let address = self.jit.main().find(&symbol).inspect_err(|_| self.remove(tracker))?;
        let mut calls = Vec::new();
        function.body.for_each_call(&mut |name| calls.push(name.to_owned()));
        if let Body::Compiled(earlier, _) = self.lead(&function.name, address, Body::Compiled(tracker, calls))? {
            self.remove(earlier);
        }
        Ok(Answer::Defined(function.name.clone()))
    }

    /// Lets a function's symbol lead to a body; returns the one before.
    fn lead(&mut self, name: &str, address: u64, body: Body) -> Result<Body, Error> {
        let callable = self.functions.get_mut(name).expect("whoever names a function has declared it");
        callable.symbol.redirect(&[(self.jit.session().mangle(name), address)]).map_err(uruk::Error::from)?;
        callable.definitions += 1;
        Ok(std::mem::replace(&mut callable.body, body))
    }
    // ANCHOR_END: define

    // ANCHOR: evaluate
    fn evaluate(&mut self, expression: &Function) -> Result<f64, Error> {
        self.find_all(&expression.body)?;
        let tracker = self.compile(expression, &expression.name)?;
        // SAFETY: an expression is compiled as a function without parameters that returns a double.
        let function = unsafe { self.jit.main().handle::<extern "C" fn() -> f64>(&expression.name) };
        let value = function.map(|function| function());
        self.remove(tracker);
        Ok(value?)
    }

    fn compile(&self, function: &Function, symbol: &str) -> Result<TrackerId, Error> {
        let tracker = self.jit.session().create_tracker(self.jit.main().id());
        let added = self.backend.add(&self.jit, tracker, function, symbol);
        added.map(|()| tracker).inspect_err(|_| self.remove(tracker))
    }

    /// Removes what was added with a tracker, and the tracker itself.
    fn remove(&self, tracker: TrackerId) {
        self.jit.session().remove(tracker);
        // Nothing is left that it could be wanted for.
        let _ = self.jit.session().drop_tracker(tracker);
    }
    // ANCHOR_END: evaluate

    // ANCHOR: find
    /// Errors if an expression can reach a function that is not defined.
    fn find_all(&mut self, expression: &Expression) -> Result<(), Error> {
        let mut waiting = Vec::new();
        expression.for_each_call(&mut |name| waiting.push(name.to_owned()));
        let mut seen = HashSet::new();
        while let Some(name) = waiting.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            match &self.functions[&name].body {
                Body::External => {}
                Body::Compiled(_, calls) => waiting.extend(calls.iter().cloned()),
                Body::Nothing => {
                    let session = self.jit.session();
                    let found = session.address_if_defined(&session.search_order(self.runtime), session.mangle(&name));
                    let address = found.map_err(uruk::Error::from)?;
                    let address = address.ok_or_else(|| Error::Undefined { name: name.clone() })?;
                    self.lead(&name, address, Body::External)?;
                }
            }
        }
        Ok(())
    }
    // ANCHOR_END: find
}
