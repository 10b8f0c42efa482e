//! The flags of `uruk link`: those of `llvm-jitlink`, with one or two dashes, as `-flag=value` or `-flag value`.
//!
//! Data flow: arguments → [`parse`], by the table [`FLAGS`] → a [`Request`]: settings, and in their order what belongs to a
//! library. Looks at no file. Every flag of the other tool is in the table, also those that are refused.

use super::error::Error;
use super::values::{self, Absolute, Alias, Created, Slab};
use crate::args::Place;
use crate::near;
use std::ffi::OsString;
use std::path::PathBuf;

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Takes {
    /// Nothing; `=0` and `=false` switch it off.
    Nothing,
    /// A value.
    Value,
    /// All arguments that follow.
    Rest,
    /// Nothing, or a value behind `=`.
    Perhaps,
}

/// A flag as it is written, what it takes, and what it does.
struct Flag {
    name: &'static str,
    takes: Takes,
    /// What its value is called.
    value: &'static str,
    help: &'static str,
}

const fn flag(name: &'static str, help: &'static str) -> Flag {
    Flag { name, takes: Takes::Nothing, value: "", help }
}

const fn with(name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { name, takes: Takes::Value, value, help }
}

/// All flags, as the help shows them.
#[rustfmt::skip]
const FLAGS: &[(&str, &[Flag])] = &[
    ("What is linked", &[
        with("jd", "NAME", "What follows belongs to the library NAME: files, -L, -l, -abs, -alias, -sectcreate. Before the first -jd it is `main`."),
        with("L", "DIR", "Look for libraries of this library in DIR."),
        with("l", "NAME", "Link this library against the one that -jd calls NAME, or else libNAME.so or libNAME.a."),
        with("hidden-l", "NAME", "Link libNAME.a; other libraries do not see its symbols."),
        with("load_hidden", "FILE", "Link the archive FILE; other libraries do not see its symbols."),
        with("weak-l", "NAME", "Take everything that NAME.tbd or libNAME.tbd lists for null."),
        with("weak_library", "FILE", "Take everything that the text-based stub FILE lists for null."),
        flag("search-sys-lib", "Look for libraries in the system's folders, too."),
        flag("all_load", "Link all members of archives."),
        flag("ObjC", "Link the members of archives that have Objective-C classes or categories."),
        flag("lazy", "Link the next file when one of its functions is called first."),
        with("abs", "NAME=ADDRESS", "Define NAME at an address."),
        with("alias", "[LIB:]A=[LIB:]B", "Make A another name of B."),
        with("sectcreate", "SECTION,FILE[@SYMBOL=OFFSET,...]", "Make a section of the bytes of FILE, with symbols."),
        flag("harness", "Files up to the next flag may name private symbols of the others, and replace their definitions."),
        with("preload", "LIBRARY", "Load a shared library into this process first."),
        flag("no-process-syms", "Do not resolve names from this process."),
        flag("phony-externals", "Take what nothing defines for null."),
        with("triple", "TRIPLE", "Link for this target, whatever the first file is for."),
        flag("add-self-relocations", "Refused: it concerns 32-bit ARM."),
    ]),
    ("How it is linked", &[
        flag("noexec", "Lay out, fix up and check, but run nothing. Any architecture."),
        with("entry", "NAME", "The function to run, which has to be there in any case."),
        with("slab-allocate", "SIZE", "Take all memory from one block of this size: a number with Kb, Mb or Gb. Needs -noexec."),
        with("slab-address", "ADDRESS", "Link as if the block were at this address."),
        with("slab-page-size", "BYTES", "The size of its pages."),
        with("num-threads", "N", "Link on N threads."),
        with("use-memmgr", "default|generic|simple-remote|shared", "How another process gets its memory filled."),
        with("orc-runtime", "FILE", "Accepted and not needed: run-time support is built in."),
        flag("debugger-support", "Show the code to debuggers."),
        flag("perf-support", "Refused until the profiler's files are written."),
        flag("vtune-support", "Refused."),
        with("speculate", "none|simple", "Link lazy files ahead, by the calls in the code."),
        with("speculate-order", "FILE", "Link the lazy functions that a file lists ahead: lines `library,function`."),
        with("record-lazy-execs", "FILE", "Write which lazy functions were called, in this form."),
        Flag { name: "oop-executor", takes: Takes::Perhaps, value: "PATH", help: "Run the code in another process: this program, or one that takes `--pipes`." },
        with("oop-executor-connect", "HOST:PORT", "Run the code in an executor that listens, as `uruk executor --listen` does."),
        Flag { name: "args", takes: Takes::Rest, value: "ARG...", help: "The rest are the program's arguments, from argv[0] on." },
    ]),
    ("What is checked and shown", &[
        with("check", "FILE", "Check the rules of a file once everything is linked."),
        with("check-name", "NAME", "What rules begin with, instead of jitlink-check."),
        flag("show-addrs", "Show the addresses of symbols, sections, GOT slots and stubs."),
        with("show-graphs", "REGEX", "Show the linked graphs of files whose names match."),
        flag("show-init-es", "Show libraries and symbols before the entry is looked up."),
        flag("show-entry-es", "Show them afterwards."),
        flag("show-linked-files", "Name each file as it is linked."),
        flag("show-relocated-section-contents", "Show the bytes of sections once they are fixed up."),
        flag("show-err-failed-to-materialize", "Show the causes of a failure, too."),
        flag("show-times", "Report how long each phase took."),
        with("write-symtab", "FILE", "Write the addresses of all symbols to a file."),
        with("symbolicate-with", "FILE", "Link nothing: name the addresses in backtraces, with such a file."),
    ]),
];

