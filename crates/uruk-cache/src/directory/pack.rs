//! One generation of a folder: its packed file and its index, as far as they have been read.

use super::index::{self, ENTRY_BYTES, Entry, HEADER_BYTES};
use crate::key::checksum;
use crate::sys::{is_at, read_exact_at, write_all_at};
use crate::{CacheError, Key};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

pub struct Pack {
    index: NamedFile,
    objects: NamedFile,
    generation: u64,
    entries: HashMap<Key, Entry>,
    /// How much of the index has been read.
    read: u64,
    /// How long the packed file is, as far as is known.
    size: u64,
    /// What this process has asked for.
    used: HashSet<Key>,
    writable: bool,
}

struct NamedFile {
    file: File,
    path: PathBuf,
}

impl NamedFile {
    fn failed(&self, what: &'static str) -> impl Fn(io::Error) -> CacheError + '_ {
        move |source| CacheError::File { path: self.path.clone(), what, source }
    }

    /// Opens a file for reading and, if that is allowed, for writing; says whether it is.
    fn open(path: PathBuf) -> Result<(NamedFile, bool), CacheError> {
        let writable = OpenOptions::new().read(true).write(true).open(&path);
        let opened = match writable {
            Ok(file) => Ok((file, true)),
            Err(_) => File::open(&path).map(|file| (file, false)),
        };
        match opened {
            Ok((file, writable)) => Ok((NamedFile { file, path }, writable)),
            Err(source) => Err(CacheError::File { path, what: "opening", source }),
        }
    }

    fn create(path: PathBuf) -> Result<NamedFile, CacheError> {
        match OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path) {
            Ok(file) => Ok(NamedFile { file, path }),
            Err(source) => Err(CacheError::File { path, what: "making it", source }),
        }
    }

    fn length(&self) -> Result<u64, CacheError> {
        Ok(self.file.metadata().map_err(self.failed("asking for its size"))?.len())
    }
}

fn index_path(folder: &Path) -> PathBuf {
    folder.join("index")
}

fn objects_path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("objects-{generation}"))
}

impl Pack {
    /// Opens what a folder has.
    pub fn open(folder: &Path) -> Result<Pack, CacheError> {
        let (index, index_writable) = NamedFile::open(index_path(folder))?;
        let mut header = [0; HEADER_BYTES];
        let read = read_exact_at(&index.file, &mut header, 0);
        let Some(generation) = read.ok().and_then(|()| index::generation(&header)) else {
            return Err(CacheError::Damaged { path: index.path, what: "this is no index" });
        };
        let (objects, writable) = NamedFile::open(objects_path(folder, generation))?;
        let writable = writable && index_writable;
        let (entries, used) = (HashMap::new(), HashSet::new());
        let mut pack = Pack { index, objects, generation, entries, read: HEADER_BYTES as u64, size: 0, used, writable };
        pack.read_entries()?;
        Ok(pack)
    }

    /// Makes an empty generation, which takes the place of what is there.
    pub fn create(folder: &Path, generation: u64) -> Result<Pack, CacheError> {
        let mut pack = Pack::prepare(folder, generation)?;
        pack.publish(folder)?;
        Ok(pack)
    }

    /// An empty generation that nobody sees yet.
    fn prepare(folder: &Path, generation: u64) -> Result<Pack, CacheError> {
        let objects = NamedFile::create(objects_path(folder, generation))?;
        let index = NamedFile::create(folder.join("index.new"))?;
        let header = index::header(generation);
        write_all_at(&index.file, &header, 0).map_err(index.failed("writing"))?;
        let (entries, used) = (HashMap::new(), HashSet::new());
        Ok(Pack { index, objects, generation, entries, read: HEADER_BYTES as u64, size: 0, used, writable: true })
    }

    fn publish(&mut self, folder: &Path) -> Result<(), CacheError> {
        let path = index_path(folder);
        fs::rename(&self.index.path, &path).map_err(self.index.failed("putting it in its place"))?;
        self.index.path = path;
        Ok(())
    }

    pub fn knows(&self, key: &Key) -> bool {
        self.entries.contains_key(key)
    }

    pub fn may_write(&self) -> bool {
        self.writable
    }

