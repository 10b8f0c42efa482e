//! `@FILE` arguments: the file's words stand in their place. Words and quotation are those of GNU's tools
//! (libiberty, `buildargv`): blanks separate, `'` and `"` keep blanks, a backslash keeps the next character, everywhere.
//!
//! Nothing after `--` is expanded: that belongs to the program.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::text;

/// The arguments before `--`, expanded, and those after it as they are.
pub fn expand(arguments: Vec<OsString>) -> Result<(Vec<OsString>, Vec<OsString>), Error> {
    let mut expansion = Expansion::default();
    for argument in arguments {
        expansion.take(argument)?;
    }
    Ok((expansion.own, expansion.program))
}

#[derive(Default)]
struct Expansion {
    own: Vec<OsString>,
    program: Vec<OsString>,
    /// Whether `--` was met.
    ended: bool,
    /// The files being read, outermost first.
    open: Vec<PathBuf>,
}

impl Expansion {
    fn take(&mut self, argument: OsString) -> Result<(), Error> {
        if self.ended {
            self.program.push(argument);
            return Ok(());
        }
        match argument.as_encoded_bytes() {
            b"--" => self.ended = true,
            [b'@', path @ ..] if !path.is_empty() => self.read(Path::new(&text::from_bytes(path.to_vec())))?,
            _ => self.own.push(argument),
        }
        Ok(())
    }

    fn read(&mut self, path: &Path) -> Result<(), Error> {
        let unreadable = |source| Error::Response { path: path.to_owned(), source };
        let real = path.canonicalize().map_err(unreadable)?;
        if self.open.contains(&real) {
            return Err(Error::ResponseCycle { path: path.to_owned() });
        }
        let content = std::fs::read(&real).map_err(unreadable)?;
        self.open.push(real);
        for word in words(&content).map_err(|(quote, line)| Error::Quote { path: path.to_owned(), quote, line })? {
            self.take(text::from_bytes(word))?;
        }
        self.open.pop();
        Ok(())
    }
}

/// The words of a response file, or the quotation mark that is not closed and its line.
fn words(content: &[u8]) -> Result<Vec<Vec<u8>>, (char, usize)> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut open: Option<(u8, usize)> = None;
    let mut line = 1;
    let mut bytes = content.iter().copied();
    while let Some(byte) = bytes.next() {
        line += usize::from(byte == b'\n');
        match (byte, open) {
            (b'\\', _) => word.get_or_insert_default().extend(bytes.next()),
            (_, Some((quote, _))) if byte == quote => open = None,
            (_, Some(_)) => word.get_or_insert_default().push(byte),
            (b'\'' | b'"', None) => {
                open = Some((byte, line));
                word.get_or_insert_default();
            }
            (byte, None) if byte.is_ascii_whitespace() || byte == 0x0b => words.extend(word.take()),
            (byte, None) => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    match open {
        Some((quote, line)) => Err((quote.into(), line)),
        None => Ok(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_gnu() {
        let check = |content: &str, want: &[&str]| {
            let got = words(content.as_bytes()).unwrap();
            assert_eq!(got.iter().map(|word| String::from_utf8_lossy(word)).collect::<Vec<_>>(), want);
        };
        check("", &[]);
        check(" a\tb\r\nc\n", &["a", "b", "c"]);
        check("'a b' \"c 'd'\" e' 'f", &["a b", "c 'd'", "e f"]);
        check(r#"a\ b \"c '\'' "\\""#, &["a b", "\"c", "'", "\\"]);
        check("'' x", &["", "x"]);
        assert_eq!(words(b"a\n b 'c\n d"), Err(('\'', 2)));
    }

    #[test]
    fn files_nest_and_circles_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let at = |name: &str| OsString::from(format!("@{}", path(name).display()));
        std::fs::write(path("inner"), "y -- @keep z").unwrap();
        std::fs::write(path("outer"), format!("x @{} w", path("inner").display())).unwrap();
        let (own, program) = expand(vec!["v".into(), at("outer"), "@u".into()]).unwrap();
        assert_eq!(own, ["v", "x", "y"]);
        assert_eq!(program, ["@keep", "z", "w", "@u"]);
        std::fs::write(path("self"), format!("@{}", path("self").display())).unwrap();
        assert!(matches!(expand(vec![at("self")]), Err(Error::ResponseCycle { .. })));
        assert!(matches!(expand(vec![at("none")]), Err(Error::Response { .. })));
    }
}