fn find(name: &str) -> Option<&'static Flag> {
    FLAGS.iter().flat_map(|(_, flags)| flags.iter()).find(|flag| flag.name == name)
}

/// What belongs to a library, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Mention {
    /// What follows belongs to this library.
    Library(String),
    /// An object, an archive, or a shared library.
    File {
        /// Which.
        path: PathBuf,
        /// It is linked when one of its functions is called.
        lazy: bool,
        /// It may name private symbols of others.
        harness: bool,
    },
    /// `-L`
    Folder(PathBuf),
    /// `-l`, or `-hidden-l`
    Link {
        /// Its name.
        name: String,
        /// Other libraries do not see it.
        hidden: bool,
    },
    /// `-load_hidden`
    Hidden(PathBuf),
    /// `-weak-l`
    WeakLink(String),
    /// `-weak_library`
    WeakFile(PathBuf),
    /// `-abs`
    Absolute(Absolute),
    /// `-alias`
    Alias(Alias),
    /// `-sectcreate`
    Section(Created),
}

/// The arguments of `uruk link`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// In their order.
    pub mentions: Vec<Mention>,
    /// The entry's name, if it is not the usual one.
    pub entry: Option<String>,
    /// The program's arguments.
    pub arguments: Vec<OsString>,
    /// Files with rules.
    pub checks: Vec<PathBuf>,
    /// What rules begin with.
    pub check_name: Option<String>,
    /// Where everything is laid out.
    pub slab: Slab,
    /// Where the code runs, if it is not this process: one at most.
    pub executors: Vec<Place>,
    /// Whether that process has to take code and data in shared memory, or has to do without.
    pub share_memory: Option<bool>,
    /// Run nothing.
    pub no_exec: bool,
    /// Resolve nothing from the process.
    pub no_process: bool,
    /// What nothing defines is null.
    pub phony: bool,
    /// Link all members of archives.
    pub all_load: bool,
    /// Link those with Objective-C classes.
    pub objc: bool,
    /// Look in the system's folders.
    pub system_folders: bool,
    /// Shared libraries to load first.
    pub preload: Vec<String>,
    /// What to link for.
    pub triple: Option<String>,
    /// Threads to link on.
    pub threads: Option<usize>,
    /// Show the code to debuggers, or not.
    pub debugger: Option<bool>,
    /// The run-time library was given.
    pub runtime: bool,
    /// Link ahead what is likely to be called.
    pub speculate: bool,
    /// Link ahead what a file lists.
    pub order: Option<PathBuf>,
    /// Where to write what was called.
    pub record: Option<PathBuf>,
    /// What to show.
    pub show: Show,
    /// Where to write the symbols.
    pub write_symbols: Option<PathBuf>,
    /// What to name addresses with.
    pub symbolicate: Option<PathBuf>,
    /// Only the help is wanted.
    pub help: bool,
}

/// What to show on standard output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Show {
    /// Addresses of everything.
    pub addresses: bool,
    /// Graphs of files whose names match.
    pub graphs: Option<String>,
    /// The session before the entry is looked up.
    pub before: bool,
    /// The session after that.
    pub after: bool,
    /// Files as they are linked.
    pub files: bool,
    /// Bytes of sections.
    pub contents: bool,
    /// Causes of failures.
    pub causes: bool,
    /// Times of phases.
    pub times: bool,
}

