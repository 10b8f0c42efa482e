//! Reading the process's mappings: what is where, and where there is room.
//! Data flow: the text of `/proc/self/maps` → `Entry` list, in address order. Pure.
//! Sources: proc_pid_maps(5).

use std::ops::Range;

/// One line of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Addresses it covers.
    pub range: Range<u64>,
    /// Whether it is readable.
    pub readable: bool,
    /// Whether it is writable.
    pub writable: bool,
    /// Whether it is executable.
    pub executable: bool,
    /// Whether it is private and of no file.
    pub anonymous: bool,
    /// The file, a name in brackets, or nothing.
    pub name: String,
}

/// Parses the whole text, lines of `start-end rwxp offset device inode name`; lines that are not understood are left out.
pub fn parse(text: &str) -> Vec<Entry> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Entry> {
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
    let &[read, write, execute, sharing] = words.next()?.as_bytes() else { return None };
    let (_offset, _device, inode) = (words.next()?, words.next()?, words.next()?);
    Some(Entry {
        range,
        readable: read == b'r',
        writable: write == b'w',
        executable: execute == b'x',
        anonymous: inode == "0" && sharing == b'p',
        name: words.next().unwrap_or_default().trim_start().to_owned(),
    })
}

/// The unmapped ranges within `window`, in address order.
pub(crate) fn gaps(entries: &[Entry], window: Range<u64>) -> Vec<Range<u64>> {
    let mut gaps = Vec::new();
    let mut start = window.start;
    for entry in entries.iter().filter(|entry| window.start < entry.range.end) {
        let end = entry.range.start.min(window.end);
        if start < end {
            gaps.push(start..end);
        }
        start = start.max(entry.range.end);
    }
    if start < window.end {
        gaps.push(start..window.end);
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
00400000-00401000 r-xp 00000000 fe:00 247030                     /usr/bin/a program
7f3587b19000-7f3587b3b000 rw-p 00000000 00:00 0 
7f3587b3b000-7f3587b3c000 r--s 00001000 fe:00 77                         /a shared file
7ffeebd16000-7ffeebd37000 rw-p 00000000 00:00 0                          [stack]
not a line
";

    #[test]
    fn reads_names_with_spaces_and_without() {
        let entries = parse(TEXT);
        let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["/usr/bin/a program", "", "/a shared file", "[stack]"]);
        let flags = entries.iter().map(|entry| [entry.readable, entry.writable, entry.executable, entry.anonymous]);
        let [file, memory, shared] =
            [[true, false, true, false], [true, true, false, true], [true, false, false, false]];
        assert_eq!(flags.collect::<Vec<_>>(), [file, memory, shared, memory]);
        assert_eq!(entries[1].range, 0x7f35_87b1_9000..0x7f35_87b3_b000);
    }

    #[test]
    fn gaps_are_what_is_between() {
        let entries = parse(TEXT);
        assert_eq!(gaps(&entries, 0x40_0800..0x50_0000).as_slice(), std::slice::from_ref(&(0x40_1000..0x50_0000)));
        assert_eq!(gaps(&entries, 0x1000..0x50_0000), [0x1000..0x40_0000, 0x40_1000..0x50_0000]);
        assert_eq!(gaps(&entries, 0x40_0000..0x40_1000), []);
    }
}
