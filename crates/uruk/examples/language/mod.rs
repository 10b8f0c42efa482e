//! A language and its compiler, for the examples: functions of one number, written backwards as on old calculators.
//!
//! `poly: x x * 3 x twice +` is a function that returns x² + …; a word that is neither a number nor an operator nor `x`
//! calls the function of that name with the number before it. The representation is the list of words; the compiler
//! writes machine code for x86-64 into a link graph, with no object file in between.

use uruk::cache::{Key, KeyBuilder};
use uruk::plugin::{LinkGraph, NewSymbol, SectionKind, Stage, SymbolKind, x86_64::BRANCH32};
use uruk::{Cause, Compiler, Definition, Interface, Linkable, Session};

/// What functions of the language are for the program around them.
pub type Function = extern "C" fn(i64) -> i64;

/// A function of the language.
#[derive(Clone)]
pub struct Source {
    pub name: String,
    pub words: Vec<String>,
}

/// Reads `name: words`.
pub fn parse(text: &str) -> Source {
    let (name, words) = text.split_once(':').expect("a function is a name, a colon and words");
    Source { name: name.trim().into(), words: words.split_whitespace().map(Into::into).collect() }
}

/// Compiles functions.
pub struct WordCompiler;

impl Compiler<Source> for WordCompiler {
    /// Asked when a function is added: cheap, as nobody may ever call it.
    fn interface(&self, session: &Session, source: &Source) -> Result<Interface, Cause> {
        Ok(Interface::new(source.name.as_str(), vec![Definition::function(session.mangle(&source.name))]))
    }

    /// Asked when somebody needs the function, on whatever thread that is.
    fn compile(&self, _: &Session, source: Source) -> Result<Linkable, Cause> {
        // push rbp; mov rbp, rsp; push rdi: the argument is at rbp - 8, and values are pushed below.
        let mut code = vec![0x55, 0x48, 0x89, 0xe5, 0x57];
        let mut calls = Vec::new();
        let mut depth = 0;
        for word in &source.words {
            // What it takes off the stack, before it pushes one value.
            let (takes, bytes): (i32, Vec<u8>) = match word.as_str() {
                "x" => (0, vec![0xff, 0x75, 0xf8]),
                "+" => (2, vec![0x58, 0x59, 0x48, 0x01, 0xc8, 0x50]),
                "*" => (2, vec![0x58, 0x59, 0x48, 0x0f, 0xaf, 0xc1, 0x50]),
                word => match word.parse::<i32>() {
                    Ok(number) => (0, [&[0x68][..], &number.to_le_bytes()].concat()),
                    Err(_) => {
                        // pop rdi; push rbx; mov rbx, rsp; and rsp, -16; call …; mov rsp, rbx; pop rbx; push rax
                        calls.push((code.len() as u32 + 10, word));
                        let call = [0x5f, 0x53, 0x48, 0x89, 0xe3, 0x48, 0x83, 0xe4, 0xf0, 0xe8, 0, 0, 0, 0];
                        (1, [&call[..], &[0x48, 0x89, 0xdc, 0x5b, 0x50]].concat())
                    }
                },
            };
            if depth < takes {
                return Err(format!("`{word}` needs {takes} values, and there are {depth}").into());
            }
            depth += 1 - takes;
            code.extend(bytes);
        }
        if depth != 1 {
            return Err(format!("a function returns one value, not {depth}").into());
        }
        code.extend([0x58, 0xc9, 0xc3]); // pop rax; leave; ret

        let mut graph = LinkGraph::new(source.name.as_str());
        let mut editor = graph.edit(Stage::BeforePruning);
        let text = editor.add_section(".text", SectionKind::Code)?;
        let body = editor.add_block(text, &code, 16)?;
        let function = NewSymbol::global(&source.name, body, 0).kind(SymbolKind::Function).size(code.len() as u64);
        editor.add_symbol(function)?;
        for (at, callee) in calls {
            let callee = editor.external(callee)?;
            editor.add_edge(body, at, BRANCH32, callee, -4)?;
        }
        drop(editor);
        Ok(graph.into())
    }

    /// What the code depends on, if it is to be cached.
    fn key(&self, _: &Session, source: &Source) -> Option<Key> {
        let key = KeyBuilder::new("words 1, x86-64").part(source.name.as_bytes());
        Some(source.words.iter().fold(key, |key, word| key.part(word.as_bytes())).finish())
    }
}