/// Reads the arguments after `link`.
pub fn parse(arguments: Vec<OsString>) -> Result<Request, Error> {
    let mut request = Request::default();
    let mut arguments = arguments.into_iter();
    let (mut lazy, mut harness) = (false, false);
    while let Some(argument) = arguments.next() {
        let text = argument.to_string_lossy();
        let Some(written) = text.strip_prefix("--").or_else(|| text.strip_prefix('-')).filter(|rest| !rest.is_empty())
        else {
            let lazy = std::mem::take(&mut lazy);
            request.mentions.push(Mention::File { path: argument.into(), lazy, harness });
            continue;
        };
        harness = false;
        let (flag, value) = split(written)?;
        let value = match (flag.takes, value) {
            (Takes::Rest, _) => {
                request.arguments = arguments.collect();
                return Ok(request);
            }
            (Takes::Value, None) => {
                let value = arguments.next().ok_or(Error::NoValue { flag: flag.name, value: flag.value })?;
                value.to_string_lossy().into_owned()
            }
            (Takes::Nothing, Some(value)) => match &*value {
                "1" | "true" => String::new(),
                // As if it were not there.
                "0" | "false" => {
                    if flag.name == "debugger-support" {
                        request.debugger = Some(false);
                    }
                    continue;
                }
                _ => return Err(Error::BadValue { flag: flag.name, wanted: "0 or 1, if anything", found: value }),
            },
            (_, value) => value.unwrap_or_default(),
        };
        match flag.name {
            "lazy" => lazy = true,
            "harness" => harness = true,
            _ => request.set(flag.name, value)?,
        }
    }
    Ok(request)
}

/// The flag that an argument names, and the value that it brings along.
fn split(written: &str) -> Result<(&'static Flag, Option<String>), Error> {
    let (name, value) = match written.split_once('=') {
        Some((name, value)) => (name, Some(value.to_string())),
        None => (written, None),
    };
    if let "h" | "help" = name {
        const HELP: Flag = flag("help", "");
        return Ok((&HELP, None));
    }
    if let Some(flag) = find(name) {
        return Ok((flag, value));
    }
    // `-Ldir`, `-lname`
    for letter in ["L", "l"] {
        if let (Some(flag), Some(rest)) = (find(letter), written.strip_prefix(letter)) {
            return Ok((flag, Some(rest.to_string())));
        }
    }
    let names = FLAGS.iter().flat_map(|(_, flags)| flags.iter()).map(|flag| flag.name);
    let hint = match near::nearest(name.as_bytes(), names, 1)[..] {
        [near] => format!("; did you mean `-{near}`?"),
        _ => String::new(),
    };
    Err(Error::UnknownFlag { flag: format!("-{name}"), hint })
}

impl Request {
    fn set(&mut self, flag: &'static str, value: String) -> Result<(), Error> {
        let bad = |wanted| Error::BadValue { flag, wanted, found: value.clone() };
        match flag {
            "help" => self.help = true,
            "jd" => self.mentions.push(Mention::Library(value)),
            "L" => self.mentions.push(Mention::Folder(value.into())),
            "l" => self.mentions.push(Mention::Link { name: value, hidden: false }),
            "hidden-l" => self.mentions.push(Mention::Link { name: value, hidden: true }),
            "load_hidden" => self.mentions.push(Mention::Hidden(value.into())),
            "weak-l" => self.mentions.push(Mention::WeakLink(value)),
            "weak_library" => self.mentions.push(Mention::WeakFile(value.into())),
            "abs" => {
                let absolute = values::absolute(&value);
                self.mentions.push(Mention::Absolute(absolute.ok_or_else(|| bad("NAME=ADDRESS"))?));
            }
            "alias" => {
                let alias = values::alias(&value);
                self.mentions.push(Mention::Alias(alias.ok_or_else(|| bad("[LIB:]A=[LIB:]B"))?));
            }
            "sectcreate" => {
                let created = values::created(&value);
                self.mentions.push(Mention::Section(created.ok_or_else(|| bad("SECTION,FILE[@SYMBOL=OFFSET,...]"))?));
            }
            "preload" => self.preload.push(value),
            "triple" => self.triple = Some(value),
            "entry" => self.entry = Some(value),
            "check" => self.checks.push(value.into()),
            "check-name" => self.check_name = Some(value),
            "slab-allocate" => {
                let size = values::size(&value).ok_or_else(|| bad("a number with Kb, Mb or Gb, or of Kb"))?;
                self.slab.size = Some(size);
            }
            "slab-address" => self.slab.address = Some(values::number(&value).ok_or_else(|| bad("an address"))?),
            "slab-page-size" => {
                let page = values::number(&value).filter(|page| page.is_power_of_two());
                self.slab.page = Some(page.ok_or_else(|| bad("a power of two"))?);
            }
            "num-threads" => {
                let number = value.parse().ok().filter(|number| *number != 0);
                self.threads = Some(number.ok_or_else(|| bad("a number above 0"))?);
            }
            "speculate" => match &*value {
                "none" => {}
                "simple" => self.speculate = true,
                _ => return Err(bad("`none` or `simple`")),
            },
            "speculate-order" => self.order = Some(value.into()),
            "record-lazy-execs" => self.record = Some(value.into()),
            "show-graphs" => self.show.graphs = Some(value),
            "write-symtab" => self.write_symbols = Some(value.into()),
            "symbolicate-with" => self.symbolicate = Some(value.into()),
            "use-memmgr" => match &*value {
                "default" => {}
                "generic" | "simple-remote" => self.share_memory = Some(false),
                "shared" => self.share_memory = Some(true),
                _ => return Err(bad("`default`, `generic`, `simple-remote` or `shared`")),
            },
            "oop-executor" if value.is_empty() => self.executors.push(Place::Own),
            "oop-executor" => self.executors.push(Place::Child(value.into())),
            "oop-executor-connect" => {
                let address = format!("tcp:{value}").parse().map_err(|_| bad("HOST:PORT"))?;
                self.executors.push(Place::Listening(address));
            }
            _ => return self.switch(flag),
        }
        Ok(())
    }

