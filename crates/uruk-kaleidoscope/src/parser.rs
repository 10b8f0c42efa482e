//! Tokens to trees, by precedence climbing.
//!
//! Names are resolved here, so that a tree is right by construction: its variables are numbers, its functions exist and
//! get as many arguments as they take, and what operators of the program's own do are calls.

#[cfg(test)]
mod tests;

use crate::ast::{Expression, Function, Loop, Operator, Variable};
use crate::error::{Error, Problem};
use crate::lexer::{Lexer, Token};
use std::collections::HashMap;

/// Parts of a function at most: text is parsed and trees are walked by recursion, and stack is limited.
const MAX_PARTS: usize = 1000;
/// The precedence of `=`.
const ASSIGNMENT: u32 = 2;
/// The precedence of a binary operator whose definition does not say.
const DEFAULT_PRECEDENCE: u32 = 30;

/// One thing that a program says.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    /// `def f(x) …`, with its precedence if it is a binary operator
    Definition(Function, Option<u32>),
    /// `extern f(x)`, with the number of parameters
    Declaration(String, usize),
    /// An expression to be evaluated, as a function of nothing.
    Expression(Function),
}

/// What can be called: what later items of a program see of earlier ones.
#[derive(Clone, Default, Debug)]
pub struct Known {
    /// The parameters of each function.
    parameters: HashMap<String, usize>,
    /// Of the binary operators that the program has defined.
    precedences: HashMap<char, u32>,
}

impl Known {
    /// Remembers what an item defines.
    pub fn learn(&mut self, item: &Item) {
        match item {
            Item::Definition(function, precedence) => {
                self.parameters.insert(function.name.clone(), function.parameters);
                let sign = function.name.strip_prefix("binary").and_then(|sign| sign.chars().next());
                if let (Some(sign), Some(precedence)) = (sign, precedence) {
                    self.precedences.insert(sign, *precedence);
                }
            }
            Item::Declaration(name, parameters) => {
                self.parameters.insert(name.clone(), *parameters);
            }
            Item::Expression(_) => {}
        }
    }
}

// ANCHOR: builtin
/// The language's own operators; a program may define them anew.
fn builtin(sign: char) -> Option<(Operator, u32)> {
    Some(match sign {
        '<' => (Operator::Less, 10),
        '+' => (Operator::Add, 20),
        '-' => (Operator::Subtract, 20),
        '*' => (Operator::Multiply, 40),
        '/' => (Operator::Divide, 40),
        _ => return None,
    })
}
// ANCHOR_END: builtin

/// Reads items off a text.
pub struct Parser<'text> {
    lexer: Lexer<'text>,
    /// The token to be looked at, and where it starts.
    token: Token,
    start: usize,
}

