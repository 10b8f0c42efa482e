//! A function that is compiled again, better, once it has been called often.

#[path = "language/mod.rs"]
mod language;

use language::{Function, Source, WordCompiler, parse};
use std::sync::Arc;
use uruk::orc::layer::ReoptimizeLayer;
use uruk::{Cause, CompileLayer, Jit, Session};

/// The optimiser of the language: it knows how to add numbers.
fn improve(_: &Session, source: Source) -> Result<Source, Cause> {
    let mut words: Vec<String> = Vec::new();
    for word in source.words {
        let numbers: Vec<i32> = words.iter().rev().take(2).map_while(|word| word.parse().ok()).collect();
        match (word.as_str(), &numbers[..]) {
            ("+", [right, left]) => {
                words.truncate(words.len() - 2);
                words.push((left + right).to_string());
            }
            _ => words.push(word),
        }
    }
    println!("{} is now: {}", source.name, words.join(" "));
    Ok(Source { words, ..source })
}

/// Runs the example.
pub fn main() {
    let jit = Jit::builder().compile_threads(1).build().expect("this machine can run code");
    let layer = Arc::new(ReoptimizeLayer::new(1000, improve, Arc::new(CompileLayer::new(WordCompiler))));
    jit.main().add(&layer, parse("f: x 1 2 + 3 + *")).expect("the name is free");
    // SAFETY: that is what functions of the language are.
    let f = unsafe { jit.main().function::<Function>("f") }.expect("it compiles");
    let sum: i64 = (0..2000).map(|number: i64| f(number)).sum();
    assert_eq!(sum, 6 * (0..2000).sum::<i64>());
    jit.session().wait_until_idle();
    assert_eq!(f(7), 42);
    assert!(jit.session().take_reports().is_empty());
}
