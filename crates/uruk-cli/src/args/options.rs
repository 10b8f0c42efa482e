//! What the command line takes, as a table from which the help and the near matches of mistyped options are made.
//! The parser in `args.rs` gives each its meaning; a test holds the two together.

/// An option of `uruk run`.
pub struct OptionSpec {
    /// How it is written, its forms separated by commas, each with its value.
    pub forms: &'static str,
    /// What it does, in one or two sentences.
    pub help: &'static str,
}

/// The commands that exist, with what they take and what they do.
pub const COMMANDS: &[(&str, &str, &str)] = &[
    ("run", "[OPTION|FILE]... [-- ARG...]", "link files and run the program they make"),
    ("repl", "[--backend NAME] [FILE]", "evaluate the Kaleidoscope language as it is typed"),
    ("link", "[FLAG|FILE]...", "link files as llvm-jitlink does, check and show what was linked"),
    ("executor", "--listen ADDRESS", "run code for `uruk run --executor` of another process or machine"),
    ("image", "build|info|diff ...", "link files and write a program that needs no linker; show and compare such"),
    ("inspect", "FILE", "show what the linker sees in a file"),
    ("help", "[COMMAND]", "tell about a command"),
];

const fn option(forms: &'static str, help: &'static str) -> OptionSpec {
    OptionSpec { forms, help }
}

/// The options of `uruk run`, by group, as the help shows them.
#[rustfmt::skip]
pub const RUN: &[(&str, &[OptionSpec])] = &[
    ("Libraries", &[
        option("-l NAME", "Link the library NAME: libNAME.so, else libNAME.a, from the folders below. `-l :FILE` takes that file name as it is. If a --jd has that NAME, link against it instead."),
        option("-L DIR", "Look for libraries in DIR, before the system's folders. Counts for every -l, wherever it stands."),
        option("--dylib PATH|SONAME", "Load a shared library; a name without a slash is looked for as the system's loader does."),
        option("--whole-archive", "Link every member of the archives that follow, also those nothing refers to."),
        option("--no-whole-archive", "Link only the members that are needed, as is usual."),
    ]),
    ("Program", &[
        option("--entry NAME", "Call NAME instead of main."),
        option("--jd NAME", "The files that follow make a dylib of their own, named NAME. A dylib looks for what it lacks in those it names by -l, or if it names none, in all others in the order of mention."),
        option("--lazy", "Compile sources and link objects when one of their functions is first called; what is never called is never compiled. C++'s global variables are initialised before the first use of anything in their file."),
        option("--speculate, --speculate=FILE", "With --lazy: compile what is likely to be called next on other threads, by the calls in the code, or in the order of the first calls of an earlier run, which FILE remembers."),
        option("--cache DIR", "Keep what was compiled in DIR, and look there first. It takes at most 1 GiB and may be used by several processes at once."),
        option("--gc-sections", "Leave out sections that nothing refers to."),
        option("--strict-wx", "Give each batch of code pages of its own and never write to one that has been executable."),
        option("--executor PLACE", "Run the code elsewhere: in a child that is the program PLACE (uruk-executor), pipes:PLACE for one that shares no memory, or in an executor that listens at tcp:HOST:PORT or unix:PATH (`uruk executor --listen`), which is told the secret in the environment variable URUK_SECRET. It may be of another architecture."),
        option("--sandbox", "Run the code in a child that can compute, read the system's libraries and use the standard streams, and nothing else: it opens no other files, no connections and no programs. An executor that listens is started with --sandbox itself."),
        option("--debugger", "Keep debug information and tell debuggers about it."),
        option("--save-image FILE", "Offer the program the functions of uruk.h for worlds and images, and `uruk_save_image`, with which it saves itself to FILE once it has built its state. The file starts from there."),
        option("--allow PATH", "With --save-image: the word at PATH, as messages name it, holds an address of this process, and may be in the file."),
        option("-j N", "Use at most N threads. The default is one for each processor."),
        option("--times, --times=json", "Report on standard error how long each phase took."),
    ]),
    ("Compiling sources", &[
        option("-O[LEVEL]", "Optimise, in every language."),
        option("-g[LEVEL]", "Make debug information, in every language."),
        option("-I DIR", "Look for included files in DIR (C, C++, Fortran)."),
        option("-D NAME[=VALUE]", "Define a macro (C, C++, Fortran)."),
        option("-U NAME", "Undefine a macro (C, C++, Fortran)."),
        option("-std=STANDARD", "Choose the language standard (C, C++, Fortran); given to the compilers of languages that have it."),
        option("-fFLAG, -mFLAG, -WFLAG", "Given to the compiler as they are (C, C++, Fortran)."),
        option("--cflag FLAG", "Give any other FLAG to the compiler (C, C++, Fortran)."),
        option("--rustflag FLAG", "Give FLAG to rustc."),
    ]),
    ("Other", &[
        option("-- ARG...", "Everything after two dashes goes to the program."),
        option("@FILE", "Read arguments from FILE: blanks separate them, quotation marks and backslashes keep blanks."),
        option("-h, --help", "Show this text."),
        option("-V, --version", "Show the version."),
    ]),
];