impl<'text> Parser<'text> {
    /// A parser at the beginning of a text.
    pub fn new(text: &'text str) -> Parser<'text> {
        let mut lexer = Lexer::new(text);
        let (token, start) = lexer.next();
        Parser { lexer, token, start }
    }

    /// The next item, or nothing at the end. After an error it goes on behind the next `;`, or with the next `def`,
    /// `extern` or line that is not indented.
    pub fn next(&mut self, known: &Known) -> Option<Result<Item, Error>> {
        while self.token == Token::Sign(';') {
            self.advance();
        }
        if self.token == Token::End {
            return None;
        }
        let first = self.start;
        self.lexer.pass(first);
        let item = Body { parser: self, known, own: None, scope: Vec::new(), variables: 0, parts: 0 }.item();
        if item.is_err() {
            self.recover(first);
        }
        Some(item)
    }

    fn recover(&mut self, first: usize) {
        loop {
            let fresh = matches!(self.token, Token::Def | Token::Extern) || self.lexer.starts_line(self.start);
            match self.token {
                Token::End | Token::Sign(';') => return,
                // Where the trouble began is not where to go on.
                _ if fresh && first < self.start => return,
                _ => drop(self.advance()),
            }
        }
    }

    /// Goes to the next token; returns the one before.
    fn advance(&mut self) -> Token {
        let (token, start) = self.lexer.next();
        self.start = start;
        std::mem::replace(&mut self.token, token)
    }

    fn expected(&self, wanted: &'static str) -> Error {
        let at_end = self.token == Token::End;
        self.error(self.start, Problem::Expected { wanted, found: self.token.to_string(), at_end })
    }

    fn error(&self, byte: usize, problem: Problem) -> Error {
        Error::Source { problem, place: self.lexer.place(byte) }
    }
}

/// Parses one item.
struct Body<'parser, 'text> {
    parser: &'parser mut Parser<'text>,
    known: &'parser Known,
    /// What is being defined, which may call itself.
    own: Option<Prototype>,
    /// Variables that can be named, the innermost last.
    scope: Vec<(String, Variable)>,
    variables: usize,
    parts: usize,
}

/// What `def` and `extern` begin with.
#[derive(Clone)]
struct Prototype {
    name: String,
    parameters: Vec<String>,
    precedence: Option<u32>,
}

impl Body<'_, '_> {
    fn item(mut self) -> Result<Item, Error> {
        match self.parser.token {
            Token::Def => {
                self.parser.advance();
                let prototype = self.prototype()?;
                for parameter in &prototype.parameters {
                    self.declare(parameter.clone());
                }
                let Prototype { name, parameters, precedence } = self.own.insert(prototype).clone();
                let body = self.expression()?;
                let function = Function { name, parameters: parameters.len(), variables: self.variables, body };
                Ok(Item::Definition(function, precedence))
            }
            Token::Extern => {
                self.parser.advance();
                let Prototype { name, parameters, .. } = self.prototype()?;
                Ok(Item::Declaration(name, parameters.len()))
            }
            _ => {
                let body = self.expression()?;
                let name = "the expression".to_owned();
                Ok(Item::Expression(Function { name, parameters: 0, variables: self.variables, body }))
            }
        }
    }

    /// `name(x y)`, `unary!(x)` or `binary| 5 (x y)`.
    fn prototype(&mut self) -> Result<Prototype, Error> {
        let start = self.parser.start;
        let (name, operands) = match self.parser.token.clone() {
            Token::Name(name) => {
                self.parser.advance();
                (name, None)
            }
            Token::Unary => (self.operator_name("unary")?, Some(1)),
            Token::Binary => (self.operator_name("binary")?, Some(2)),
            _ => return Err(self.parser.expected("the name of a function, `unary` or `binary`")),
        };
        let precedence = if operands == Some(2) { Some(self.precedence()?) } else { None };
        self.sign('(', "`(` before the parameters")?;
        let mut parameters = Vec::new();
        while let Token::Name(parameter) = self.parser.token.clone() {
            if parameters.contains(&parameter) {
                return Err(self.parser.error(self.parser.start, Problem::SameParameter { name: parameter }));
            }
            self.parser.advance();
            parameters.push(parameter);
            if self.parser.token == Token::Sign(',') {
                self.parser.advance();
            }
        }
        self.sign(')', "a parameter or `)`")?;
        let found = parameters.len();
        match operands.or(self.known.parameters.get(&name).copied()) {
            Some(wanted) if wanted != found => {
                Err(self.parser.error(start, Problem::Redefined { name, wanted, found }))
            }
            _ => Ok(Prototype { name, parameters, precedence }),
        }
    }

    fn operator_name(&mut self, kind: &'static str) -> Result<String, Error> {
        self.parser.advance();
        match self.parser.token {
            Token::Sign(sign @ ('(' | ')' | ',' | ';' | '=')) => {
                Err(self.parser.error(self.parser.start, Problem::Reserved { sign }))
            }
            Token::Sign(sign) => {
                self.parser.advance();
                Ok(format!("{kind}{sign}"))
            }
            _ => Err(self.parser.expected("an operator, which is one sign")),
        }
    }

