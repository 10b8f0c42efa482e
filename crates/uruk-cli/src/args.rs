//! The command line: arguments in, a [`Command`] out. Looks at no file but response files.
//!
//! Order is kept where it means something: files and libraries belong to the dylib named last, and are whole or not by
//! the switch given last. Everything else may stand anywhere before `--`.

mod image;
mod options;
mod response;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use lexopt::Arg;
use uruk_cc::Flags;
use uruk_executor::protocol::transport::Address;

use crate::{Error, near};

/// What is to be done.
#[derive(Debug)]
pub enum Command {
    /// Print a text and end well: help, version.
    Print(String),
    /// Link and run.
    Run(Box<Request>),
    /// Evaluate a language, from a file if one is named.
    Repl(Backend, Option<PathBuf>),
    /// Show a file.
    Inspect(PathBuf),
    /// Link with the flags of another tool, which are read elsewhere.
    Link(Vec<OsString>),
    /// Run code for others, as arguments say that are read elsewhere.
    Executor(Vec<OsString>),
    /// Link, and write what was linked to a file.
    Image(Box<Request>, Image),
    /// Show what an image has, or how it differs from another one.
    ImageInfo(PathBuf, Option<PathBuf>),
}

/// What `uruk image build` makes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Its file.
    pub output: PathBuf,
    /// What the file is.
    pub kind: ImageKind,
    /// Where it lies, if not anywhere.
    pub address: Option<u64>,
    /// What is kept beside what is called first.
    pub keep: Vec<String>,
    /// Names and debug information are left out.
    pub strip: bool,
}

/// What a file of `uruk image build` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImageKind {
    /// A program that the system starts.
    #[default]
    Program,
    /// A shared object.
    Shared,
    /// An image of Uruk's own.
    Mapped,
}

/// What compiles the language of `uruk repl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// Cranelift, which is built in.
    #[default]
    Cranelift,
    /// LLVM.
    Llvm,
}

/// The arguments of `uruk run`.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Files, libraries and dylibs in the order of mention.
    pub mentions: Vec<Mention>,
    /// The folders of `-L`, in order.
    pub folders: Vec<PathBuf>,
    /// The function to call.
    pub entry: String,
    /// The program's arguments, its name not among them.
    pub arguments: Vec<OsString>,
    /// Everything else.
    pub options: Options,
}

/// Something that a dylib is made of, or the start of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mention {
    /// What follows belongs to this dylib.
    Dylib(String),
    /// A file, and whether all of an archive is wanted.
    File(PathBuf, bool),
    /// `-l NAME`, and whether all of an archive is wanted.
    Library(OsString, bool),
    /// `--dylib PATH|SONAME`.
    Shared(OsString),
}

/// How to report times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    /// Not at all.
    #[default]
    Off,
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What to compile ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Speculation {
    /// What code that runs refers to.
    Calls,
    /// What an earlier run has called, in its order, which the file has.
    Order(PathBuf),
}

/// An executor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This command, which is an executor, too.
    Own,
    /// A program, which is started.
    Child(PathBuf),
    /// The same over pipes, which share no memory.
    Piped(PathBuf),
    /// One that listens.
    Listening(Address),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Own => f.write_str("a process of this command"),
            Place::Child(program) | Place::Piped(program) => write!(f, "`{}`", program.display()),
            Place::Listening(address) => address.fmt(f),
        }
    }
}

/// Options that concern the whole run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The number of threads, or one for each processor.
    pub threads: Option<NonZeroUsize>,
    /// Whether and how to report times.
    pub times: Times,
    /// Never write to a page that has been executable.
    pub strict_wx: bool,
    /// Compile and link when something is called.
    pub lazy: bool,
    /// Where compiled code is kept.
    pub cache: Option<PathBuf>,
    /// Do so ahead on other threads.
    pub speculate: Option<Speculation>,
    /// Leave out what nothing refers to.
    pub gc_sections: bool,
    /// Keep debug information and tell debuggers.
    pub debugger: bool,
    /// Where the program may save itself.
    pub save_image: Option<PathBuf>,
    /// What may be wrong there.
    pub allowed: Vec<String>,
    /// Where the code runs, if not in this process.
    pub executor: Option<Place>,
    /// Nothing but computing is possible there.
    pub sandbox: bool,
    /// For compilers.
    pub flags: Flags,
}

