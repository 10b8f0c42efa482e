//! A compiler for C sources, each a representation that says what it defines.

use crate::support::compile;
use std::sync::atomic::{AtomicUsize, Ordering};
use uruk::cache::{Key, KeyBuilder};
use uruk::{Cause, Compiler, Definition, Interface, Linkable, Session};

/// A C source.
pub struct Source {
    pub name: &'static str,
    pub text: String,
    pub definitions: Vec<Definition>,
    pub initialises: bool,
}

impl Source {
    /// Of functions that others see.
    pub fn new(session: &Session, name: &'static str, functions: &[&str], text: &str) -> Source {
        let definitions = functions.iter().map(|name| Definition::function(session.mangle(name))).collect();
        Source { name, text: text.to_string(), definitions, initialises: false }
    }
}

/// Runs the system's compiler. A source that begins with `!` is refused, one with `?` makes it panic.
#[derive(Default)]
pub struct C {
    pub compiled: AtomicUsize,
    pub flags: &'static [&'static str],
}

impl Compiler<Source> for C {
    fn interface(&self, session: &Session, source: &Source) -> Result<Interface, Cause> {
        if source.text.is_empty() {
            return Err("an empty source".into());
        }
        let interface = Interface::new(source.name, source.definitions.clone());
        Ok(if source.initialises { interface.with_initialiser(session) } else { interface })
    }

    fn compile(&self, _: &Session, source: Source) -> Result<Linkable, Cause> {
        self.compiled.fetch_add(1, Ordering::Relaxed);
        match source.text.chars().next() {
            Some('!') => Err("expected an expression".into()),
            Some('?') => panic!("on purpose"),
            _ => Ok(compile(source.name, &source.text, self.flags).into()),
        }
    }

    fn key(&self, _: &Session, source: &Source) -> Option<Key> {
        Some(KeyBuilder::new("cc").part(self.flags.concat().as_bytes()).part(source.text.as_bytes()).finish())
    }
}
