//! Summaries of mappable images.

use super::{Part, Summary};
use crate::closure::Share;
use crate::link::What;
use crate::mapped::{self, Kind, Problem};
use crate::packed;
use std::collections::BTreeMap;
use std::ops::Range;

pub fn summary(bytes: &[u8]) -> Result<Summary<'_>, Problem> {
    let (header, contents) = mapped::read(bytes)?;
    let mut facts = vec![("digest", hexadecimal(&header.digest))];
    let mut fact = |name, text: Option<String>| facts.extend(text.map(|text| (name, text)));
    fact("stamp", Some(contents.stamp.client.clone()).filter(|stamp| !stamp.is_empty()));
    fact("layout of types", contents.stamp.layout.as_ref().map(hexadecimal));
    fact("builds on", contents.base.as_ref().map(hexadecimal));
    fact("own address", (contents.address != 0).then(|| format!("{:#x}", contents.address)));
    fact("libraries are in", (!contents.folders.is_empty()).then(|| contents.folders.join(":")));
    fact("begins at", contents.entry.map(|entry| format!("{entry:#x}")));
    let content = |range: &Range<u64>| &bytes[range.start as usize..range.end as usize];
    let part = |name: &str, range: &Range<u64>| Part {
        name: name.into(),
        size: range.end - range.start,
        content: content(range),
    };
    let [code, read_only, data] = &contents.parts;
    let zero = Part { name: "zero".into(), size: contents.end - data.end, content: &[] };
    let mut own = 0;
    packed::each(&contents.own, |_| own += 1);
    let mut words = BTreeMap::from([("own addresses", own)]);
    for word in &contents.words {
        let name = match word.what {
            What::Own(_) => "own addresses",
            What::Import(..) | What::Slot(_) => "addresses of others",
            What::Indirect(_) => "functions that are chosen",
            _ => "places of thread-local variables",
        };
        *words.entry(name).or_default() += 1;
    }
    if !contents.changes.is_empty() {
        words.insert("runs of bytes of the image that it builds on", contents.changes.len() as u64);
    }
    let libraries = contents.libraries.iter();
    let used = libraries
        .enumerate()
        .filter(|(number, _)| contents.imports.iter().any(|import| import.library == Some(*number as u32)));
    let import = |import: &mapped::Imported| {
        let library = import.library.map_or("nobody", |number| &contents.libraries[number as usize].name);
        let version = import.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        let weak = if import.weak { ", may be absent" } else { "" };
        format!("{}{version} ({library}{weak})", import.name)
    };
    let shares = contents.shares.iter().cloned();
    let thread_local = |kind: Kind| if kind == Kind::ThreadLocal { ", in each thread" } else { "" };
    Ok(Summary {
        kind: format!("mappable image for {}", mapped::machine_name(header.machine)),
        facts,
        parts: vec![part("code", code), part("read only", read_only), part("variables", data), zero],
        words: words.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
        libraries: used.map(|(_, library)| library.name.clone()).collect(),
        imports: contents.imports.iter().map(import).collect(),
        exports: contents
            .exports
            .iter()
            .map(|export| (format!("{}{}", export.name, thread_local(export.kind)), export.size))
            .collect(),
        shares: shares.map(|(root, places, bytes)| Share { root, places, bytes }).collect(),
    })
}

fn hexadecimal(digest: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*digest).to_hex().to_string()
}