    fn precedence(&mut self) -> Result<u32, Error> {
        let Token::Number(number) = self.parser.token else { return Ok(DEFAULT_PRECEDENCE) };
        if number.fract() != 0.0 || !(1.0..=100.0).contains(&number) {
            return Err(self.parser.error(self.parser.start, Problem::Precedence { found: number }));
        }
        self.parser.advance();
        Ok(number as u32)
    }

    fn expression(&mut self) -> Result<Expression, Error> {
        self.operators(0)
    }

    // ANCHOR: operators
    /// Operands with operators between them that bind at least as tightly as `minimum`.
    fn operators(&mut self, minimum: u32) -> Result<Expression, Error> {
        let mut left = self.unary()?;
        while let Token::Sign(sign) = self.parser.token {
            let Some(precedence) = self.binary_precedence(sign).filter(|precedence| minimum <= *precedence) else {
                break;
            };
            self.count()?;
            let start = self.parser.start;
            self.parser.advance();
            left = if sign == '=' {
                let Expression::Get(variable) = left else {
                    return Err(self.parser.error(start, Problem::NotAssignable));
                };
                Expression::Set(variable, Box::new(self.operators(precedence)?))
            } else {
                // What binds as tightly comes from the left: `1 - 2 - 3` is `(1 - 2) - 3`.
                let right = self.operators(precedence + 1)?;
                match builtin(sign) {
                    Some((operator, _)) if !self.is_defined_binary(sign) => {
                        Expression::Binary(operator, Box::new([left, right]))
                    }
                    _ => Expression::Call(format!("binary{sign}"), vec![left, right]),
                }
            };
        }
        Ok(left)
    }
    // ANCHOR_END: operators

    fn is_defined_binary(&self, sign: char) -> bool {
        self.function(&format!("binary{sign}")).is_some()
    }

    /// How tightly a sign binds, if it is a binary operator.
    fn binary_precedence(&self, sign: char) -> Option<u32> {
        match sign {
            '=' => Some(ASSIGNMENT),
            _ => {
                let own = self.own.as_ref().filter(|own| own.name == format!("binary{sign}"));
                let defined = own.and_then(|own| own.precedence).or(self.known.precedences.get(&sign).copied());
                defined.or(builtin(sign).map(|(_, precedence)| precedence))
            }
        }
    }

    fn unary(&mut self) -> Result<Expression, Error> {
        self.count()?;
        let sign = match self.parser.token {
            Token::Sign(sign) if !matches!(sign, '(' | ')' | ',' | ';' | '=') => sign,
            _ => return self.primary(),
        };
        let name = format!("unary{sign}");
        if self.function(&name).is_none() {
            return Err(self.parser.error(self.parser.start, Problem::NoOperator { sign }));
        }
        self.parser.advance();
        Ok(Expression::Call(name, vec![self.unary()?]))
    }

    fn primary(&mut self) -> Result<Expression, Error> {
        match self.parser.token.clone() {
            Token::Number(value) => {
                self.parser.advance();
                Ok(Expression::Number(value))
            }
            Token::Name(name) => self.name(name),
            Token::Sign('(') => {
                self.parser.advance();
                let inner = self.expression()?;
                self.sign(')', "an operator or `)`")?;
                Ok(inner)
            }
            Token::If => self.condition(),
            Token::For => self.repetition(),
            Token::Var => self.variables(),
            _ => Err(self.parser.expected("an expression")),
        }
    }

