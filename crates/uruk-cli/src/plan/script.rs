//! The linker scripts that stand in place of libraries, as `libc.so` and `libm.so` on many systems:
//! `GROUP ( FILE AS_NEEDED ( FILE ) )` and `INPUT ( … )`. Anything that would lay out a program is an error.

/// A file that a script names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// A path, a file name or `-lNAME`.
    pub name: String,
    /// Whether the library is wanted only if something refers to it.
    pub as_needed: bool,
}

/// The files that a script names, in order; or the line of the first mistake and what it is.
pub fn parse(content: &str) -> Result<Vec<Entry>, (usize, String)> {
    let tokens = tokens(content)?;
    let mut entries = Vec::new();
    let mut rest = tokens.iter();
    while let Some(&(line, ref token)) = rest.next() {
        match token.as_str() {
            ";" => {}
            "GROUP" | "INPUT" | "AS_NEEDED" => group(&mut rest, line, token == "AS_NEEDED", &mut entries)?,
            // What these say, the inputs say as well.
            "OUTPUT_FORMAT" | "OUTPUT_ARCH" | "TARGET" => group(&mut rest, line, false, &mut Vec::new())?,
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err((line, format!("`{shown}` is not understood; GROUP and INPUT are")));
            }
        }
    }
    Ok(entries)
}

/// Reads a parenthesised list. `AS_NEEDED` does not nest, so one level of it is all there is to remember.
fn group<'token>(
    rest: &mut impl Iterator<Item = &'token (usize, String)>,
    line: usize,
    as_needed: bool,
    entries: &mut Vec<Entry>,
) -> Result<(), (usize, String)> {
    match rest.next() {
        Some((_, token)) if token == "(" => {}
        other => return Err((other.map_or(line, |token| token.0), "a `(` is missing".to_owned())),
    }
    let mut inner = false;
    while let Some((line, token)) = rest.next() {
        match token.as_str() {
            ")" if inner => inner = false,
            ")" => return Ok(()),
            "," => {}
            "AS_NEEDED" if !inner && !as_needed => match rest.next() {
                Some((_, token)) if token == "(" => inner = true,
                _ => return Err((*line, "a `(` is missing after AS_NEEDED".to_owned())),
            },
            "(" | ";" => return Err((*line, format!("`{token}` is not expected in a list of files"))),
            name => entries.push(Entry { name: name.to_owned(), as_needed: as_needed || inner }),
        }
    }
    Err((line, "the list of files has no end".to_owned()))
}

/// Words and punctuation with their lines.
fn tokens(content: &str) -> Result<Vec<(usize, String)>, (usize, String)> {
    let mut tokens: Vec<(usize, String)> = Vec::new();
    let mut line = 1;
    let mut rest = content;
    while let Some(next) = rest.chars().next() {
        let len = if let Some(comment) = rest.strip_prefix("/*") {
            comment.find("*/").ok_or((line, "the comment has no end".to_owned()))? + 4
        } else if next.is_whitespace() {
            next.len_utf8()
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let len = quoted.find('"').ok_or((line, "the quoted name has no end".to_owned()))?;
            tokens.push((line, quoted[..len].to_owned()));
            len + 2
        } else if "(),;".contains(next) {
            tokens.push((line, next.to_string()));
            1
        } else {
            let len = rest.find(|c: char| c.is_whitespace() || "(),;\"".contains(c)).unwrap_or(rest.len());
            tokens.push((line, rest[..len].to_owned()));
            len
        };
        line += rest[..len].matches('\n').count();
        rest = &rest[len..];
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts() {
        let check = |content: &str, want: Result<&str, &str>| {
            let got = match parse(content) {
                Ok(entries) => Ok(entries
                    .iter()
                    .map(|entry| format!("{}{}", entry.name, if entry.as_needed { "?" } else { "" }))
                    .collect::<Vec<_>>()
                    .join(" ")),
                Err((line, problem)) => Err(format!("{line}: {problem}")),
            };
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned));
        };
        let debian = "/* GNU ld script\n*/\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libc.so.6 /usr/lib/libc_nonshared.a  \
                      AS_NEEDED ( /lib64/ld.so ) )\n";
        check(debian, Ok("/lib/libc.so.6 /usr/lib/libc_nonshared.a /lib64/ld.so?"));
        check("INPUT(-lncurses,\"a b.so\")", Ok("-lncurses a b.so"));
        check("", Ok(""));
        check("\n\nSECTIONS { }", Err("3: `SECTIONS` is not understood; GROUP and INPUT are"));
        check("GROUP a", Err("1: a `(` is missing"));
        check("GROUP (\na", Err("1: the list of files has no end"));
        check("GROUP (a\n(b))", Err("2: `(` is not expected in a list of files"));
        check("/* x", Err("1: the comment has no end"));
    }
}
