//! The arguments of `uruk image`: its own, and of `uruk image build` those of `uruk run`, too.

use std::ffi::{OsStr, OsString};

use lexopt::{Arg, Parser};

use super::{Command, Image, ImageKind, Request, parse_files, text, version};
use crate::Error;

/// The text of `uruk image --help`.
pub fn help() -> String {
    "Usage: uruk image build -o FILE [--shared|--mapped] [--at ADDRESS] [--keep NAME]... [--strip] [OPTION|FILE]...\n\
     \x20      uruk image info FILE\n\
     \x20      uruk image diff FILE FILE\n\n\
     build links the FILEs in memory, as `uruk run` does and with its OPTIONs, and writes what it has linked as a program\n\
     that the system starts by itself, without a linker and without Uruk.\n\n\
     \x20 -o FILE        The program's file.\n\
     \x20 --shared       Make a shared object of all that others can see.\n\
     \x20 --mapped       Make an image of Uruk's own, which `uruk run FILE` and Uruk's interface map into a process.\n\
     \x20 --at ADDRESS   It lies there, as 0x400000, and starts with fewer relocations: a multiple of 64 KiB.\n\
     \x20 --keep NAME    Keep NAME with all that it refers to, beside what main refers to; dlsym finds it, unless --mapped.\n\
     \x20 --strip        Leave out names for backtraces and debuggers, and debug information.\n\n\
     info shows what an image is, what it needs and defines, and where its bytes go. diff says how two images differ; its\n\
     status is 1 if they do.\n\n\
     Example:\n  uruk image build -O2 prog.c util.o libzip.a -lm -o prog\n"
        .to_owned()
}

pub fn parse(arguments: Vec<OsString>) -> Result<Command, Error> {
    let mut arguments = arguments.into_iter();
    match arguments.next().as_deref().and_then(OsStr::to_str) {
        Some("build") => parse_files(arguments.collect(), Some(Image::default())),
        Some("info") => match (arguments.next(), arguments.next()) {
            (Some(path), None) => Ok(Command::ImageInfo(path.into(), None)),
            _ => Err(Error::Files { command: "image info", problem: "takes one file" }),
        },
        Some("diff") => match (arguments.next(), arguments.next(), arguments.next()) {
            (Some(one), Some(two), None) => Ok(Command::ImageInfo(one.into(), Some(two.into()))),
            _ => Err(Error::Files { command: "image diff", problem: "takes two files" }),
        },
        Some("-h" | "--help") => Ok(Command::Print(help())),
        Some("-V" | "--version") => Ok(Command::Print(version())),
        _ => Err(Error::Files { command: "image", problem: "needs what to do: `build`, `info` or `diff`" }),
    }
}

/// The long options that only this has.
pub const LONG: [&str; 5] = ["--shared", "--mapped", "--at", "--keep", "--strip"];

/// Takes an option that only this has, and says whether it is one.
pub fn take(image: &mut Image, argument: &Arg<'_>, parser: &mut Parser) -> Result<bool, Error> {
    match argument {
        Arg::Short('o') => image.output = parser.value()?.into(),
        Arg::Long("shared") => image.kind = ImageKind::Shared,
        Arg::Long("mapped") => image.kind = ImageKind::Mapped,
        Arg::Long("at") => image.address = Some(address(&parser.value()?)?),
        Arg::Long("keep") => image.keep.push(text("--keep", parser.value()?)?),
        Arg::Long("strip") => image.strip = true,
        _ => return Ok(false),
    }
    Ok(true)
}

/// What is to be done with an image of these files.
pub fn command(request: Box<Request>, image: Image) -> Result<Command, Error> {
    let problem = |problem| Err(Error::Files { command: "image", problem });
    if image.output.as_os_str().is_empty() {
        return problem("needs a file to write: `-o FILE`");
    }
    if !request.arguments.is_empty() {
        return problem("takes no arguments of the program, which gets them when it runs");
    }
    Ok(Command::Image(request, image))
}

fn address(value: &OsStr) -> Result<u64, Error> {
    let text = value.to_str().unwrap_or_default();
    let number =
        text.strip_prefix("0x").map_or_else(|| text.parse().ok(), |digits| u64::from_str_radix(digits, 16).ok());
    number.ok_or_else(|| Error::BadValue {
        option: "--at",
        wanted: "an address, as 0x400000",
        found: value.display().to_string(),
    })
}