/// Reads the arguments after the command's own name.
pub fn parse(arguments: Vec<OsString>) -> Result<Command, Error> {
    let mut arguments = arguments.into_iter();
    let Some(command) = arguments.next() else { return Err(Error::NoCommand) };
    let rest: Vec<OsString> = arguments.collect();
    match command.to_str().unwrap_or_default() {
        "run" => parse_files(rest, None),
        "repl" => parse_repl(rest),
        "inspect" => parse_inspect(rest),
        "link" => Ok(Command::Link(rest)),
        "executor" => Ok(Command::Executor(rest)),
        "image" => image::parse(rest),
        "-h" | "--help" => Ok(Command::Print(options::overview())),
        "-V" | "--version" => Ok(Command::Print(version())),
        "help" => match rest.first() {
            None => Ok(Command::Print(options::overview())),
            Some(name) if name == "run" => Ok(Command::Print(options::run_help())),
            Some(name) if name == "repl" => Ok(Command::Print(options::repl_help())),
            Some(name) if name == "inspect" => Ok(Command::Print(options::inspect_help())),
            Some(name) if name == "link" => Ok(Command::Link(vec!["--help".into()])),
            Some(name) if name == "executor" => Ok(Command::Executor(vec!["--help".into()])),
            Some(name) if name == "image" => Ok(Command::Print(image::help())),
            Some(name) => Err(unknown_command(name)),
        },
        _ => Err(unknown_command(&command)),
    }
}

fn version() -> String {
    format!("uruk {}\n", env!("CARGO_PKG_VERSION"))
}

fn unknown_command(name: &OsStr) -> Error {
    let names = options::COMMANDS.iter().map(|command| command.0);
    let existing = names.clone().collect::<Vec<_>>().join(", ");
    let hint = match near::nearest(name.as_encoded_bytes(), names, 1)[..] {
        [near] => format!(" (did you mean `{near}`?)"),
        // Whoever forgets the command most likely wants the main one.
        _ if PathBuf::from(name).extension().is_some() => format!(" (did you mean `uruk run {}`?)", name.display()),
        _ => String::new(),
    };
    Error::UnknownCommand { name: name.display().to_string(), hint, existing }
}

fn parse_repl(arguments: Vec<OsString>) -> Result<Command, Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut backend, mut path) = (Backend::default(), None);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Print(options::repl_help())),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Print(version())),
            Arg::Long("backend") => backend = self::backend(&parser.value()?)?,
            Arg::Value(value) if path.is_none() => path = Some(PathBuf::from(value)),
            Arg::Value(_) => return Err(Error::Files { command: "repl", problem: "takes one file only" }),
            Arg::Short(letter) => return Err(unknown_option(format!("-{letter}"))),
            Arg::Long(name) => return Err(unknown_option(format!("--{name}"))),
        }
    }
    Ok(Command::Repl(backend, path))
}

fn backend(value: &OsStr) -> Result<Backend, Error> {
    match value.to_str() {
        Some("cranelift") => Ok(Backend::Cranelift),
        Some("llvm") => Ok(Backend::Llvm),
        _ => Err(Error::BadValue {
            option: "--backend",
            wanted: "`cranelift` or `llvm`",
            found: value.display().to_string(),
        }),
    }
}

fn parse_inspect(arguments: Vec<OsString>) -> Result<Command, Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut path = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Print(options::inspect_help())),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Print(version())),
            Arg::Value(value) if path.is_none() => path = Some(PathBuf::from(value)),
            Arg::Value(_) => return Err(Error::Files { command: "inspect", problem: "takes one file only" }),
            Arg::Short(letter) => return Err(unknown_option(format!("-{letter}"))),
            Arg::Long(name) => return Err(unknown_option(format!("--{name}"))),
        }
    }
    path.map(Command::Inspect).ok_or(Error::Files { command: "inspect", problem: "needs a file" })
}

