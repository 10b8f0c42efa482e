//! From graphs to the file of a mappable image.

use super::base::CHANGES;
use super::contents::{Change, Contents, Exported, Imported, Kind, Needed, Stamp, Threads};
use super::{MappedOptions, file};
use crate::elf::{machine, start};
use crate::error::Error;
use crate::library::Library;
use crate::link::{Defined, Dynamic, Import, Link, Wanted, What, utf8};
use crate::packed::pack;
use std::ops::Range;
use uruk_jitlink::graph::{Definition, LinkGraph, SymbolKind};

/// Writes graphs as an image that [`Mapped::load`](super::Mapped::load) loads.
///
/// As in [`write_elf`](crate::write_elf), what the image itself defines is what its references mean, and what it defines is visible to
/// others unless it is hidden.
pub fn write_mapped(mut graphs: Vec<LinkGraph>, options: &MappedOptions<'_>) -> Result<Vec<u8>, Error> {
    let Some(first) = graphs.first() else { return Err(Error::Empty) };
    let format = first.format;
    let machine =
        machine(format).ok_or_else(|| Error::Option(format!("{} has no mappable images here", format.name)))?;
    if options.address.is_some_and(|address| !address.is_multiple_of(0x1_0000) || 1 << 46 < address) {
        return Err(Error::Option("an image's own address is a multiple of 64 KiB below 64 TiB".into()));
    }
    if graphs.iter().any(start::uses_exit_functions) {
        graphs.extend(start::graph(format, None).transpose()?);
    }
    let mut link = Link::new(Wanted {
        graphs,
        roots: options.roots,
        entry: options.main,
        libraries: options.libraries,
        executable: false,
        fixed: None,
        mapped: true,
    })?;
    let address = options.address.unwrap_or(0);
    link.check_address(address)?;
    let parts = place(&mut link, machine.page, address);
    let (lanes, thread_image) = link.write()?;
    let mut bytes = vec![0; parts.all[2].end as usize];
    for (part, lane) in parts.all.iter().zip(&lanes) {
        bytes[part.start as usize..][..lane.len()].copy_from_slice(lane);
    }
    bytes[parts.threads.start as usize..][..thread_image.len()].copy_from_slice(&thread_image);
    let debug = if options.strip { Vec::new() } else { link.debug_image(0)? };
    let contents = contents(&link, options, address, parts, machine.page, &mut bytes)?;
    Ok(file::write(machine.number, machine.page, bytes, &debug, contents))
}

/// Where everything lies in the image.
struct Parts {
    all: [Range<u64>; 3],
    threads: Range<u64>,
    end: u64,
}

fn place(link: &mut Link, page: u64, address: u64) -> Parts {
    let [code, read_only, data] = link.demands();
    let (initial, _, align) = link.thread_image();
    // Whatever asks for more than a page has it if the image's address has.
    let begin = |at: u64, align: u64| at.next_multiple_of(page.max(align));
    let start = begin(page, code.align);
    let code = start..start + code.size;
    let start = begin(code.end, read_only.align);
    let threads = (start + read_only.size).next_multiple_of(align);
    let read_only = start..threads + initial;
    let start = begin(read_only.end, data.align);
    let end = start + data.size;
    let data = start..end - data.zero_fill;
    link.place(address, [&code, &read_only, &data].map(|part| address + part.start), address + threads);
    Parts { threads: threads..threads + initial, all: [code, read_only, data], end }
}

