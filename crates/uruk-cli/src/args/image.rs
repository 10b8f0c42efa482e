//! The arguments of `uruk image build`: its own, and those of `uruk run`.

use std::ffi::{OsStr, OsString};

use super::{Command, Image, parse_run, text, version};
use crate::Error;

/// The text of `uruk image --help`.
pub fn help() -> String {
    "Usage: uruk image build -o FILE [--shared] [--at ADDRESS] [--keep NAME]... [OPTION|FILE]...\n\n\
     Links the FILEs in memory, as `uruk run` does and with its OPTIONs, and writes what it has linked as a program\n\
     that the system starts by itself, without a linker and without Uruk.\n\n\
     \x20 -o FILE        The program's file.\n\
     \x20 --shared       Make a shared object of all that others can see.\n\
     \x20 --at ADDRESS   The program lies there, as 0x400000, and starts with fewer relocations: a multiple of 64 KiB.\n\
     \x20 --keep NAME    Keep NAME with all that it refers to, beside what main refers to; dlsym finds it.\n\n\
     Example:\n  uruk image build -O2 prog.c util.o libzip.a -lm -o prog\n"
        .to_owned()
}

pub fn parse(arguments: Vec<OsString>) -> Result<Command, Error> {
    let mut arguments = arguments.into_iter();
    match arguments.next().as_deref().and_then(OsStr::to_str) {
        Some("build") => {}
        Some("-h" | "--help") => return Ok(Command::Print(help())),
        Some("-V" | "--version") => return Ok(Command::Print(version())),
        _ => return Err(Error::Files { command: "image", problem: "needs what to do: `uruk image build`" }),
    }
    let mut image = Image::default();
    let mut rest = Vec::new();
    while let Some(argument) = arguments.next() {
        let mut value = |option: &'static str| {
            let missing = || Error::BadValue { option, wanted: "a value", found: String::new() };
            arguments.next().ok_or_else(missing)
        };
        match argument.to_str() {
            Some("-h" | "--help") => return Ok(Command::Print(help())),
            Some("-o") => image.output = value("-o")?.into(),
            Some("--shared") => image.shared = true,
            Some("--at") => image.address = Some(address(&value("--at")?)?),
            Some("--keep") => image.keep.push(text("--keep", value("--keep")?)?),
            _ => rest.push(argument),
        }
    }
    if image.output.as_os_str().is_empty() {
        return Err(Error::Files { command: "image", problem: "needs a file to write: `-o FILE`" });
    }
    match parse_run(rest)? {
        Command::Run(request) => Ok(Command::Image(request, image)),
        other => Ok(other),
    }
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
