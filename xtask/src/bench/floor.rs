//! The plain floor: what any link of these files must do at least, done plainly. Maps each file, walks its section headers, copies
//! every allocated section into one fresh mapping, hashes and inserts every global name once, stores once for each relocation,
//! protects. A linker is measured as a multiple of this; it is not a bound: better hashing and larger pages go below it.
//!
//! Reads trusted files only: `cargo xtask bench` made them. Offsets are checked by slicing all the same.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::ptr;
use std::slice;
use std::time::Instant;

use anyhow::{Context, Result, bail};

const SHT_SYMTAB: u32 = 2;
const SHT_RELA: u32 = 4;
const SHT_NOBITS: u32 = 8;
const SHF_ALLOC: u64 = 2;

/// A section header, as much as is needed.
struct Header {
    kind: u32,
    flags: u64,
    offset: usize,
    size: usize,
    link: usize,
    info: usize,
    align: usize,
    /// Where its bytes lie in the mapping, if it is allocated.
    place: usize,
}

/// The task `floor`: prints one line of JSON with the time of each phase.
pub fn run(arguments: &[String]) -> Result<bool> {
    let mut names = Vec::new();
    for argument in arguments {
        match argument.strip_prefix('@') {
            None => names.push(argument.clone()),
            Some(list) => names.extend(fs::read_to_string(list)?.lines().map(str::to_owned)),
        }
    }
    let mut times = [0.0; 5];
    let mut clock = Instant::now();
    let mut lap = |phase: usize| {
        times[phase] = clock.elapsed().as_secs_f64() * 1e3;
        clock = Instant::now();
    };

    let mut files = Vec::with_capacity(names.len());
    let mut size = 0;
    for name in &names {
        let bytes = map_file(name)?;
        let headers = headers(bytes, &mut size).with_context(|| format!("{name} is not an ELF object"))?;
        files.push((bytes, headers));
    }
    lap(0);
    let memory = map_memory(size.max(1))?;
    for (bytes, headers) in &files {
        for header in headers.iter().filter(|header| header.flags & SHF_ALLOC != 0 && header.kind != SHT_NOBITS) {
            memory[header.place..][..header.size].copy_from_slice(&bytes[header.offset..][..header.size]);
        }
    }
    lap(1);
    let globals = insert_names(&files);
    lap(2);
    let relocations = store_relocations(&files, memory);
    lap(3);
    // SAFETY: `memory` is a whole mapping of ours; nothing reads or writes it after this.
    if unsafe { libc::mprotect(memory.as_mut_ptr().cast(), memory.len(), libc::PROT_READ | libc::PROT_EXEC) } != 0 {
        bail!("mprotect failed");
    }
    lap(4);
    let [map, copy, symbols, fixups, protect] = times;
    println!(
        "{{\"total_ms\":{:.4},\"map_ms\":{map:.4},\"copy_ms\":{copy:.4},\"symbols_ms\":{symbols:.4},\"relocations_ms\":{fixups:.4},\
         \"protect_ms\":{protect:.4},\"bytes\":{size},\"globals\":{globals},\"relocations\":{relocations}}}",
        times.iter().sum::<f64>()
    );
    Ok(true)
}

fn map_file(name: &str) -> Result<&'static [u8]> {
    let file = File::open(name).with_context(|| format!("cannot open {name}"))?;
    let size = usize::try_from(file.metadata()?.len())?;
    // SAFETY: a fresh private read-only mapping of `size` bytes that is never unmapped; nobody truncates the file meanwhile
    // (the benchmark made it and only reads it).
    unsafe {
        let address = libc::mmap(ptr::null_mut(), size, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0);
        if address == libc::MAP_FAILED {
            bail!("cannot map {name}");
        }
        Ok(slice::from_raw_parts(address.cast(), size))
    }
}

fn map_memory(size: usize) -> Result<&'static mut [u8]> {
    // SAFETY: a fresh anonymous mapping of `size` zeroed bytes that is never unmapped and that nobody else knows.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let address = libc::mmap(ptr::null_mut(), size, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        if address == libc::MAP_FAILED {
            bail!("cannot map {size} bytes");
        }
        Ok(slice::from_raw_parts_mut(address.cast(), size))
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn half(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Reads the section headers and gives each allocated section its place; `size` is the end of the last place.
fn headers(bytes: &[u8], size: &mut usize) -> Option<Vec<Header>> {
    if bytes.get(..4)? != b"\x7fELF" || bytes.len() < 64 {
        return None;
    }
    let start = word(bytes, 40) as usize;
    let mut count = usize::from(u16::from_le_bytes(bytes[60..62].try_into().ok()?));
    if count == 0 {
        count = word(bytes.get(start..start + 64)?, 32) as usize;
    }
    let mut headers = Vec::with_capacity(count);
    for raw in bytes.get(start..start + count * 64)?.chunks_exact(64) {
        let mut header = Header {
            kind: half(raw, 4),
            flags: word(raw, 8),
            offset: word(raw, 24) as usize,
            size: word(raw, 32) as usize,
            link: half(raw, 40) as usize,
            info: half(raw, 44) as usize,
            align: (word(raw, 48) as usize).max(1),
            place: 0,
        };
        if header.flags & SHF_ALLOC != 0 {
            header.place = size.next_multiple_of(header.align);
            *size = header.place + header.size;
        }
        headers.push(header);
    }
    Some(headers)
}

/// Inserts every global name into one table, presized; returns how many references there were.
fn insert_names(files: &[(&[u8], Vec<Header>)]) -> usize {
    let tables =
        || files.iter().flat_map(|(bytes, headers)| headers.iter().map(move |header| (bytes, headers, header)));
    let tables = || tables().filter(|(_, _, header)| header.kind == SHT_SYMTAB);
    let references: usize = tables().map(|(_, _, header)| header.size / 24 - header.info).sum();
    let mut slots: Vec<(u64, &[u8])> = vec![(0, &[]); (references * 2).next_power_of_two()];
    let mask = slots.len() - 1;
    for (bytes, headers, header) in tables() {
        let names = &bytes[headers[header.link].offset..][..headers[header.link].size];
        for symbol in bytes[header.offset..][..header.size].chunks_exact(24).skip(header.info) {
            let name = &names[half(symbol, 0) as usize..];
            let mut hash = 0xcbf2_9ce4_8422_2325u64; // FNV-1a
            let mut length = 0;
            while name[length] != 0 {
                hash = (hash ^ u64::from(name[length])).wrapping_mul(0x100_0000_01b3);
                length += 1;
            }
            let name = &name[..length];
            let mut index = hash as usize & mask;
            while !slots[index].1.is_empty() && slots[index] != (hash, name) {
                index = (index + 1) & mask;
            }
            slots[index] = (hash, name);
        }
    }
    std::hint::black_box(&slots);
    references
}

/// Stores four bytes for each relocation of an allocated section; returns how many there were.
fn store_relocations(files: &[(&[u8], Vec<Header>)], memory: &mut [u8]) -> usize {
    let mut count = 0;
    for (bytes, headers) in files {
        for header in headers.iter().filter(|header| header.kind == SHT_RELA) {
            let target = &headers[header.info];
            if target.flags & SHF_ALLOC == 0 {
                continue;
            }
            for relocation in bytes[header.offset..][..header.size].chunks_exact(24) {
                let place = target.place + word(relocation, 0) as usize;
                let value = half(relocation, 12).wrapping_add(word(relocation, 16) as u32);
                memory[place..place + 4].copy_from_slice(&value.to_le_bytes());
                count += 1;
            }
        }
    }
    count
}
