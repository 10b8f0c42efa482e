//! What the parser makes of a text: trees in which every name is known.

// ANCHOR: ast
/// A function, of doubles and with a double as its result.
#[derive(Clone, PartialEq, Debug)]
pub struct Function {
    /// Its name; `unary!` and `binary|` are those of operators.
    pub name: String,
    /// How many parameters it has: its first variables.
    pub parameters: usize,
    /// How many variables it has in all.
    pub variables: usize,
    /// What it computes.
    pub body: Expression,
}

/// A variable of a function, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Variable(pub usize);

/// Something that has a value.
#[derive(Clone, PartialEq, Debug)]
pub enum Expression {
    /// `1.5`
    Number(f64),
    /// `x`
    Get(Variable),
    /// `x = value`
    Set(Variable, Box<Expression>),
    /// `left + right`
    Binary(Operator, Box<[Expression; 2]>),
    /// `f(x, y)`, and what operators do that a program defines
    Call(String, Vec<Expression>),
    /// `if condition then yes else no`
    If(Box<[Expression; 3]>),
    /// `for x = start, condition, step in body`
    For(Box<Loop>),
    /// `var x = value, y = value in body`
    Let(Vec<(Variable, Expression)>, Box<Expression>),
}

/// Sets a variable to `start`; then `body` is computed, and again after adding `step` to the variable, for as long as
/// `condition` is not 0. So `body` is computed at least once, and once more for the last value that meets the condition.
#[derive(Clone, PartialEq, Debug)]
pub struct Loop {
    /// The variable.
    pub variable: Variable,
    /// Its first value.
    pub start: Expression,
    /// Asked after the body, before the step.
    pub condition: Expression,
    /// What is added.
    pub step: Expression,
    /// What is done.
    pub body: Expression,
}

/// An operator of the language's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Operator {
    Less,
    Add,
    Subtract,
    Multiply,
    Divide,
}
// ANCHOR_END: ast

impl Expression {
    /// Calls `found` with the name of every function that this calls.
    pub fn for_each_call<'a>(&'a self, found: &mut dyn FnMut(&'a str)) {
        match self {
            Expression::Number(_) | Expression::Get(_) => {}
            Expression::Set(_, value) => value.for_each_call(found),
            Expression::Binary(_, operands) => operands.iter().for_each(|operand| operand.for_each_call(found)),
            Expression::Call(name, arguments) => {
                found(name);
                arguments.iter().for_each(|argument| argument.for_each_call(found));
            }
            Expression::If(parts) => parts.iter().for_each(|part| part.for_each_call(found)),
            Expression::For(parts) => {
                let Loop { variable: _, start, condition, step, body } = &**parts;
                [start, condition, step, body].iter().for_each(|part| part.for_each_call(found));
            }
            Expression::Let(variables, body) => {
                variables.iter().for_each(|(_, value)| value.for_each_call(found));
                body.for_each_call(found);
            }
        }
    }
}