    /// Flags without a value.
    fn switch(&mut self, flag: &'static str) -> Result<(), Error> {
        let refused = |advice| Err(Error::Refused { flag, advice });
        match flag {
            "noexec" => self.no_exec = true,
            "no-process-syms" => self.no_process = true,
            "phony-externals" => self.phony = true,
            "all_load" => self.all_load = true,
            "ObjC" => self.objc = true,
            "search-sys-lib" => self.system_folders = true,
            "orc-runtime" => self.runtime = true,
            "debugger-support" => self.debugger = Some(true),
            "show-addrs" => self.show.addresses = true,
            "show-init-es" => self.show.before = true,
            "show-entry-es" => self.show.after = true,
            "show-linked-files" => self.show.files = true,
            "show-relocated-section-contents" => self.show.contents = true,
            "show-err-failed-to-materialize" => self.show.causes = true,
            "show-times" => self.show.times = true,
            "perf-support" => {
                return refused("no files are written for perf yet; `-debugger-support` names functions in gdb");
            }
            "vtune-support" => {
                return refused("VTune is not told of linked code; `-debugger-support` names functions in gdb");
            }
            "add-self-relocations" => return refused("it changes graphs of 32-bit ARM only, which is not linked here"),
            _ => unreachable!("-{flag} is in the table but has no meaning"),
        }
        Ok(())
    }
}

/// The text of `uruk link --help`.
pub fn help() -> String {
    let mut text = String::from(
        "Usage: uruk link [FLAG|FILE]...\n\n\
         The linker under test, with the flags of llvm-jitlink: links FILEs, checks rules about what was linked, and runs\n\
         main unless told not to. The exit status is the program's own, 0 after -noexec, or 1 with the reason on standard\n\
         error. Flags begin with one or two dashes; values follow a blank or an equals sign.\n",
    );
    for (group, flags) in FLAGS {
        text += &format!("\n{group}:\n");
        for flag in *flags {
            let value = if flag.value.is_empty() { String::new() } else { format!(" {}", flag.value) };
            text += &format!("  -{}{value}\n        {}\n", flag.name, flag.help);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &[&str]) -> Result<Request, Error> {
        parse(words.iter().map(OsString::from).collect())
    }

    #[test]
    fn every_flag_of_the_table_is_understood() {
        let values = ["a", "1", "a=1", "a=b", "s,f", "none", "default", "localhost:1"];
        for flag in FLAGS.iter().flat_map(|(_, flags)| flags.iter()) {
            let written = format!("-{}", flag.name);
            let results = match flag.takes {
                Takes::Value => values.map(|value| parse_words(&[&written, value])).into(),
                _ => vec![parse_words(&[&written])],
            };
            let understood = |result: &Result<Request, Error>| matches!(result, Ok(_) | Err(Error::Refused { .. }));
            assert!(results.iter().any(understood), "{written}: {results:?}");
        }
        assert!(help().lines().all(|line| line.chars().count() <= 160));
    }

    #[test]
    fn values_follow_names_in_any_form() {
        let mentions = |words: &[&str]| parse_words(words).unwrap().mentions;
        let folder = [Mention::Folder("d".into())];
        for words in [&["-Ld"][..], &["-L", "d"], &["-L=d"], &["--L=d"]] {
            assert_eq!(mentions(words), folder, "{words:?}");
        }
        assert_eq!(mentions(&["-lfoo"]), mentions(&["-l", "foo"]));
        assert_eq!(mentions(&["-load_hidden=x"]), [Mention::Hidden("x".into())], "no -l of `oad_hidden`");
        let file = |path: &str, lazy, harness| Mention::File { path: path.into(), lazy, harness };
        let files = [file("a", false, false), file("b", true, false), file("c", false, false)];
        assert_eq!(mentions(&["a", "-lazy", "b", "c"]), files);
        let files = [file("a", false, true), file("b", false, true), file("c", false, false)];
        assert_eq!(mentions(&["-harness", "a", "b", "-noexec", "c"]), files);
    }
}
