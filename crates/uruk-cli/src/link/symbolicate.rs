//! `-symbolicate-with`: names the addresses in backtraces, with the symbols that a link has written.

use super::error::Error;
use super::flags::Mention;
use super::values::number;
use std::path::Path;

/// A symbol of a link.
struct Symbol {
    address: u64,
    name: String,
    file: String,
}

/// Prints the backtraces in these files, addresses of linked code followed by names.
pub fn backtraces(symbols: &Path, mentions: &[Mention]) -> Result<(), Error> {
    let symbols = read(symbols)?;
    for mention in mentions {
        let Mention::File { path, .. } = mention else { continue };
        crate::print(&name_addresses(&text(path)?, &symbols));
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::File { what: "read", path: path.to_owned(), source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Lines `"FILE"`, each followed by lines `ADDRESS NAME`; sorted by address.
fn read(path: &Path) -> Result<Vec<Symbol>, Error> {
    let mut symbols = Vec::new();
    let mut file = String::new();
    for (line, index) in text(path)?.lines().zip(1..).filter(|(line, _)| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')) {
            file = name.to_string();
            continue;
        }
        let symbol = line.split_once(' ').and_then(|(address, name)| Some((number(address)?, name)));
        let Some((address, name)) = symbol else {
            let problem =
                format!("line {index} is neither `\"FILE\"` nor `ADDRESS NAME`; -write-symtab makes such files");
            return Err(Error::Content { path: path.to_owned(), problem });
        };
        symbols.push(Symbol { address, name: name.to_string(), file: file.clone() });
    }
    symbols.sort_by_key(|symbol| symbol.address);
    Ok(symbols)
}

/// Each line with the name of the first address in it that lies at or behind a symbol.
fn name_addresses(text: &str, symbols: &[Symbol]) -> String {
    /// Nothing that far behind the last symbol belongs to it.
    const LAST: u64 = 1 << 20;
    let mut named = String::new();
    for line in text.lines() {
        named += line;
        let words = line.split(|c: char| !c.is_ascii_alphanumeric());
        let address = words.filter(|word| word.starts_with("0x")).find_map(number);
        let found = address.and_then(|address| {
            let after = symbols.partition_point(|symbol| symbol.address <= address);
            let symbol = symbols.get(after.checked_sub(1)?)?;
            let offset = address - symbol.address;
            (after < symbols.len() || offset < LAST).then_some((symbol, offset))
        });
        if let Some((symbol, offset)) = found {
            named += &format!("  {} + {offset:#x} ({})", symbol.name, symbol.file);
        }
        named.push('\n');
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_the_symbol_before_them() {
        let symbol = |address, name: &str| Symbol { address, name: name.into(), file: "a.o".into() };
        let symbols = [symbol(0x1000, "f"), symbol(0x2000, "g")];
        let text = "#0 0x1004 x\n#1 0xfff\nnothing 0xz\n#2 0x102000 at 0x1004\n#3 0x2000";
        let named =
            "#0 0x1004 x  f + 0x4 (a.o)\n#1 0xfff\nnothing 0xz\n#2 0x102000 at 0x1004\n#3 0x2000  g + 0x0 (a.o)\n";
        assert_eq!(name_addresses(text, &symbols), named);
    }
}