/// The arguments of `uruk run`, and those of `uruk image build` if there is an image.
fn parse_files(arguments: Vec<OsString>, mut image: Option<Image>) -> Result<Command, Error> {
    let (own, program) = response::expand(arguments)?;
    let mut request = Request {
        mentions: Vec::new(),
        folders: Vec::new(),
        entry: "main".to_owned(),
        arguments: program,
        options: Options::default(),
    };
    let mut whole = false;
    let of_image = if image.is_some() { &image::LONG[..] } else { &[] };
    let mut parser = lexopt::Parser::from_args(own);
    while let Some(argument) = parser.next()? {
        let argument = match argument {
            Arg::Value(path) => {
                request.mentions.push(Mention::File(path.into(), whole));
                continue;
            }
            Arg::Short(letter) => Arg::Short(letter),
            // The name is borrowed from the parser, which is needed for the value.
            Arg::Long(name) => {
                match options::long_names().chain(of_image.iter().copied()).find(|known| &known[2..] == name) {
                    Some(known) => Arg::Long(&known[2..]),
                    None => return Err(unknown_option(format!("--{name}"))),
                }
            }
        };
        if let Some(image) = &mut image
            && image::take(image, &argument, &mut parser)?
        {
            continue;
        }
        let options = &mut request.options;
        match argument {
            Arg::Short('h') | Arg::Long("help") if image.is_some() => return Ok(Command::Print(image::help())),
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Print(options::run_help())),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Print(version())),
            Arg::Short('l') => request.mentions.push(Mention::Library(parser.value()?, whole)),
            Arg::Short('L') => request.folders.push(parser.value()?.into()),
            Arg::Short('j') => options.threads = Some(threads(&parser.value()?)?),
            Arg::Long("dylib") => request.mentions.push(Mention::Shared(parser.value()?)),
            Arg::Long("jd") => request.mentions.push(Mention::Dylib(text("--jd", parser.value()?)?)),
            Arg::Long("entry") => request.entry = text("--entry", parser.value()?)?,
            Arg::Long("whole-archive") => whole = true,
            Arg::Long("no-whole-archive") => whole = false,
            Arg::Long("lazy") => options.lazy = true,
            Arg::Long("cache") => options.cache = Some(parser.value()?.into()),
            Arg::Long("speculate") => {
                let order = parser.optional_value().map(|path| Speculation::Order(path.into()));
                options.speculate = Some(order.unwrap_or(Speculation::Calls));
            }
            Arg::Long("gc-sections") => options.gc_sections = true,
            Arg::Long("strict-wx") => options.strict_wx = true,
            Arg::Long("executor") => options.executor = Some(place(parser.value()?)?),
            Arg::Long("sandbox") => options.sandbox = true,
            Arg::Long("debugger") => options.debugger = true,
            Arg::Long("allow") => options.allowed.push(text("--allow", parser.value()?)?),
            Arg::Long("save-image") => options.save_image = Some(parser.value()?.into()),
            Arg::Long("times") => options.times = times(parser.optional_value())?,
            Arg::Long("cflag") => options.flags.c.push(parser.value()?),
            Arg::Long("rustflag") => options.flags.rust.push(parser.value()?),
            Arg::Short('O') => options.flags.optimize = Some(parser.optional_value().unwrap_or_default()),
            Arg::Short('g') => options.flags.debug = Some(parser.optional_value().unwrap_or_default()),
            Arg::Short(letter @ ('I' | 'D' | 'U')) => {
                let value = parser.value()?;
                options.flags.c.push(joined(letter, &value));
            }
            Arg::Short(letter @ ('f' | 'm' | 'W' | 's' | 'p')) => {
                let rest = raw_rest(&mut parser);
                options.flags.c.push(compiler_flag(letter, &rest)?);
            }
            Arg::Short(letter) => return Err(unknown_option(format!("-{letter}{}", raw_rest(&mut parser).display()))),
            Arg::Long(name) => unreachable!("--{name} is in the table but has no meaning"),
            Arg::Value(_) => unreachable!("values were taken above"),
        }
    }
    if !request.mentions.iter().any(|mention| matches!(mention, Mention::File(..) | Mention::Library(..))) {
        let command = if image.is_some() { "image" } else { "run" };
        return Err(Error::Files { command, problem: "needs a file; `uruk run --help` tells more" });
    }
    let request = Box::new(request);
    match image {
        None => Ok(Command::Run(request)),
        Some(image) => image::command(request, image),
    }
}