    pub fn stop_writing(&mut self) {
        self.writable = false;
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes in what other processes have written.
    pub fn refresh(&mut self, folder: &Path) -> Result<(), CacheError> {
        if is_at(&self.index.file, &index_path(folder)).map_err(self.index.failed("looking for it"))? {
            return if self.read < self.index.length()? { self.read_entries() } else { Ok(()) };
        }
        let mut other = Pack::open(folder)?;
        other.used = std::mem::take(&mut self.used);
        other.writable &= self.writable;
        *self = other;
        Ok(())
    }

    /// Reads the entries that are behind those that are known; one that is not whole is left for later.
    fn read_entries(&mut self) -> Result<(), CacheError> {
        let length = self.index.length()?;
        let whole = length.saturating_sub(self.read) as usize / ENTRY_BYTES * ENTRY_BYTES;
        let mut bytes = vec![0; whole];
        read_exact_at(&self.index.file, &mut bytes, self.read).map_err(self.index.failed("reading"))?;
        self.read += whole as u64;
        self.size = self.objects.length()?;
        for entry in bytes.as_chunks().0.iter().filter_map(Entry::decode) {
            if entry.offset.checked_add(entry.size.into()).is_some_and(|end| end <= self.size) {
                self.entries.insert(entry.key, entry);
            }
        }
        Ok(())
    }

    pub fn get(&mut self, key: &Key) -> Result<Option<Vec<u8>>, CacheError> {
        let Some(entry) = self.entries.get(key) else { return Ok(None) };
        let mut bytes = vec![0; entry.size as usize];
        let read = read_exact_at(&self.objects.file, &mut bytes, entry.offset);
        if read.is_ok() && checksum(key, &bytes) == entry.sum {
            self.used.insert(*key);
            return Ok(Some(bytes));
        }
        self.entries.remove(key);
        read.map_err(self.objects.failed("reading"))?;
        Err(CacheError::Damaged { path: self.objects.path.clone(), what: "an object's checksum is wrong" })
    }

    /// Appends an object. To be called with the folder's lock.
    pub fn append(&mut self, key: &Key, bytes: &[u8]) -> Result<(), CacheError> {
        if self.entries.contains_key(key) {
            return Ok(());
        }
        let Ok(size) = u32::try_from(bytes.len()) else { return Ok(()) };
        let offset = self.objects.length()?;
        let entry = Entry { key: *key, offset, size, sum: checksum(key, bytes) };
        let written = write_all_at(&self.objects.file, bytes, offset);
        if written.is_err() {
            // What was written of it may be what the next one has room in.
            let _ = self.objects.file.set_len(offset);
        }
        written.map_err(self.objects.failed("writing"))?;
        // What a process that was ended in the middle has left of an entry is overwritten.
        let at = self.read;
        let written = write_all_at(&self.index.file, &entry.encode(), at);
        if written.is_err() {
            let _ = self.index.file.set_len(at);
        }
        written.map_err(self.index.failed("writing"))?;
        self.read += ENTRY_BYTES as u64;
        self.size = offset + u64::from(size);
        self.entries.insert(*key, entry);
        Ok(())
    }

    /// The next generation, of this size at most: what this process has used, then what came last. To be called with the
    /// folder's lock.
    pub fn compacted(&mut self, folder: &Path, limit_bytes: u64) -> Result<Pack, CacheError> {
        let mut entries: Vec<Entry> = self.entries.values().copied().collect();
        entries.sort_by_key(|entry| (self.used.contains(&entry.key), entry.offset));
        let mut kept = 0;
        let fits = |entry: &&Entry| {
            kept += u64::from(entry.size);
            kept <= limit_bytes
        };
        let worthy: Vec<Key> = entries.iter().rev().take_while(fits).map(|entry| entry.key).collect();
        let mut next = Pack::prepare(folder, self.generation + 1)?;
        for key in worthy.iter().rev() {
            // What is damaged is not worth keeping.
            if let Ok(Some(bytes)) = self.get(key) {
                next.append(key, &bytes)?;
            }
        }
        next.publish(folder)?;
        // Whoever has it open goes on reading it.
        let _ = fs::remove_file(&self.objects.path);
        Ok(next)
    }
}
