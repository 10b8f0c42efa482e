//! Programs and what comes of them.

use uruk_kaleidoscope::{Answer, Backend, Cranelift, Kaleidoscope, Llvm};

/// Cranelift, and LLVM where `URUK_LLVM` names its plugin.
fn backends() -> Vec<Box<dyn Backend>> {
    let mut backends: Vec<Box<dyn Backend>> = vec![Box::new(Cranelift::new().unwrap())];
    if std::env::var_os("URUK_LLVM").is_some() {
        backends.push(Box::new(Llvm::new().unwrap()));
    }
    backends
}

/// Runs texts one after the other in one program; gives values, and the first lines of errors.
fn run(backend: Box<dyn Backend>, texts: &[&str]) -> Vec<String> {
    let mut program = Kaleidoscope::new(backend).unwrap();
    let mut answers = Vec::new();
    for text in texts {
        program.run(text, |answer| match answer {
            Ok(Answer::Value(value)) => answers.push(value.to_string()),
            Ok(Answer::Defined(_) | Answer::Declared(_)) => {}
            Err(error) => answers.push(error.to_string().lines().next().unwrap_or_default().to_owned()),
        });
    }
    answers
}

fn check(texts: &[&str], want: &[&str]) {
    for backend in backends() {
        assert_eq!(run(backend, texts), want, "{texts:?}");
    }
}

#[test]
fn arithmetic_and_comparisons() {
    check(&["1 + 2 * 3 - 4 / 8"], &["6.5"]);
    check(&["1 < 2  2 < 1  1 < 1  0/0 < 1"], &["1", "0", "0", "0"]);
    check(&["1/0  0.1 + 0.2  1e300 * 1e300"], &["inf", "0.30000000000000004", "inf"]);
}

#[test]
fn conditions_loops_and_variables() {
    check(&["def f(x) if x then 1 else 2", "f(0) f(1) f(0.5) f(0/0)"], &["2", "1", "1", "1"]);
    check(&["def f(x) if x < 2 then if x < 1 then 0 else 1 else 2  f(0) f(1) f(2)"], &["0", "1", "2"]);
    // The condition is asked after the body, with the value that the body had.
    let sum = "def binary: 1 (x y) y
               def sum(n) var s = 0 in (for i = 1, i < n in s = s + i) : s
               sum(4) sum(0)";
    check(&[sum], &["10", "1"]);
    check(&["def count(n) var c = 0 in (for i = 0, i < n, 0.5 in c = c + 1) * 0 + c  count(2)"], &["5"]);
    check(&["var a = 2, b = a * a in a = b + (b = 1) + a"], &["7"]);
    check(&["for i = 0, i < 3 in i"], &["0"]);
}

#[test]
fn functions_of_many_arguments_and_of_themselves() {
    check(&["def f(a b c d e f g h i j k) a + 2*b + 3*k  f(1,2,3,4,5,6,7,8,9,10,11)"], &["38"]);
    check(&["def fib(n) if n < 2 then n else fib(n-1) + fib(n-2)  fib(20)"], &["6765"]);
}

#[test]
fn the_longest_that_is_allowed_is_compiled() {
    let long = "1 + ".repeat(400) + "1";
    let deep = format!("{}1{}", "(1 + ".repeat(300), ")".repeat(300));
    let ifs = "if 1 then ".repeat(300) + "1" + &" else 2".repeat(300);
    check(&[&long, &deep, &ifs], &["401", "301", "1"]);
}

#[test]
fn the_process_has_functions_too() {
    check(&["extern cos(x) extern pow(x y)", "cos(0) pow(2, 10)"], &["1", "1024"]);
    check(
        &["extern nosuchfunction(x)", "nosuchfunction(1) 2"],
        &["nothing defines `nosuchfunction`, which is only declared by `extern`", "2"],
    );
    // The program's own goes first, for those that were compiled before, too.
    check(&["extern cos(x) def f(x) cos(x) f(0)", "def cos(x) 7", "f(0) cos(1)"], &["1", "7", "7"]);
}

#[test]
fn functions_are_defined_in_any_order() {
    let text = "extern odd(n) def even(n) if n then odd(n - 1) else 1";
    let missing = "nothing defines `odd`, which is only declared by `extern`";
    check(&[text, "even(4)", "def odd(n) if n then even(n - 1) else 0", "even(4) odd(4)"], &[missing, "1", "0"]);
}

#[test]
fn a_new_definition_is_that_of_all_callers() {
    check(&["def f() 1 def g() f() * 10  g()", "def f() 2  g() f()"], &["10", "20", "2"]);
    check(&["def unary-(x) 0-x  def f(x) -x  f(3)", "def unary-(x) 100-x", "f(3)"], &["-3", "97"]);
    check(&["def binary+ (x y) x * y  2 + 5"], &["10"]);
    // One that is wrong changes nothing.
    let wrong = "`f` has 0 parameters wherever it is called; a new definition needs as many, not 1";
    check(
        &["def f() 1", "def f(x) x", "f()", "def f() nothing", "f()"],
        &[wrong, "1", "there is no variable `nothing` here", "1"],
    );
}

#[test]
fn names_of_the_process_can_be_used() {
    check(&["def malloc(x) x + 1  def main() malloc(1)  main()"], &["2"]);
    check(&["def runtime() 3 def printd(x) x  runtime() printd(4)"], &["3", "4"]);
}

#[test]
fn what_cannot_be_reached_any_more_is_removed() {
    for (number, backend) in backends().into_iter().enumerate() {
        // LLVM takes its time.
        let expressions = if number == 0 { 10_000 } else { 1000 };
        let mut program = Kaleidoscope::new(backend).unwrap();
        let live = |program: &Kaleidoscope| {
            let statistics = program.jit().memory_statistics();
            (statistics.live, program.jit().session().population())
        };
        let mut values = 0.0;
        let mut sum = |answer: Result<Answer, uruk_kaleidoscope::Error>| {
            if let Answer::Value(value) = answer.unwrap() {
                values += value;
            }
        };
        program.run("def f(x) x + 1  f(1)", &mut sum);
        let before = live(&program);
        for number in 0..expressions {
            program.run(&format!("f({number}) * 2"), &mut sum);
        }
        for _ in 0..100 {
            program.run("def f(x) x + 1", &mut sum);
        }
        assert_eq!(live(&program), before);
        assert_eq!(values, 2.0 + f64::from(expressions * (expressions + 1)));
    }
}

#[test]
fn a_text_that_could_go_on_is_not_complete() {
    for backend in backends() {
        let program = Kaleidoscope::new(backend).unwrap();
        let complete = ["", "1", "1 +)", "def f(x) x", "def f(x) x  f(1)", "f(", "# def"];
        let incomplete = ["1 +", "def f(x)", "def f(x) x  f(1", "if 1 then 2", "var a in"];
        complete.iter().for_each(|text| assert!(program.is_complete(text), "{text}"));
        incomplete.iter().for_each(|text| assert!(!program.is_complete(text), "{text}"));
    }
}
