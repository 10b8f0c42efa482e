//! What a C or C++ source is likely to define, without compiling it.
//!
//! Data flow: text → words and signs, without comments, strings and directives → statements at file scope → the names
//! that these define. Macros and conditional directives are not understood, so that the answer is a guess: it decides
//! what is compiled first, and never what a program means.

use std::collections::HashSet;

/// The names that a source has.
#[derive(Debug, Default)]
pub struct Names {
    /// What it seems to define: functions with a body, variables that are not `extern`. Without name spaces and classes.
    pub defined: HashSet<String>,
    /// Every word in it.
    pub mentioned: HashSet<String>,
}

impl Names {
    /// Reads a source.
    pub fn of(text: &str) -> Names {
        let mut names = Names::default();
        let mut statement = Statement::default();
        for token in Tokens::new(text) {
            match token {
                Token::Word(word) => {
                    names.mentioned.insert(word.to_owned());
                    statement.word(word);
                }
                Token::Directive(line) => {
                    let words = line.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
                    names.mentioned.extend(words.map(str::to_owned));
                }
                Token::Text => statement.text(),
                Token::Sign(sign, at_line_start) => statement.sign(sign, at_line_start, &mut names.defined),
            }
        }
        names
    }
}

/// The last word of a symbol's name as a source has it: `f` of `a::f<int>(char)`, `new` of `operator new`, and
/// `operator` of other operators.
pub fn base(symbol: &str) -> String {
    let options = cpp_demangle::ParseOptions::default().recursion_limit(96);
    let shown = cpp_demangle::DemangleOptions::default().no_params().no_return_type();
    let written = match symbol.starts_with("_Z") {
        true => cpp_demangle::Symbol::new_with_options(symbol, &options).ok(),
        false => None,
    };
    let Some(written) = written.and_then(|symbol| symbol.demangle_with_options(&shown).ok()) else {
        return symbol.to_owned();
    };
    let mut depth = 0;
    // Without template arguments, which have names of their own.
    let plain: String = written
        .chars()
        .filter(|c| {
            depth += i32::from(*c == '<');
            let inside = 0 < depth;
            depth -= i32::from(*c == '>' && 0 < depth);
            !inside
        })
        .collect();
    let word = plain.rsplit(|c: char| !is_word(c)).find(|word| !word.is_empty());
    match word {
        _ if plain.ends_with("operator") => "operator".to_owned(),
        Some(word) => word.to_owned(),
        None => symbol.to_owned(),
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Token<'a> {
    Word(&'a str),
    /// A preprocessor line, with those that it goes on to.
    Directive(&'a str),
    /// A string, a character or a number.
    Text,
    /// Anything else, and whether it is the first of its line, without blanks before it.
    Sign(char, bool),
}

struct Tokens<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Tokens<'a> {
        Tokens { text, rest: text }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    /// Takes up to and including a text, or everything.
    fn take_through(&mut self, end: &str) -> &'a str {
        self.take(self.rest.find(end).map_or(self.rest.len(), |at| at + end.len()))
    }

    /// Takes a line, and the next one if it ends in a backslash.
    fn take_line(&mut self) -> &'a str {
        let whole = self.rest;
        loop {
            let line = self.take_through("\n");
            if self.rest.is_empty() || !line.trim_end().ends_with('\\') {
                return &whole[..whole.len() - self.rest.len()];
            }
        }
    }

    /// Takes a string or a character, whose opening mark is next; it ends with its line at the latest.
    fn take_quoted(&mut self, mark: char) {
        let mut escaped = false;
        let end = self.rest.char_indices().skip(1).find(|(_, c)| {
            let ends = !escaped && (*c == mark || *c == '\n');
            escaped = !escaped && *c == '\\';
            ends
        });
        self.take(end.map_or(self.rest.len(), |(at, c)| at + c.len_utf8()));
    }

    fn at_line_start(&self) -> bool {
        self.text[..self.text.len() - self.rest.len()].chars().next_back().is_none_or(|before| before == '\n')
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let first = self.rest.chars().next()?;
            let length = |wanted: fn(char) -> bool| self.rest.find(|c| !wanted(c)).unwrap_or(self.rest.len());
            if first.is_whitespace() {
                self.take(length(char::is_whitespace));
            } else if self.rest.starts_with("//") {
                self.take_line();
            } else if self.rest.starts_with("/*") {
                self.take_through("*/");
            } else if first == '#' {
                return Some(Token::Directive(self.take_line()));
            } else if first.is_ascii_digit() {
                self.take(length(|c| is_word(c) || c == '.' || c == '\''));
                return Some(Token::Text);
            } else if is_word(first) {
                let word = self.take(length(is_word));
                if !(word.ends_with('R') && word.len() <= 3 && self.rest.starts_with('"')) {
                    return Some(Token::Word(word));
                }
                // R"mark( … )mark"
                let mark = self.rest[1..].split('(').next().unwrap_or_default().to_owned();
                self.take_through(&format!("){mark}\""));
                return Some(Token::Text);
            } else if matches!(first, '"' | '\'') {
                self.take_quoted(first);
                return Some(Token::Text);
            } else {
                let at_line_start = self.at_line_start();
                self.take(first.len_utf8());
                return Some(Token::Sign(first, at_line_start));
            }
        }
    }
}

