//! `uruk repl`: the Kaleidoscope language, from a file, from standard input, or typed with line editing.
//!
//! Values go to standard output and messages to standard error. A mistake ends nothing.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Editor, Helper};
use uruk_kaleidoscope::{Answer, Backend, Kaleidoscope};

use crate::Error;
use crate::args;

/// Lines that are kept for later sessions.
const REMEMBERED: usize = 1000;
/// Bytes of a text at most: one without end is not to take all memory.
const LONGEST_BYTES: u64 = 64 << 20;

/// Evaluates a file, or what is typed, or all of standard input.
pub fn execute(backend: args::Backend, path: Option<&Path>) -> Result<ExitCode, Error> {
    let program = Kaleidoscope::new(load(backend)?)?;
    match path {
        Some(path) => run(program, path, File::open(path).and_then(read)),
        None if io::stdin().is_terminal() => converse(program),
        None => run(program, Path::new("<standard input>"), read(io::stdin())),
    }
}

/// Reads a whole text.
fn read(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    if LONGEST_BYTES < source.take(LONGEST_BYTES + 1).read_to_string(&mut text)? as u64 {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it has more than 64 MiB"));
    }
    Ok(text)
}

fn load(backend: args::Backend) -> Result<Box<dyn Backend>, Error> {
    match backend {
        args::Backend::Cranelift => Ok(Box::new(uruk_kaleidoscope::Cranelift::new()?)),
        args::Backend::Llvm => Ok(Box::new(uruk_kaleidoscope::Llvm::new()?)),
    }
}

/// Evaluates a whole text. The status is 1 if something in it was wrong.
fn run(mut program: Kaleidoscope, path: &Path, text: io::Result<String>) -> Result<ExitCode, Error> {
    let text = text.map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
    let mut right = true;
    program.run(&text, |answer| right &= show(answer, &format!("{}: ", path.display())));
    Ok(if right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Evaluates what is typed until the end of the input.
fn converse(program: Kaleidoscope) -> Result<ExitCode, Error> {
    let config = Config::builder().max_history_size(REMEMBERED)?.auto_add_history(true).build();
    let mut editor: Editor<Typed, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Typed { program }));
    let history = history();
    // The first session has none to load.
    let _ = history.as_ref().map(|path| editor.load_history(path));
    loop {
        match editor.readline("> ") {
            Ok(text) => {
                let typed = editor.helper_mut().expect("it was set above");
                typed.program.run(&text, |answer| {
                    show(answer, "");
                });
            }
            // As shells do: what is being typed is dropped.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(path) = history {
        // Whoever has no place to keep a history goes without.
        let _ = path.parent().map(std::fs::create_dir_all);
        let _ = editor.save_history(&path);
    }
    Ok(ExitCode::SUCCESS)
}

/// Where lines are kept, as the XDG Base Directory Specification has it for state.
fn history() -> Option<PathBuf> {
    let chosen = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = chosen.or_else(|| Some(std::env::home_dir()?.join(".local/state")))?;
    Some(folder.join("uruk/repl-history"))
}

/// Prints what came of an item. Returns whether it was right.
fn show(answer: Result<Answer, uruk_kaleidoscope::Error>, source: &str) -> bool {
    match answer {
        Ok(Answer::Value(value)) => crate::print(&format!("{value}\n")),
        Ok(Answer::Defined(_) | Answer::Declared(_)) => {}
        Err(error) => {
            crate::complain(&format!("{source}error: {error}"));
            return false;
        }
    }
    true
}

/// The program that is being typed: it knows which lines go on.
struct Typed {
    program: Kaleidoscope,
}

impl Validator for Typed {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let complete = self.program.is_complete(context.input());
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Helper for Typed {}
impl Highlighter for Typed {}

impl Hinter for Typed {
    type Hint = String;
}

impl Completer for Typed {
    type Candidate = String;
}