fn contents(
    link: &Link,
    options: &MappedOptions<'_>,
    address: u64,
    parts: Parts,
    page: u64,
    bytes: &mut [u8],
) -> Result<Contents, Error> {
    let offset = |place: u64| place.wrapping_sub(address);
    let moved = |range: &Range<u64>| offset(range.start)..offset(range.end);
    let (mut own, mut words) = (Vec::new(), Vec::new());
    for Dynamic { place, what } in link.dynamics()? {
        let what = match what {
            // Its word has the address already.
            What::Own(_) if place.is_multiple_of(2) => {
                own.push(offset(place));
                continue;
            }
            What::Own(target) => What::Own(offset(target)),
            What::Indirect(function) => What::Indirect(offset(function)),
            other => other,
        };
        let place = offset(place);
        if what.import().is_some() {
            // An import's address was out of reach while fields were filled.
            bytes[place as usize..][..8].fill(0);
        }
        words.push(Dynamic { place, what });
    }
    let (_, size, align) = link.thread_image();
    let Parts { all, threads, end } = parts;
    let named = |name: &str| link.functions(name).map_or(all[2].start..all[2].start, |range| moved(&range));
    let at = link.address(CHANGES).map_or(0, offset);
    let changes = options.changes.iter().map(|change| Change { own: at + change.own, ..*change }).collect();
    Ok(Contents {
        stamp: stamp(options),
        base: options.libraries.iter().find_map(Library::base),
        address,
        align: link.align().max(page),
        functions: [named(".preinit_array"), named(".init_array"), named(".fini_array")],
        parts: all,
        end,
        threads: (size != 0).then_some(Threads { image: threads, size, align }),
        entry: options.main.and_then(|main| link.address(main)).map(offset),
        libraries: options
            .libraries
            .iter()
            .enumerate()
            .map(|(number, library)| needed(link, number, library))
            .collect(),
        folders: folders(options.run_path.unwrap_or_default()),
        imports: link.imports().iter().map(imported).collect(),
        exports: link.exports().map(|defined| exported(&defined, address)).collect::<Result<_, _>>()?,
        own: pack(&own),
        words,
        unwind: link.unwind_parts().map(|(code, records)| (moved(&code), moved(&records))).collect(),
        changes,
        debug: 0..0,
        shares: options.shares.iter().map(|share| (share.root.clone(), share.places, share.bytes)).collect(),
    })
}

fn stamp(options: &MappedOptions<'_>) -> Stamp {
    let build = |library: &Library| Some((library.name().to_owned(), library.build_id()?.to_vec()));
    let builds = if options.same_builds { options.libraries.iter().filter_map(build).collect() } else { Vec::new() };
    Stamp { client: options.stamp.to_owned(), layout: options.layout, builds }
}

fn folders(run_path: &str) -> Vec<String> {
    run_path.split(':').filter(|folder| !folder.is_empty()).map(str::to_owned).collect()
}

fn needed(link: &Link, number: usize, library: &Library) -> Needed {
    let is_used = |import: &Import| import.found.as_ref().is_some_and(|(found, _)| *found == number);
    let load = library.is_needed() && link.imports().iter().any(is_used);
    Needed { name: library.name().to_owned(), load, base: library.base().is_some() }
}

fn kind(kind: SymbolKind) -> Kind {
    match kind {
        SymbolKind::Function | SymbolKind::Indirect => Kind::Function,
        SymbolKind::Object => Kind::Object,
        SymbolKind::ThreadLocal => Kind::ThreadLocal,
        _ => Kind::Unknown,
    }
}

fn imported(import: &Import) -> Imported {
    let Import { name, found, weak, kind: of, size } = import;
    let (library, version) = match found {
        Some((library, version)) => (Some(*library as u32), version.clone()),
        None => (None, None),
    };
    Imported { name: name.clone(), version, library, kind: kind(*of), size: *size, weak: *weak }
}

fn exported(defined: &Defined<'_>, address: u64) -> Result<Exported, Error> {
    let kind = match defined.symbol.definition {
        Definition::Absolute => Kind::Absolute,
        _ => kind(defined.symbol.kind),
    };
    let name = utf8(defined.name, "the image")?.to_owned();
    let mut exported = Exported { name, place: defined.address, size: defined.symbol.size, kind };
    if !exported.has_no_place() {
        exported.place = exported.place.wrapping_sub(address);
    }
    Ok(exported)
}