/// The statement at file scope that is being read.
#[derive(Default)]
struct Statement {
    /// Braces that are open, those of name spaces and of `extern "C"` not among them.
    braces: usize,
    parentheses: usize,
    first: Option<String>,
    last: Option<String>,
    /// The statement is `extern` or a type, and has no body.
    declares: bool,
    linkage: bool,
    /// Words before an opening parenthesis: functions if a body follows.
    functions: Vec<String>,
    /// Words that a variable may have before its value, its end or its size.
    variables: Vec<String>,
    /// Behind `=`, where words are values.
    value: bool,
    /// The functions of the statement before, whose parameters may be declared before their body, as in old C.
    before: Vec<String>,
}

impl Statement {
    fn word(&mut self, word: &str) {
        if self.braces != 0 || self.parentheses != 0 {
            return;
        }
        if self.first.is_none() {
            self.declares = matches!(word, "extern" | "typedef" | "using" | "friend");
            self.first = Some(word.to_owned());
        }
        self.last = Some(word.to_owned());
    }

    fn text(&mut self) {
        // `extern "C"` begins a declaration, or a block of definitions.
        self.linkage |= self.first.as_deref() == Some("extern") && self.last.as_deref() == Some("extern");
    }

    fn sign(&mut self, sign: char, at_line_start: bool, defined: &mut HashSet<String>) {
        match sign {
            // Directives may have left others open.
            '}' if at_line_start => self.close(0),
            '}' => self.close(self.braces.saturating_sub(1)),
            _ if self.braces != 0 => self.braces += usize::from(sign == '{'),
            ')' => self.parentheses = self.parentheses.saturating_sub(1),
            '(' => {
                if self.parentheses == 0 && !self.value {
                    self.functions.extend(self.last.clone());
                }
                self.parentheses += 1;
            }
            _ if self.parentheses != 0 => {}
            '{' => self.open(defined),
            ';' => {
                self.variable();
                if !self.declares && self.functions.is_empty() {
                    defined.extend(self.variables.drain(..));
                }
                let functions = std::mem::take(&mut self.functions);
                *self = Statement { before: functions, ..Statement::default() };
            }
            ',' | '[' => self.variable(),
            '=' => {
                self.variable();
                self.value = true;
            }
            _ => {}
        }
        self.value &= sign != ',';
    }

    /// The last word may be a variable.
    fn variable(&mut self) {
        if !self.value {
            self.variables.extend(self.last.take());
        }
    }

    fn open(&mut self, defined: &mut HashSet<String>) {
        let first = self.first.as_deref().unwrap_or_default();
        if first == "namespace"
            || first == "inline" && self.functions.is_empty()
            || self.linkage && self.functions.is_empty()
        {
            // What is inside is at file scope, too.
            *self = Statement::default();
            return;
        }
        if first.is_empty() {
            defined.extend(self.before.drain(..));
        }
        defined.extend(self.functions.iter().cloned());
        if matches!(first, "struct" | "class" | "union" | "enum" | "template") {
            self.last = None;
        }
        self.variable();
        self.braces = 1;
    }

