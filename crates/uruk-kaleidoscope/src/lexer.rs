//! Text to tokens.

use crate::error::{Place, Position};
use std::fmt;

// ANCHOR: token
/// A word of the language.
#[derive(Clone, PartialEq, Debug)]
pub enum Token {
    Def,
    Extern,
    If,
    Then,
    Else,
    For,
    In,
    Var,
    Unary,
    Binary,
    Name(String),
    Number(f64),
    /// Something that begins as a number but is none: `1.2.3`.
    NoNumber(String),
    /// Any other character: punctuation, or an operator, perhaps one that is yet to be defined.
    Sign(char),
    End,
}
// ANCHOR_END: token

impl Token {
    fn word(text: &str) -> Token {
        match text {
            "def" => Token::Def,
            "extern" => Token::Extern,
            "if" => Token::If,
            "then" => Token::Then,
            "else" => Token::Else,
            "for" => Token::For,
            "in" => Token::In,
            "var" => Token::Var,
            "unary" => Token::Unary,
            "binary" => Token::Binary,
            name => Token::Name(name.to_owned()),
        }
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Def => f.write_str("`def`"),
            Token::Extern => f.write_str("`extern`"),
            Token::If => f.write_str("`if`"),
            Token::Then => f.write_str("`then`"),
            Token::Else => f.write_str("`else`"),
            Token::For => f.write_str("`for`"),
            Token::In => f.write_str("`in`"),
            Token::Var => f.write_str("`var`"),
            Token::Unary => f.write_str("`unary`"),
            Token::Binary => f.write_str("`binary`"),
            Token::Name(name) => write!(f, "`{name}`"),
            Token::Number(value) => write!(f, "the number {value}"),
            Token::NoNumber(text) => write!(f, "`{text}`, which is no number"),
            Token::Sign(sign) => write!(f, "`{sign}`"),
            Token::End => f.write_str("the end of the input"),
        }
    }
}

/// Reads tokens off a text.
pub struct Lexer<'text> {
    text: &'text str,
    /// Bytes of the text that have been read.
    read: usize,
    /// Before this, nobody asks for a place any more.
    passed: Position,
}

impl<'text> Lexer<'text> {
    pub fn new(text: &'text str) -> Lexer<'text> {
        Lexer { text, read: 0, passed: Position::START }
    }

    /// The next token and the byte it starts at.
    pub fn next(&mut self) -> (Token, usize) {
        self.skip_blanks();
        let start = self.read;
        let Some(first) = self.rest().chars().next() else { return (Token::End, start) };
        let token = match first {
            'a'..='z' | 'A'..='Z' | '_' => Token::word(self.take(|c| c.is_ascii_alphanumeric() || c == '_')),
            '0'..='9' | '.' => self.number(start),
            sign => {
                self.read += sign.len_utf8();
                Token::Sign(sign)
            }
        };
        (token, start)
    }

    /// Whether the token at a byte begins its line, without blanks before it.
    pub fn starts_line(&self, byte: usize) -> bool {
        self.text[..byte].chars().next_back().is_none_or(|before| before == '\n')
    }

    /// Says that nobody asks for a place before this byte any more, so that what is there is not counted again and again.
    pub fn pass(&mut self, byte: usize) {
        self.passed = self.passed.at(self.text, byte);
    }

    /// The place of a byte, for messages.
    pub fn place(&self, byte: usize) -> Place {
        self.passed.place(self.text, byte)
    }

    fn rest(&self) -> &'text str {
        &self.text[self.read..]
    }

    /// Reads characters as long as they are wanted.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'text str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !wanted(c)).unwrap_or(rest.len())];
        self.read += taken.len();
        taken
    }

    /// Skips blanks and comments, which go to the end of their line.
    fn skip_blanks(&mut self) {
        self.take(char::is_whitespace);
        while self.rest().starts_with('#') {
            self.take(|c| c != '\n');
            self.take(char::is_whitespace);
        }
    }

    fn number(&mut self, start: usize) -> Token {
        self.take(|c| c.is_ascii_digit() || c == '.');
        if let Some(exponent) = self.rest().strip_prefix(['e', 'E']) {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.starts_with(|c: char| c.is_ascii_digit()) {
                self.read = self.text.len() - digits.len();
                self.take(|c| c.is_ascii_digit());
            }
        }
        let text = &self.text[start..self.read];
        text.parse().map_or_else(|_| Token::NoNumber(text.to_owned()), Token::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        let mut lexer = Lexer::new(text);
        std::iter::from_fn(|| Some(lexer.next().0).filter(|token| *token != Token::End)).collect()
    }

    #[test]
    fn words_numbers_and_signs() {
        let name = |text: &str| Token::Name(text.to_owned());
        assert_eq!(tokens("def f_1(x)"), [Token::Def, name("f_1"), Token::Sign('('), name("x"), Token::Sign(')')]);
        assert_eq!(tokens("iff if"), [name("iff"), Token::If]);
        assert_eq!(tokens("1 .5 2. 1e3 2.5E-1"), [1.0, 0.5, 2.0, 1000.0, 0.25].map(Token::Number));
        assert_eq!(tokens("1e 1ee5"), [Token::Number(1.0), name("e"), Token::Number(1.0), name("ee5")]);
        assert_eq!(tokens("x≤y"), [name("x"), Token::Sign('≤'), name("y")]);
    }

    #[test]
    fn comments_and_blanks_are_nothing() {
        assert_eq!(tokens("# a # b\n\t1 # c\r\n#\n2#"), [Token::Number(1.0), Token::Number(2.0)]);
        assert_eq!(tokens(""), []);
    }

    #[test]
    fn a_number_has_one_point() {
        assert_eq!(
            tokens("1.2.3 . 4"),
            [Token::NoNumber("1.2.3".into()), Token::NoNumber(".".into()), Token::Number(4.0)]
        );
    }
}
