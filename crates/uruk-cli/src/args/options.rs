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
        option("--gc-sections", "Leave out sections that nothing refers to."),
        option("--strict-wx", "Give each batch of code pages of its own and never write to one that has been executable."),
        option("--debugger", "Keep debug information and tell debuggers about it."),
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
