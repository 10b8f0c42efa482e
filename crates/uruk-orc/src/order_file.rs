//! Order files: which lazy functions a program called first, from one run to the next.
//!
//! A text with a line for each: the dylib's name, a tab, and the function's linker name, escaped as in Rust's byte strings.
//! Invariant: what is named there and does not exist any more does no harm.

use crate::session::Session;
use crate::state::DylibId;
use std::fmt;
use std::str::FromStr;
use uruk_jitlink::names::Name;

/// The lazy functions of a program in the order of their first calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFile {
    /// Each with the name of the dylib where it is found.
    calls: Vec<(String, Vec<u8>)>,
}

/// A line that is none of an order file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the order file is not `dylib<tab>function`; record it anew")]
pub struct OrderFileError {
    /// Its number, from 1 on.
    pub line: usize,
}

impl OrderFile {
    /// What has been called so far in a session.
    pub fn record(session: &Session) -> OrderFile {
        let calls = session.lasting_calls().into_iter();
        let names = calls.map(|(dylib, name)| (session.dylib_name(dylib), session.names().bytes(name)));
        OrderFile { calls: names.collect() }
    }

    /// Has these functions made, in this order, by idle threads of a session's dispatcher, once the program has been added;
    /// nothing of it need have been looked up. What the session does not have is passed over.
    pub fn replay(&self, session: &Session) {
        let find = |(dylib, name): &(String, Vec<u8>)| -> Option<(DylibId, Name)> {
            Some((session.dylib(dylib)?, session.names().intern(name)))
        };
        session.prefetch_through(&self.calls.iter().filter_map(find).collect::<Vec<_>>());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.calls.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

impl fmt::Display for OrderFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut calls = self.calls.iter();
        calls.try_for_each(|(dylib, name)| writeln!(f, "{}\t{}", dylib.escape_default(), name.escape_ascii()))
    }
}

impl FromStr for OrderFile {
    type Err = OrderFileError;

    fn from_str(text: &str) -> Result<OrderFile, OrderFileError> {
        let mut calls = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let call = line.split_once('\t').and_then(|(dylib, name)| {
                let dylib = String::from_utf8(unescape(dylib)?).ok()?;
                Some((dylib, unescape(name)?))
            });
            calls.push(call.ok_or(OrderFileError { line: number })?);
        }
        Ok(OrderFile { calls })
    }
}

/// The bytes of an escaped name.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (kind, after) = rest.split_first()?;
        rest = after;
        match kind {
            b't' => bytes.push(b'\t'),
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b'\\' | b'\'' | b'"' => bytes.push(*kind),
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
                rest = after;
            }
            b'u' => {
                let end = rest.iter().position(|byte| *byte == b'}')?;
                let digits = std::str::from_utf8(rest.get(1..end)?).ok()?;
                let letter = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
                bytes.extend(letter.encode_utf8(&mut [0; 4]).bytes());
                rest = &rest[end + 1..];
            }
            _ => return None,
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_survives_and_other_text_is_refused() {
        let all: Vec<u8> = (0..=255).collect();
        let calls = vec![("main\t\u{e9}\\\n".to_string(), all), ("a b".to_string(), b"f".to_vec())];
        let file = OrderFile { calls };
        let text = file.to_string();
        assert_eq!(text.lines().count(), 2);
        assert_eq!(text.parse(), Ok(file));
        assert_eq!("".parse(), Ok(OrderFile::default()));
        for (text, line) in
            [("main", 1), ("main\tf\nmain\t\\q", 2), ("m\t\\x4", 1), ("m\\u{110000}\tf", 1), ("\\u\tf", 1)]
        {
            assert_eq!(text.parse::<OrderFile>(), Err(OrderFileError { line }), "{text}");
        }
    }
}