    /// A variable or a call.
    fn name(&mut self, name: String) -> Result<Expression, Error> {
        let start = self.parser.start;
        self.parser.advance();
        if self.parser.token != Token::Sign('(') {
            let variable = self.scope.iter().rev().find(|(known, _)| *known == name);
            return match variable {
                Some((_, variable)) => Ok(Expression::Get(*variable)),
                None => Err(self.parser.error(start, Problem::NoVariable { name })),
            };
        }
        let Some(wanted) = self.function(&name) else {
            return Err(self.parser.error(start, Problem::NoFunction { name }));
        };
        let arguments = self.arguments()?;
        if arguments.len() != wanted {
            return Err(self.parser.error(start, Problem::Arguments { name, wanted, found: arguments.len() }));
        }
        Ok(Expression::Call(name, arguments))
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, Error> {
        self.parser.advance();
        let mut arguments = Vec::new();
        if self.parser.token != Token::Sign(')') {
            arguments.push(self.expression()?);
            while self.parser.token == Token::Sign(',') {
                self.parser.advance();
                arguments.push(self.expression()?);
            }
        }
        self.sign(')', "an operator, `,` or `)` in a call")?;
        Ok(arguments)
    }

    fn condition(&mut self) -> Result<Expression, Error> {
        self.parser.advance();
        let condition = self.expression()?;
        self.word(Token::Then, "an operator or `then`")?;
        let yes = self.expression()?;
        self.word(Token::Else, "an operator or `else`")?;
        let no = self.expression()?;
        Ok(Expression::If(Box::new([condition, yes, no])))
    }

    fn repetition(&mut self) -> Result<Expression, Error> {
        self.parser.advance();
        let name = self.new_name()?;
        self.sign('=', "`=` and the first value")?;
        let start = self.expression()?;
        let outer = self.scope.len();
        let variable = self.declare(name);
        self.sign(',', "an operator, or `,` and a condition")?;
        let condition = self.expression()?;
        let mut step = Expression::Number(1.0);
        if self.parser.token == Token::Sign(',') {
            self.parser.advance();
            step = self.expression()?;
        }
        self.word(Token::In, "an operator or `in`")?;
        let body = self.expression()?;
        self.scope.truncate(outer);
        Ok(Expression::For(Box::new(Loop { variable, start, condition, step, body })))
    }

    fn variables(&mut self) -> Result<Expression, Error> {
        let outer = self.scope.len();
        let mut variables = Vec::new();
        while variables.is_empty() || self.parser.token == Token::Sign(',') {
            self.parser.advance();
            self.count()?;
            let name = self.new_name()?;
            let mut value = Expression::Number(0.0);
            if self.parser.token == Token::Sign('=') {
                self.parser.advance();
                value = self.expression()?;
            }
            variables.push((self.declare(name), value));
        }
        self.word(Token::In, "`,` or `in`")?;
        let body = self.expression()?;
        self.scope.truncate(outer);
        Ok(Expression::Let(variables, Box::new(body)))
    }

    fn new_name(&mut self) -> Result<String, Error> {
        let Token::Name(name) = self.parser.token.clone() else {
            return Err(self.parser.expected("the name of a variable"));
        };
        self.parser.advance();
        Ok(name)
    }

    fn declare(&mut self, name: String) -> Variable {
        let variable = Variable(self.variables);
        self.variables += 1;
        self.scope.push((name, variable));
        variable
    }

    /// The number of parameters of a function that can be called here.
    fn function(&self, name: &str) -> Option<usize> {
        let own = self.own.as_ref().filter(|own| own.name == name);
        own.map(|own| own.parameters.len()).or(self.known.parameters.get(name).copied())
    }

    fn sign(&mut self, sign: char, wanted: &'static str) -> Result<(), Error> {
        self.word(Token::Sign(sign), wanted)
    }

    fn word(&mut self, token: Token, wanted: &'static str) -> Result<(), Error> {
        if self.parser.token != token {
            return Err(self.parser.expected(wanted));
        }
        self.parser.advance();
        Ok(())
    }

    /// Counts a part of the function.
    fn count(&mut self) -> Result<(), Error> {
        self.parts += 1;
        if MAX_PARTS < self.parts {
            return Err(self.parser.error(self.parser.start, Problem::TooLong { limit: MAX_PARTS }));
        }
        Ok(())
    }
}
