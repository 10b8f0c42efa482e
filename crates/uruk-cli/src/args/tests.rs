//! Command lines and what they mean.

use super::*;

fn run(line: &str) -> Result<Request, String> {
    let arguments = std::iter::once("run").chain(line.split_whitespace()).map(OsString::from).collect();
    match parse(arguments) {
        Ok(Command::Run(request)) => Ok(*request),
        Ok(other) => panic!("{line}: {other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn order_decides_what_belongs_together() {
    let request =
        run("a.o -lm --jd p -l z --whole-archive b.a -l:x.a --no-whole-archive c.a --dylib y.so -L d -Le -- -l @q --")
            .unwrap();
    let file = |path: &str, whole| Mention::File(path.into(), whole);
    let library = |name: &str, whole| Mention::Library(name.into(), whole);
    let want = [
        file("a.o", false),
        library("m", false),
        Mention::Dylib("p".into()),
        library("z", false),
        file("b.a", true),
        library(":x.a", true),
        file("c.a", false),
        Mention::Shared("y.so".into()),
    ];
    assert_eq!(request.mentions, want);
    assert_eq!(request.folders, [PathBuf::from("d"), PathBuf::from("e")]);
    assert_eq!(request.arguments, ["-l", "@q", "--"]);
    assert_eq!(request.entry, "main");
}

#[test]
fn options_have_their_meaning() {
    let request = run("--entry start -j4 --times=json --strict-wx --gc-sections --debugger a.o").unwrap();
    assert_eq!(request.entry, "start");
    let options = request.options;
    assert_eq!((options.threads.map(NonZeroUsize::get), options.times), (Some(4), Times::Json));
    assert!(options.strict_wx && options.gc_sections && options.debugger);
    let lazy = run("--lazy --speculate=o.txt a.o").unwrap().options;
    assert!(lazy.lazy && lazy.speculate == Some(Speculation::Order("o.txt".into())));
    assert_eq!(run("--lazy --speculate a.o").unwrap().options.speculate, Some(Speculation::Calls));
    assert_eq!(run("--times a.o").unwrap().options.times, Times::Text);
}

#[test]
fn compilers_get_their_flags() {
    let flags = run("-O2 -ggdb -I inc -DX=1 -U Y -std=c11 -fno-pic -m32 -Wall -pthread --cflag -x --rustflag -Cx a.c");
    let flags = flags.unwrap().options.flags;
    let c = ["-Iinc", "-DX=1", "-UY", "-std=c11", "-fno-pic", "-m32", "-Wall", "-pthread", "-x"];
    assert_eq!(flags.c, c);
    assert_eq!(flags.rust, ["-Cx"]);
    assert_eq!((flags.optimize, flags.debug), (Some("2".into()), Some("gdb".into())));
    assert_eq!(run("-O -g a.c").unwrap().options.flags.optimize, Some("".into()));
}

#[test]
fn mistakes_are_explained() {
    let check = |line: &str, want: &str| assert_eq!(run(line).unwrap_err(), want, "{line}");
    let more = "; `uruk run --help` lists all";
    check("--entri x a.o", &format!("there is no option `--entri`; did you mean `--entry`?{more}"));
    check("-strict-wx a.o", &format!("there is no option `-strict-wx`; did you mean `--strict-wx`?{more}"));
    check("-Wl,-z,now a.o", &format!("there is no option `-Wl,-z,now`; there is no linker to give it to{more}"));
    check("-q a.o", &format!("there is no option `-q`{more}"));
    check("--entry", "missing argument for option '--entry'");
    check("-j 0 a.o", "`-j` takes a number above 0, not `0`");
    check("--times=xml a.o", "`--times` takes `json` or nothing, not `xml`");
    check("--gc-sections=no a.o", "unexpected argument for option '--gc-sections': \"no\"");
    check("--jd p", "`uruk run` needs a file; `uruk run --help` tells more");
}

#[test]
fn commands_and_help() {
    let text = |line: &str| match parse(line.split_whitespace().map(OsString::from).collect()) {
        Ok(Command::Print(text)) => text,
        Ok(other) => panic!("{line}: {other:?}"),
        Err(error) => error.to_string(),
    };
    assert!(text("--help").contains("uruk COMMAND"));
    assert!(text("run a.o --help").contains("--whole-archive"));
    assert_eq!(text("help run"), text("run -h"));
    assert!(text("-V").starts_with("uruk "));
    assert_eq!(
        text("rum"),
        "there is no command `rum` (did you mean `run`?); the commands are: run, repl, link, executor, image, inspect, help"
    );
    assert!(text("a.o").contains("(did you mean `uruk run a.o`?)"));
    assert!(text("").starts_with("no command given"));
    assert_eq!(text("inspect"), "`uruk inspect` needs a file");
    assert_eq!(text("help image"), text("image build -h"));
    assert_eq!(text("image -V"), text("-V"));
    assert_eq!(text("image build a.o"), "`uruk image` needs a file to write: `-o FILE`");
    assert!(text("image build -o x").starts_with("`uruk image` needs a file; "));
    assert!(text("image build -o x a.o -- y").contains("takes no arguments of the program"));
    assert!(text("run --keep y a.o").starts_with("there is no option `--keep`"));
}

#[test]
fn images_have_options_of_their_own() {
    let image = |line: &str| {
        let arguments = format!("image build {line}");
        match parse(arguments.split_whitespace().map(OsString::from).collect()).unwrap() {
            Command::Image(request, image) => (*request, image),
            other => panic!("{line}: {other:?}"),
        }
    };
    let (request, apart) = image("-O2 a.o --at 0x800000 --keep f -o x --dylib --strip --keep g --shared --strip");
    assert_eq!(request.mentions, [Mention::File("a.o".into(), false), Mention::Shared("--strip".into())]);
    let keep = vec!["f".to_owned(), "g".to_owned()];
    let want = Image { output: "x".into(), kind: ImageKind::Shared, address: Some(0x80_0000), keep, strip: true };
    assert_eq!(apart, want);
    assert_eq!(image("-ox --at=8388608 --keep=f --keep=g --shared --strip a.o").1, want);
}

#[test]
fn every_option_of_the_table_is_understood() {
    for name in options::long_names() {
        let result = run_any(&[name, "1", "a.o"]);
        assert!(result.is_ok(), "{name}: {result:?}");
    }
    assert!(options::run_help().lines().all(|line| line.chars().count() <= 110));
}

fn run_any(arguments: &[&str]) -> Result<Command, Error> {
    parse(std::iter::once("run").chain(arguments.iter().copied()).map(OsString::from).collect())
}
