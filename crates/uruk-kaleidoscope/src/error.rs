//! What can be wrong with a program, and where.

use std::fmt;

/// Why something of a program was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a program.
    #[error("{problem}\n{place}")]
    Source {
        /// What is wrong.
        problem: Problem,
        /// Where it was noticed.
        place: Place,
    },
    /// A function that is declared but that nothing defines.
    #[error("nothing defines `{name}`, which is only declared by `extern`")]
    Undefined {
        /// The function.
        name: String,
    },
    /// A code generator could not be had, or could not compile a function.
    #[error("cannot compile: {0}")]
    Compile(Box<dyn std::error::Error + Send + Sync>),
    /// Code could not be linked.
    #[error(transparent)]
    Link(#[from] uruk::Error),
}

impl Error {
    pub(crate) fn compile(error: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::Compile(Box::new(error))
    }

    /// The text is right as far as it goes; more of it may make it a program.
    pub fn is_incomplete(&self) -> bool {
        let Error::Source { problem, .. } = self else { return false };
        matches!(problem, Problem::Expected { at_end: true, .. })
    }
}

/// What is wrong with a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Something else should stand here.
    #[error("expected {wanted}, found {found}")]
    Expected {
        /// What should stand here.
        wanted: &'static str,
        /// What does.
        found: String,
        /// The text ends here.
        at_end: bool,
    },
    /// A variable that is not in scope.
    #[error("there is no variable `{name}` here")]
    NoVariable {
        /// The variable.
        name: String,
    },
    /// A function that was neither defined nor declared.
    #[error("there is no function `{name}`; `extern` declares one that is defined elsewhere or later")]
    NoFunction {
        /// The function.
        name: String,
    },
    /// An operator that was not defined.
    #[error("there is no operator `{sign}` here; `def unary{sign}(x)` or `def binary{sign}(x y)` defines one")]
    NoOperator {
        /// The operator.
        sign: char,
    },
    /// A call with too few or too many arguments.
    #[error("`{name}` takes {wanted} argument{}, not {found}", if *wanted == 1 { "" } else { "s" })]
    Arguments {
        /// The function.
        name: String,
        /// What it takes.
        wanted: usize,
        /// What it is given.
        found: usize,
    },
    /// A function that is defined anew, for other arguments than its callers give it.
    #[error("`{name}` has {wanted} parameter{} wherever it is called; a new definition needs as many, not {found}", if *wanted == 1 { "" } else { "s" })]
    Redefined {
        /// The function.
        name: String,
        /// Its parameters up to now.
        wanted: usize,
        /// Those of the new definition.
        found: usize,
    },
    /// Two parameters of one name.
    #[error("there are two parameters `{name}`")]
    SameParameter {
        /// The name.
        name: String,
    },
    /// A precedence out of range.
    #[error("a precedence is a whole number from 1 to 100, not {found}")]
    Precedence {
        /// What it is.
        found: f64,
    },
    /// A sign that the language keeps for itself.
    #[error("`{sign}` cannot be an operator")]
    Reserved {
        /// The sign.
        sign: char,
    },
    /// Something other than a variable is assigned to.
    #[error("only a variable can be assigned to")]
    NotAssignable,
    /// A function that would take too much stack to compile.
    #[error("this has more than {limit} parts; make functions of some of them")]
    TooLong {
        /// How many are allowed.
        limit: usize,
    },
}

/// Characters of a line that are shown at most on either side of a place: a line with a mistake in every word is not to be
/// shown whole for each of them.
const SHOWN: usize = 80;

/// A place in a text, which it shows with the line around it.
#[derive(Debug)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
    /// What is shown of the line.
    before: String,
    behind: String,
}

/// A byte of a text that has been counted up to there.
#[derive(Clone, Copy)]
pub(crate) struct Position {
    byte: usize,
    line: usize,
    column: usize,
}

impl Position {
    /// The first byte.
    pub const START: Position = Position { byte: 0, line: 1, column: 1 };

    /// That of a byte that is not before this one.
    pub fn at(self, text: &str, byte: usize) -> Position {
        let passed = &text[self.byte..byte];
        let (column, last) = passed.rsplit_once('\n').map_or((self.column, passed), |(_, last)| (1, last));
        Position { byte, line: self.line + passed.matches('\n').count(), column: column + last.chars().count() }
    }

    /// The place of a byte that is not before this one.
    pub fn place(self, text: &str, byte: usize) -> Place {
        // What is missing at the end is missing behind the last word, not on the empty line after it.
        let byte = if byte == text.len() { text.trim_end().len() } else { byte };
        let Position { line, column, .. } = self.at(text, byte);
        let before: String = shown(text[..byte].chars().rev());
        Place { line, column, before: before.chars().rev().collect(), behind: shown(text[byte..].chars()) }
    }
}

/// The characters up to the end of a line, if they are not too many.
fn shown(characters: impl Iterator<Item = char>) -> String {
    let mut line = characters.take_while(|c| !matches!(c, '\n' | '\r'));
    let mut shown: String = line.by_ref().take(SHOWN).collect();
    if line.next().is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        // A tab stays one, so that the caret stands where it should however wide tabs are.
        let indent: String = self.before.chars().map(|c| if c == '\t' { c } else { ' ' }).collect();
        writeln!(f, "{margin}--> line {number}, column {}", self.column)?;
        write!(f, "{number} | {}{}\n{margin} | {indent}^", self.before, self.behind)
    }
}