/// The long options, with their dashes.
pub fn long_names() -> impl Iterator<Item = &'static str> {
    let forms = RUN.iter().flat_map(|(_, options)| options.iter()).flat_map(|option| option.forms.split(", "));
    forms
        .map(|form| form.split([' ', '=']).next().unwrap_or(form))
        .filter(|name| name.starts_with("--") && 2 < name.len())
}

/// The text of `uruk --help`.
pub fn overview() -> String {
    let mut text = String::from(
        "Uruk links object files into this process and runs them, without a link step.\n\nUsage: uruk COMMAND ...\n\n\
         Commands:\n",
    );
    for (name, takes, help) in COMMANDS {
        text += &format!("  {:<38} {help}\n", format!("{name} {takes}"));
    }
    text += "\nExamples:\n  uruk run hello.c\n  uruk run main.o libzip.a -lz -- archive.zip\n\n\
             `uruk help COMMAND` tells more. Options -h, --help, -V and --version go with every command.\n";
    text
}

/// The text of `uruk run --help`.
pub fn run_help() -> String {
    let mut text = String::from(
        "Usage: uruk run [OPTION|FILE]... [-- ARG...]\n\n\
         Links the FILEs in memory and calls main with the ARGs. The exit status is the program's own, or 125\n\
         if there was nothing to run, with the reason on standard error.\n\n\
         A FILE is an object, an archive, a shared library or a linker script, told by its content, or a source\n\
         told by its ending, which is compiled first: .c .s .S with $CC or cc; .cc .cpp .cxx with $CXX or c++;\n\
         .rs with $RUSTC or rustc; .f .f90 and other Fortran with $FC or gfortran.\n\
         LLVM IR, in .ll files or as bitcode under any name, is compiled by the plugin liburuk_llvm_plugin.so, which\n\
         needs LLVM 22 and is looked for beside this command, in ../lib/uruk, and where URUK_LLVM says.\n",
    );
    for (group, options) in RUN {
        text += &format!("\n{group}:\n");
        for option in *options {
            text += &format!("  {}\n", option.forms);
            for line in wrap(option.help, 92) {
                text += &format!("        {line}\n");
            }
        }
    }
    text += "\nExamples:\n  uruk run -O2 -g prog.c util.cc -lm -- input.txt\n  \
             uruk run main.o --jd plugin plugin.o --jd main -lplugin\n  uruk run @program.rsp\n";
    text
}

/// The text of `uruk inspect --help`.
pub fn inspect_help() -> String {
    "Usage: uruk inspect FILE\n\nShows what the linker sees in an object or archive, as text.\n".to_owned()
}

/// The text of `uruk repl --help`.
pub fn repl_help() -> String {
    "Usage: uruk repl [--backend cranelift|llvm] [FILE]\n\n\
     Compiles and runs a program in the Kaleidoscope language: FILE, or what is typed, or standard input if that is\n\
     no terminal. The value of each expression is printed. A mistake does not end it; the exit status is 1 if there\n\
     was one in a FILE or on standard input.\n\n\
     \x20 def f(x y) x + y * 2                  defines a function, or defines it anew for all its callers\n\
     \x20 def unary!(x) if x then 0 else 1      defines an operator; binary ones have a precedence:\n\
     \x20 def binary| 5 (x y) if x then 1 else if y then 1 else 0\n\
     \x20 extern sin(x)                         declares a function of doubles that the process has\n\
     \x20 for i = 1, i < 10, 2 in printd(i)     computes something for i = 1, 3, ... as long as i < 10\n\
     \x20 var a = 1, b in b = a + 1             has variables\n\
     \x20 # a comment\n\n\
     putchard(code) and printd(number), once declared by `extern`, print.\n"
        .to_owned()
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && width < line.len() + 1 + word.len() {
            lines.push(word.to_owned());
        } else {
            *line += if line.is_empty() { "" } else { " " };
            *line += word;
        }
    }
    lines
}