    /// Braces are closed up to `braces` that stay open.
    fn close(&mut self, braces: usize) {
        let body = self.braces != 0 && braces == 0 && !self.functions.is_empty();
        self.braces = braces;
        // A function ends with its body; variables may follow a type.
        if body || self.first.is_none() {
            *self = Statement::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defined(text: &str) -> String {
        let mut names: Vec<String> = Names::of(text).defined.into_iter().collect();
        names.sort();
        names.join(" ")
    }

    #[test]
    fn functions_with_bodies_are_definitions() {
        assert_eq!(defined("int f(void) { return g(1); } int g(int);\nvoid h(a) int a; { if (k(a)) {} }"), "f h");
        assert_eq!(defined("__attribute__((noinline)) static void *f(int (*g)(void)) { }"), "__attribute__ f");
        assert_eq!(defined("auto f() const noexcept -> std::vector<int> { return {}; }\nint x() = delete;"), "f");
        assert_eq!(defined("Foo::Foo(int a) : b(a), c{1} { }\nFoo::~Foo() { }\nint Foo::g() { }"), "Foo b g");
        assert_eq!(
            defined("void *operator new(size_t n) { return malloc(n); } X operator+(X a, X b) { }"),
            "new operator"
        );
    }

    #[test]
    fn variables_that_are_not_extern_are_definitions() {
        assert_eq!(
            defined("int a; extern int b; static int c = f(x), d[3]; char *e = \"x\"; typedef int t;"),
            "a c d e"
        );
        assert_eq!(defined("int Foo::count = 0; struct S { int inner; } s; struct T { int u; };"), "count s");
        assert_eq!(defined("int table[] = { one, two }; std::string text{\"x\"}; enum E { A, B };"), "table text");
    }

    #[test]
    fn name_spaces_and_linkage_are_looked_into() {
        let text = "namespace a { namespace { int f() { } } int x; }\nextern \"C\" { void g(void) { } int y; }\n\
                    extern \"C\" int h(void) { } extern \"C\" int declared(void); inline namespace v { int z; }";
        assert_eq!(defined(text), "f g h x y z");
    }

    #[test]
    fn what_is_no_code_is_skipped() {
        let text = "// int a;\n/* int b; */ #define int c; \\\n int d;\nchar e = '\"'; char *f = \"int g;\\\" {\"; R\"x(int h;)\" {)x\"; int i;";
        assert_eq!(defined(text), "e f i");
        let names = Names::of("#define MAKE(x) int made_##x\n\"quoted\" word 12abc");
        assert!(names.mentioned.contains("made_") && names.mentioned.contains("word"));
        assert!(!names.mentioned.contains("quoted") && !names.mentioned.contains("abc"));
    }

    #[test]
    fn unbalanced_braces_heal_and_nothing_panics() {
        assert_eq!(defined("#if A\nint f(int a) {\n#else\nint f(long a) {\n#endif\n}\nint g() { }"), "f g");
        for text in ["}", "{{", "\"", "'", "R\"(", "R\"", "/*", "#", "\\", "(((", ")))", "ä{ö", "int ä;", "1'", ""] {
            Names::of(text);
            Names::of(&format!("{text}\n{text}"));
        }
    }

    #[test]
    fn names_of_symbols() {
        let check = |symbol: &str, want: &str| assert_eq!(base(symbol), want, "{symbol}");
        check("printf", "printf");
        check("_Z1fv", "f");
        check("_ZN2ns1CIiE3getIcEEiv", "get");
        check("_ZN2ns1CC1Ev", "C");
        check("_ZN2ns1CD1Ev", "C");
        check("_Znwm", "new");
        check("_ZplRK1XS1_", "operator");
        check("_ZTV1C", "C");
        check("_ZN2ns1xE", "x");
        check("_Zbad", "_Zbad");
    }
}
