//! `/proc/self/maps` as data.
//! Sources: proc_pid_maps(5).

use std::io;
use std::ops::Range;

/// One line: a range of pages with one protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub range: Range<u64>,
    /// `PROT_READ`, `PROT_WRITE`, `PROT_EXEC`.
    pub protection: i32,
    /// Private and of no file.
    pub anonymous: bool,
    /// A path, `[heap]` and the like, or empty.
    pub name: String,
}

pub(super) fn read() -> io::Result<Vec<Mapping>> {
    let text = crate::sys::read_proc("/proc/self/maps")?;
    Ok(String::from_utf8_lossy(&text).lines().filter_map(parse).collect())
}

/// `start-end rwxp offset device inode name`.
fn parse(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let rights = fields.next()?;
    let (_offset, _device, inode) = (fields.next()?, fields.next()?, fields.next()?);
    let protection = [('r', libc::PROT_READ), ('w', libc::PROT_WRITE), ('x', libc::PROT_EXEC)]
        .into_iter()
        .filter(|&(letter, _)| rights.contains(letter))
        .fold(0, |all, (_, bit)| all | bit);
    Some(Mapping {
        range: number(start)?..number(end)?,
        protection,
        anonymous: inode == "0" && rights.ends_with('p'),
        name: fields.next().unwrap_or_default().trim_start().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let heap = parse("55d0c000-55d0d000 rw-p 00000000 00:00 0                          [heap]").unwrap();
        let (range, protection) = (0x55d0_c000..0x55d0_d000, libc::PROT_READ | libc::PROT_WRITE);
        assert_eq!(heap, Mapping { range, protection, anonymous: true, name: "[heap]".to_owned() });
        let file = parse("7f00-7f01 r-xs 00001000 fe:00 77 /a path with spaces").unwrap();
        assert_eq!(file.protection, libc::PROT_READ | libc::PROT_EXEC);
        assert_eq!((file.anonymous, &*file.name), (false, "/a path with spaces"));
        assert_eq!(parse("1000-2000 ---p 00000000 00:00 0 ").unwrap().name, "");
        assert_eq!(parse("not a line"), None);
    }
}
