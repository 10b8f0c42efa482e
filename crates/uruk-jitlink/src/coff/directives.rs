//! Directives: the options that an object gives the linker in `.drectve`, as text.
//!
//! What an option asks of the link as a whole becomes a term of the object's interface. Those that name libraries are passed
//! over, since whoever links says what there is; so are those about files, messages and an image that is not made here.
//! An option that linkers know, that would change what the program does and that is not followed here is an error. One that
//! none knows has no effect, as with `link.exe` (its warning LNK4229), and is reported.
//! Sources: `link.exe`'s documented options; GNU ld's `-aligncomm` and `-exclude-symbols`.

use super::headers::Headers;
use super::import::OF_DLL;
use crate::error::LinkError;
use std::borrow::Cow;

/// What directives ask for; names are ranges of bytes of the section.
#[derive(Default, Debug)]
pub struct Directives<'a> {
    /// Names that have to be defined (`/include:X`).
    pub includes: Vec<&'a [u8]>,
    /// What others are to see (`/export:X`).
    pub exports: Vec<Export<'a>>,
    /// Names that stand for others where nothing defines them (`/alternatename:A=B`).
    pub alternatives: Vec<(&'a [u8], &'a [u8])>,
    /// Keys with the values that all objects have to have (`/failifmismatch:K=V`).
    pub agreements: Vec<(&'a [u8], &'a [u8])>,
    /// Base-2 logarithms of the alignments of common symbols (`-aligncomm:X,N`).
    pub alignments: Vec<(&'a [u8], u8)>,
    /// Options that no linker knows.
    pub unknown: Vec<&'a [u8]>,
}

/// A symbol that others are to see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export<'a> {
    /// What they call it.
    pub name: &'a [u8],
    /// The symbol, or `DLL!name` for what a DLL exports.
    pub target: Cow<'a, [u8]>,
    /// It is a variable.
    pub data: bool,
}

impl Export<'_> {
    /// Whether the name is not the symbol's own.
    pub fn is_alias(&self) -> bool {
        self.name != &*self.target
    }
}

impl<'a> Directives<'a> {
    /// Takes those of another section in.
    pub fn add(&mut self, other: Directives<'a>) {
        let Directives { includes, exports, alternatives, agreements, alignments, unknown } = other;
        self.includes.extend(includes);
        self.exports.extend(exports);
        self.alternatives.extend(alternatives);
        self.agreements.extend(agreements);
        self.alignments.extend(alignments);
        self.unknown.extend(unknown);
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

/// Options that linkers know and that are not followed here, though programs may depend on them.
const UNSUPPORTED: &[&[u8]] =
    &[b"section", b"base", b"fixed", b"delayload", b"functionpadmin", b"tlbid", b"align", b"filealign"];

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
        let [b'/' | b'-', option_text @ ..] = option else {
            directives.unknown.push(option);
            continue;
        };
        let colon = option_text.iter().position(|byte| *byte == b':');
        let (name, value) = match colon {
            Some(colon) => (&option_text[..colon], unquoted(&option_text[colon + 1..])),
            None => (option_text, &b""[..]),
        };
        let damaged = |what| headers.malformed(at, what);
        match &*name.to_ascii_lowercase() {
            b"include" => directives.includes.push(value),
            b"export" => directives.exports.push(export(value).map_err(damaged)?),
            b"alternatename" => {
                let pair = pair(value).ok_or_else(|| damaged("an alternative name that stands for none"))?;
                directives.alternatives.push(pair);
            }
            b"failifmismatch" => {
                let pair = pair(value).ok_or_else(|| damaged("a key without the value that all have to have"))?;
                directives.agreements.push(pair);
            }
            b"aligncomm" => directives.alignments.push(alignment(value).map_err(damaged)?),
            name if PASSED_OVER.contains(&name) => {}
            name if UNSUPPORTED.contains(&name) => {
                return Err(LinkError::UnsupportedDirective {
                    file: headers.input.name().to_string(),
                    directive: String::from_utf8_lossy(option).into_owned(),
                });
            }
            _ => directives.unknown.push(option),
        }
    }
}

/// Two names with `=` between them.
fn pair(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = value.iter().position(|byte| *byte == b'=')?;
    let (name, other) = (unquoted(&value[..equals]), unquoted(&value[equals + 1..]));
    (!name.is_empty() && !other.is_empty()).then_some((name, other))
}

/// `name[=symbol][,@number[,NONAME]][,PRIVATE][,DATA|CONSTANT][,EXPORTAS,shown]`, where the symbol may be `dll.name`. Who
/// exports by number only, or not to import libraries, hides nothing from those who ask by name here.
fn export(value: &[u8]) -> Result<Export<'_>, &'static str> {
    let mut parts = value.split(|byte| *byte == b',');
    let whole = unquoted(parts.next().unwrap_or_default());
    let (name, target) = pair(whole).unwrap_or((whole, whole));
    if name.is_empty() || name.contains(&b'=') {
        return Err("an export without a name");
    }
    let mut export = Export { name, target: target.into(), data: false };
    if target != name {
        export.target = forwarded(target);
    }
    while let Some(option) = parts.next() {
        match &*option.to_ascii_uppercase() {
            b"DATA" | b"CONSTANT" => export.data = true,
            b"NONAME" | b"PRIVATE" => {}
            b"EXPORTAS" => {
                export.name = parts.next().filter(|name| !name.is_empty()).ok_or("an export without a name")?
            }
            [b'@', digits @ ..] if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => {}
            _ => return Err("an export of an unknown kind"),
        }
    }
    Ok(export)
}

/// What the target of an export is called: what follows the last dot is another DLL's, whose name has no ending there.
fn forwarded(target: &[u8]) -> Cow<'_, [u8]> {
    match target.iter().rposition(|byte| *byte == b'.') {
        Some(dot) if dot != 0 => [&target[..dot], b".dll", &[OF_DLL], &target[dot + 1..]].concat().into(),
        _ => target.into(),
    }
}

/// The alignment of a common symbol.
fn alignment(value: &[u8]) -> Result<(&[u8], u8), &'static str> {
    let comma = value.iter().rposition(|byte| *byte == b',');
    let (name, log2) = comma.map_or((value, &b""[..]), |comma| (&value[..comma], &value[comma + 1..]));
    let log2 = std::str::from_utf8(log2).ok().and_then(|digits| digits.trim().parse::<u8>().ok());
    let log2 = log2.filter(|log2| *log2 <= MAX_ALIGN_LOG2);
    log2.map(|log2| (unquoted(name), log2)).ok_or("an alignment of a common symbol that is none")
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