/// What is left of a cluster of short options, an equals sign included.
fn raw_rest(parser: &mut lexopt::Parser) -> OsString {
    parser.optional_value().unwrap_or_default()
}

fn joined(letter: char, value: &OsStr) -> OsString {
    let mut flag = OsString::from(format!("-{letter}"));
    flag.push(value);
    flag
}

/// Flags that go to the compiler as they are: `-f…`, `-m…`, `-W…`, `-std=…`, `-pthread`.
fn compiler_flag(letter: char, rest: &OsStr) -> Result<OsString, Error> {
    let flag = joined(letter, rest);
    let text = flag.to_string_lossy();
    let known = match letter {
        // A single letter would be read as a whole flag by no compiler.
        'f' | 'm' => !rest.is_empty(),
        // `-Wl,` speaks to a linker, and there is none.
        'W' => !text.starts_with("-Wl,"),
        's' => text.starts_with("-std="),
        _ => text == "-pthread",
    };
    if known { Ok(flag) } else { Err(unknown_option(text.into_owned())) }
}

fn unknown_option(option: String) -> Error {
    // One dash instead of two is the likeliest mistake for a long word.
    let long = if option.starts_with("--") { option.clone() } else { format!("-{option}") };
    let wanted = long.split('=').next().unwrap_or(&long);
    let hint = if options::long_names().any(|name| name == wanted) {
        format!("; did you mean `{wanted}`?")
    } else if option.starts_with("-Wl,") {
        "; there is no linker to give it to".to_owned()
    } else {
        match near::nearest(wanted.as_bytes(), options::long_names(), 1)[..] {
            [near] => format!("; did you mean `{near}`?"),
            _ => String::new(),
        }
    };
    Error::UnknownOption { option, hint }
}

fn text(option: &'static str, value: OsString) -> Result<String, Error> {
    match value.into_string() {
        Ok(text) if !text.is_empty() => Ok(text),
        Ok(text) => Err(Error::BadValue { option, wanted: "a name", found: text }),
        Err(value) => Err(Error::BadValue { option, wanted: "a name in UTF-8", found: value.display().to_string() }),
    }
}

fn place(value: OsString) -> Result<Place, Error> {
    match value.to_str().filter(|text| text.starts_with("tcp:") || text.starts_with("unix:")) {
        Some(text) => text.parse().map(Place::Listening).map_err(|_| Error::BadValue {
            option: "--executor",
            wanted: "a program, pipes:PROGRAM, tcp:HOST:PORT or unix:PATH",
            found: text.into(),
        }),
        None => Ok(match value.to_str().and_then(|text| text.strip_prefix("pipes:")) {
            Some(program) => Place::Piped(program.into()),
            None => Place::Child(value.into()),
        }),
    }
}

fn threads(value: &OsStr) -> Result<NonZeroUsize, Error> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::BadValue {
        option: "-j",
        wanted: "a number above 0",
        found: value.display().to_string(),
    })
}

fn times(value: Option<OsString>) -> Result<Times, Error> {
    match value {
        None => Ok(Times::Text),
        Some(value) if value == "json" => Ok(Times::Json),
        Some(value) => {
            Err(Error::BadValue { option: "--times", wanted: "`json` or nothing", found: value.display().to_string() })
        }
    }
}
