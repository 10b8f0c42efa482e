//! Trees of texts, and what is said about texts that have none.

use super::*;

/// Reads all items, each written out; errors as their first line and place.
fn read(text: &str) -> Vec<String> {
    let mut known = Known::default();
    let mut parser = Parser::new(text);
    let mut read = Vec::new();
    while let Some(item) = parser.next(&known) {
        read.push(match &item {
            Ok(Item::Definition(function, _)) => format!("{} = {}", function.name, show(&function.body)),
            Ok(Item::Declaration(name, parameters)) => format!("{name}/{parameters}"),
            Ok(Item::Expression(function)) => show(&function.body),
            Err(Error::Source { problem, place }) => format!("{}:{}: {problem}", place.line, place.column),
            Err(other) => other.to_string(),
        });
        if let Ok(item) = item {
            known.learn(&item);
        }
    }
    read
}

/// A tree with all its parentheses.
fn show(expression: &Expression) -> String {
    let all = |list: &[Expression]| list.iter().map(show).collect::<Vec<_>>().join(", ");
    match expression {
        Expression::Number(value) => value.to_string(),
        Expression::Get(Variable(number)) => format!("v{number}"),
        Expression::Set(Variable(number), value) => format!("(v{number} = {})", show(value)),
        Expression::Binary(operator, operands) => format!("({operator:?} {})", all(&**operands)),
        Expression::Call(name, arguments) => format!("{name}({})", all(arguments)),
        Expression::If(parts) => format!("if({})", all(&**parts)),
        Expression::For(parts) => {
            let Loop { variable, start, condition, step, body } = &**parts;
            let parts = [start, condition, step, body].map(show).join(", ");
            format!("for(v{}, {parts})", variable.0)
        }
        Expression::Let(variables, body) => {
            let variables = variables.iter().map(|(variable, value)| format!("v{} = {}", variable.0, show(value)));
            format!("let({}; {})", variables.collect::<Vec<_>>().join(", "), show(body))
        }
    }
}

#[test]
fn precedence_and_order() {
    assert_eq!(read("1 + 2 * 3 - 4"), ["(Subtract (Add 1, (Multiply 2, 3)), 4)"]);
    assert_eq!(read("(1 + 2) * 3 / 4 < 5"), ["(Less (Divide (Multiply (Add 1, 2), 3), 4), 5)"]);
    assert_eq!(read("var a, b in a = b = a + 1"), ["let(v0 = 0, v1 = 0; (v0 = (v1 = (Add v0, 1))))"]);
}

#[test]
fn items_need_no_separator() {
    let text = "def f(x y) x+y f(1, 2) ;; extern sin(a) sin(f(3,4));";
    assert_eq!(read(text), ["f = (Add v0, v1)", "f(1, 2)", "sin/1", "sin(f(3, 4))"]);
}

#[test]
fn operators_of_the_program() {
    let text = "def unary!(v) if v then 0 else 1
                def binary> 10 (a b) b < a
                def binary^ 50 (x n) if n < 1 then 1 else x * x ^ (n - 1)
                2 * 3 ^ !0 > 1";
    let want = [
        "unary! = if(v0, 0, 1)",
        "binary> = (Less v1, v0)",
        "binary^ = if((Less v1, 1), 1, (Multiply v0, binary^(v0, (Subtract v1, 1))))",
        "binary>((Multiply 2, binary^(3, unary!(0))), 1)",
    ];
    assert_eq!(read(text), want);
    // One that the language has is no other once it has been defined, and loses no precedence.
    assert_eq!(read("def binary- 40 (a b) a 1 - 2 * 3")[1], "(Multiply binary-(1, 2), 3)");
}

#[test]
fn scopes() {
    assert_eq!(read("def f(x) var x = x in x"), ["f = let(v1 = v0; v1)"]);
    assert_eq!(read("def f(i) for i = i, i < 3 in i"), ["f = for(v1, v0, (Less v1, 3), 1, v1)"]);
    assert_eq!(read("(var a = 1, b = a in b) + a"), ["1:27: there is no variable `a` here"]);
    assert_eq!(read("(for i = 0, i, 2 in i) + i"), ["1:26: there is no variable `i` here"]);
}

