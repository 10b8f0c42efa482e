//! Directives: the options that an object gives the linker in `.drectve`, as text.
//!
//! An option that would change what the program does and is not known is an error. Those that name libraries are passed
//! over, since whoever links says what there is; so are those about files, messages and an image that is not made here.
//! Sources: `link.exe`'s documented options; GNU ld's `-aligncomm` and `-exclude-symbols`.

use super::headers::Headers;
use crate::error::LinkError;

/// What directives ask for; names are ranges of bytes of the section.
#[derive(Default, Debug)]
pub struct Directives<'a> {
    /// Names that have to be defined (`/include:X`).
    pub includes: Vec<&'a [u8]>,
    /// Names that stand for others where nothing defines them (`/alternatename:A=B`), and others' names for own symbols
    /// (`/export:A=B`).
    pub aliases: Vec<(&'a [u8], &'a [u8])>,
    /// Base-2 logarithms of the alignments of common symbols (`-aligncomm:X,N`).
    pub alignments: Vec<(&'a [u8], u8)>,
}

impl<'a> Directives<'a> {
    /// Takes those of another section in.
    pub fn add(&mut self, other: Directives<'a>) {
        self.includes.extend(other.includes);
        self.aliases.extend(other.aliases);
        self.alignments.extend(other.alignments);
    }
}

/// Options without an effect on what is linked here.
const PASSED_OVER: &[&[u8]] = &[
    b"defaultlib",
    b"nodefaultlib",
    b"disallowlib",
    b"inferasanlibs",
    b"manifestdependency",
    b"editandcontinue",
    b"throwingnew",
    b"failifmismatch",
    b"guardsym",
    b"exclude-symbols",
    b"exclude-all-symbols",
    b"merge",
    b"subsystem",
    b"stack",
    b"heap",
    b"release",
    b"debug",
    b"incremental",
    b"nologo",
    b"ignore",
    b"wx",
    b"opt",
    b"verbose",
    b"entry",
    b"dynamicbase",
    b"nxcompat",
    b"largeaddressaware",
    b"safeseh",
    b"guard",
    b"arm64xsameaddress",
];

/// Reads the text of a section that begins at a place of the file.
pub fn read<'a>(headers: &Headers<'_>, text: &'a [u8], at: u64) -> Result<Directives<'a>, LinkError> {
    // Some compilers write a byte order mark.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut directives = Directives::default();
    let mut rest = text;
    loop {
        while let [b' ' | b'\t' | b'\r' | b'\n' | 0, tail @ ..] = rest {
            rest = tail;
        }
        if rest.is_empty() {
            return Ok(directives);
        }
        let (option, tail) = rest.split_at(length(rest));
        rest = tail;
        let unknown = || LinkError::UnsupportedDirective {
            file: headers.input.name().to_string(),
            directive: String::from_utf8_lossy(option).into_owned(),
        };
        let [b'/' | b'-', option_text @ ..] = option else { return Err(unknown()) };
        let colon = option_text.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(colon) => (&option_text[..colon], unquoted(&option_text[colon + 1..])),
            None => (option_text, &b""[..]),
        };
        let name = name.to_ascii_lowercase();
        let equals = value.iter().position(|byte| *byte == b'=');
        match (&*name, equals) {
            (b"include", _) => directives.includes.push(value),
            (b"alternatename", Some(equals)) => directives.aliases.push((&value[..equals], &value[equals + 1..])),
            (b"export", Some(equals)) => {
                let target = value[equals + 1..].split(|byte| *byte == b',').next().unwrap_or_default();
                directives.aliases.push((&value[..equals], unquoted(target)));
            }
            // Every global symbol is seen from outside.
            (b"export", None) => {}
            (b"aligncomm", _) => {
                let comma = value.iter().rposition(|byte| *byte == b',');
                let (name, log2) = comma.map_or((value, &b""[..]), |comma| (&value[..comma], &value[comma + 1..]));
                let log2 = std::str::from_utf8(log2).ok().and_then(|digits| digits.trim().parse::<u8>().ok());
                match log2.filter(|log2| *log2 <= MAX_ALIGN_LOG2) {
                    Some(log2) => directives.alignments.push((unquoted(name), log2)),
                    None => return Err(headers.malformed(at, "an alignment of a common symbol that is none")),
                }
            }
            _ if PASSED_OVER.contains(&&*name) => {}
            _ => return Err(unknown()),
        }
    }
}

/// Alignments above this are damage, not wishes.
const MAX_ALIGN_LOG2: u8 = 13;

/// Where an option ends: at a blank that no quotes surround.
fn length(text: &[u8]) -> usize {
    let mut quoted = false;
    let end = text.iter().position(|byte| {
        quoted ^= *byte == b'"';
        !quoted && matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0)
    });
    end.unwrap_or(text.len())
}

/// What quotes surround.
fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(text)
}
