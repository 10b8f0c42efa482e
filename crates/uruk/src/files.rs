//! Files as linker input: small ones are read, since a mapping costs more and each process has only so many; large
//! ones are mapped.

use memmap2::Mmap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use uruk_jitlink::input::{Backing, Input};
use uruk_orc::error::Error;

/// Files from this size on are mapped.
const MAPPED_BYTES: u64 = 64 << 10;
/// Small files are read into buffers of up to this size, since thousands of little ones cost more than their bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// Opens a file as linker input. Whoever shortens a large file while it is in use ends the process with a bus error,
/// as with shared libraries.
pub fn read_file(path: &Path) -> Result<Input, Error> {
    read_files(&[path]).map(|mut inputs| inputs.remove(0))
}

/// Opens files as linker input, as [`read_file`] does. Small ones among them stay in memory for as long as any that was
/// opened with them is in use.
pub fn read_files<P: AsRef<Path>>(paths: &[P]) -> Result<Vec<Input>, Error> {
    let mut buffers = Buffers::default();
    let mut opened = Vec::with_capacity(paths.len());
    for path in paths {
        let name = path.as_ref().display().to_string();
        match open(path.as_ref(), &mut buffers) {
            Ok(contents) => opened.push((name, contents)),
            Err(error) => return Err(Error::File { file: name, source: Arc::new(error) }),
        }
    }
    let buffers: Vec<Input> = buffers.filled.into_iter().map(|bytes| Input::from_bytes("", bytes)).collect();
    let inputs = opened.into_iter().map(|(name, contents)| match contents {
        Contents::Mapped(mapping) => Input::new(name, Arc::new(mapping)),
        Contents::Read(buffer, range) => buffers[buffer].part(name, range).expect("what was read lies in its buffer"),
    });
    Ok(inputs.collect())
}

/// A file's bytes in the page cache.
struct Mapped(Mmap);

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Backing for Mapped {
    #[cfg(unix)]
    fn set_aside(&self, range: Range<usize>) {
        let dont_need = memmap2::UncheckedAdvice::DontNeed;
        // SAFETY: nobody writes to the mapping, so that its pages come back from the file as they are.
        let _ = unsafe { self.0.unchecked_advise_range(dont_need, range.start, range.len()) };
    }
}

/// Where the bytes of a file are.
enum Contents {
    Mapped(Mapped),
    /// In the buffer of this number.
    Read(usize, Range<usize>),
}

#[derive(Default)]
struct Buffers {
    filled: Vec<Vec<u8>>,
}

impl Buffers {
    /// Reads `size` bytes, or to the end where that is not known, and says where they are.
    fn read(&mut self, file: File, size: u64) -> io::Result<Contents> {
        let room = |buffer: &Vec<u8>| buffer.capacity() - buffer.len();
        if self.filled.last().is_none_or(|last| room(last) < size as usize) {
            // The first file has a buffer of its own, since it is often the only one; later buffers are larger.
            let grown = self.filled.last().map_or(0, |last| 8 * last.capacity());
            self.filled.push(Vec::with_capacity(grown.min(BUFFER_BYTES).max(size as usize)));
        }
        let number = self.filled.len() - 1;
        let buffer = &mut self.filled[number];
        let start = buffer.len();
        // Bounded by the size that is known, since otherwise it is asked for again, and the end is read as well. What has no
        // size, as a pipe, is read to its end.
        let limit = if size == 0 { u64::MAX } else { size };
        file.take(limit).read_to_end(buffer)?;
        Ok(Contents::Read(number, start..buffer.len()))
    }
}

fn open(path: &Path, buffers: &mut Buffers) -> io::Result<Contents> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if MAPPED_BYTES <= size {
        // SAFETY: the mapping is private and read-only; that nobody shortens the file meanwhile is asked of the user.
        return unsafe { Mmap::map(&file) }.map(|mapping| Contents::Mapped(Mapped(mapping)));
    }
    buffers.read(file, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_all_sizes_keep_their_bytes_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let sizes = [0, 1, 5000, MAPPED_BYTES as usize - 1, MAPPED_BYTES as usize, 300_000, 7];
        // Enough of them for several buffers.
        let files: Vec<_> = (0..100).map(|number| (number, sizes[number % sizes.len()])).collect();
        let paths: Vec<_> = files.iter().map(|(number, _)| folder.path().join(number.to_string())).collect();
        for ((number, size), path) in files.iter().zip(&paths) {
            std::fs::write(path, vec![*number as u8; *size]).unwrap();
        }
        let inputs = read_files(&paths).unwrap();
        for (((number, size), path), input) in files.iter().zip(&paths).zip(&inputs) {
            assert_eq!((&input[..], &**input.name()), (&vec![*number as u8; *size][..], path.to_str().unwrap()));
        }
        for (((number, size), _), input) in files.iter().zip(&paths).zip(&inputs) {
            input.set_aside(size / 3);
            assert_eq!(&input[..], &vec![*number as u8; *size][..]);
        }
        assert!(read_files(&[paths[0].clone(), folder.path().join("none")]).is_err());
    }

    /// Bytes of memory behind the mapping that begins at an address.
    fn resident(start: usize) -> u64 {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mapping = &maps[maps.find(&format!("{start:x}-")).unwrap()..];
        let kib = mapping.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
        kib.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    #[test]
    fn what_is_set_aside_leaves_memory_and_keeps_its_bytes() {
        const SIZE: usize = 1 << 20;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::write(&path, vec![7; SIZE]).unwrap();
        let input = read_file(&path).unwrap();
        let sum = |bytes: &[u8]| bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>();
        assert_eq!(sum(&input), 7 * SIZE);
        let start = input.as_ptr() as usize;
        assert_eq!(resident(start), SIZE as u64);
        let first_half = input.part("half", 0..SIZE / 2).unwrap();
        first_half.set_aside(SIZE / 4);
        assert_eq!(resident(start), (SIZE - SIZE / 4) as u64, "a part sets nothing aside that lies behind it");
        assert_eq!(sum(&input), 7 * SIZE);
    }
}