#[test]
fn mistakes_have_a_place_and_do_not_end_it() {
    let check = |text: &str, want: &[&str]| assert_eq!(read(text), want, "{text}");
    check("1 + ; 2", &["1:5: expected an expression, found `;`", "2"]);
    check("def f(x\ndef g(y) y g(1)", &["2:1: expected a parameter or `)`, found `def`", "g = v0", "g(1)"]);
    check("1 + )\n  + 2\n3", &["1:5: expected an expression, found `)`", "3"]);
    check("f(1)", &["1:1: there is no function `f`; `extern` declares one that is defined elsewhere or later"]);
    check(
        "extern f(a b) f(1)",
        &["extern", "1:15: `f` takes 2 arguments, not 1"].map(|s| if s == "extern" { "f/2" } else { s }),
    );
    check("def f(a a) a", &["1:9: there are two parameters `a`"]);
    check(
        "def f(a) a def f() 1",
        &["f = v0", "1:16: `f` has 1 parameter wherever it is called; a new definition needs as many, not 0"],
    );
    check(
        "def unary!(a b) a",
        &["1:5: `unary!` has 1 parameter wherever it is called; a new definition needs as many, not 2"],
    );
    check("def binary| 0 (a b) a", &["1:13: a precedence is a whole number from 1 to 100, not 0"]);
    check("def binary= (a b) a", &["1:11: `=` cannot be an operator"]);
    check("1 = 2", &["1:3: only a variable can be assigned to"]);
    check("1 @ 2", &["1", "1:3: there is no operator `@` here; `def unary@(x)` or `def binary@(x y)` defines one"]);
    check("1.2.3 4", &["1:1: expected an expression, found `1.2.3`, which is no number"]);
}

#[test]
fn the_caret_stands_under_the_mistake() {
    let mut parser = Parser::new("# one\n\tdef f(ä) 1 $ 2");
    let known = Known::default();
    let error = parser.next(&known).unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "expected a parameter or `)`, found `ä`\n --> line 2, column 8\n2 | \tdef f(ä) 1 $ 2\n  | \t      ^"
    );
}

#[test]
fn of_a_long_line_only_what_is_near_a_mistake_is_shown() {
    // A mistake in every word: its messages would be 50 MB if each showed the line.
    const MISTAKES: usize = 4000;
    let text = "def f(x)\t".repeat(MISTAKES / 2) + "\n" + &");".repeat(MISTAKES / 2);
    let mut parser = Parser::new(&text);
    let known = Known::default();
    let messages: Vec<String> =
        std::iter::from_fn(|| parser.next(&known)).map(|item| item.unwrap_err().to_string()).collect();
    assert_eq!(messages.len(), MISTAKES);
    assert!(messages.iter().all(|message| message.len() < 600), "{messages:?}");
    let last = format!(
        "expected an expression, found `)`\n --> line 2, column 3999\n2 | …{});\n  | {}^",
        ");".repeat(40),
        " ".repeat(81)
    );
    assert_eq!(messages[MISTAKES - 1], last);
    let first = "expected an expression, found `def`\n --> line 1, column 10\n";
    assert!(messages[0].starts_with(first) && messages[0].contains(")…\n"), "{}", messages[0]);
}

#[test]
fn what_ends_too_early_is_incomplete() {
    let incomplete = |text: &str| {
        let error = Parser::new(text).next(&Known::default()).unwrap().unwrap_err();
        (error.is_incomplete(), error.to_string())
    };
    for text in ["def", "def f(", "1 +", "if 1 then", "for i = 0, 1", "var a", "(1\n\n", "extern f # more"] {
        assert!(incomplete(text).0, "{text}");
    }
    assert!(!incomplete("1 + )").0);
    assert_eq!(
        incomplete("(1\n\n").1,
        "expected an operator or `)`, found the end of the input\n --> line 1, column 3\n1 | (1\n  |   ^"
    );
}

#[test]
fn what_is_too_long_is_refused_before_the_stack_ends() {
    let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let long = "1 + ".repeat(100_000) + "1";
    let minus = format!("def unary-(x) x {}1", "-".repeat(100_000));
    let nested = "if 1 then ".repeat(100_000);
    let variables = "var a = ".repeat(100_000);
    for text in [deep, long, minus, nested, variables] {
        let last = read(&text).pop().unwrap();
        assert!(last.ends_with("this has more than 1000 parts; make functions of some of them"), "{last}");
    }
}
