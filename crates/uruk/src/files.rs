//! Files as linker input: small ones are read, since a mapping costs more and each process has only so many; large
//! ones are mapped.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use uruk_jitlink::input::Input;
use uruk_orc::error::Error;

/// Files from this size on are mapped.
const MAPPED_BYTES: u64 = 64 << 10;

/// Opens a file as linker input. Whoever shortens a large file while it is in use ends the process with a bus error,
/// as with shared libraries.
pub fn read_file(path: &Path) -> Result<Input, Error> {
    let name = path.display().to_string();
    let failed = |error| Error::File { file: name.clone(), source: Arc::new(error) };
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if MAPPED_BYTES <= size {
        // SAFETY: the mapping is private and read-only; that nobody shortens the file meanwhile is asked of the user.
        let mapping = unsafe { memmap2::Mmap::map(&file) }.map_err(failed)?;
        return Ok(Input::new(name, Arc::new(mapping)));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // Bounded by the size that is known, since otherwise it is asked for again, and the end is read as well. What has no
    // size, as a pipe, is read to its end.
    let limit = if size == 0 { u64::MAX } else { size };
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Input::from_bytes(name, bytes))
}
