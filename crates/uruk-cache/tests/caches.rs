//! Caches that are used as they should be, by several at once, and that are damaged.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::Command;
use uruk_cache::{CacheError, Directory, Key, KeyBuilder, Memory, ObjectCache, Tiers};

const LIMIT: u64 = 1 << 20;

fn key(number: u32) -> Key {
    KeyBuilder::new("test").part(&number.to_le_bytes()).finish()
}

/// What is kept under a key.
fn object(number: u32) -> Vec<u8> {
    (0..100 + number % 50).map(|byte| (byte ^ number) as u8).collect()
}

/// Puts and finds some objects in an empty cache.
fn check(cache: &dyn ObjectCache) {
    assert!(cache.get(&key(1)).unwrap().is_none());
    for number in 0..100 {
        cache.put(&key(number), &object(number)).unwrap();
    }
    assert!((0..100).all(|number| cache.get(&key(number)).unwrap() == Some(object(number))));
    cache.put(&key(100), &[]).unwrap();
    assert_eq!(cache.get(&key(100)).unwrap(), Some(Vec::new()));
    assert!(cache.get(&key(101)).unwrap().is_none());
}

/// How many of the first objects are there, and how many errors that cost; what is there has to be right.
fn census(cache: &dyn ObjectCache, count: u32) -> (usize, usize) {
    let found: Vec<_> = (0..count).map(|number| (number, cache.get(&key(number)))).collect();
    let there = found.iter().filter_map(|(number, found)| Some((number, found.as_ref().ok()?.as_ref()?)));
    let right = there.filter(|(number, bytes)| **bytes == object(**number)).count();
    assert_eq!(right, found.iter().filter(|(_, found)| matches!(found, Ok(Some(_)))).count());
    (right, found.iter().filter(|(_, found)| found.is_err()).count())
}

/// A folder with so many objects.
fn filled(count: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let cache = Directory::new(folder.path(), LIMIT);
    (0..count).for_each(|number| cache.put(&key(number), &object(number)).unwrap());
    folder
}

fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

#[test]
fn what_was_put_is_found() {
    let folder = tempfile::tempdir().unwrap();
    check(&Memory::new(LIMIT));
    check(&Directory::new(folder.path().join("not/there/yet"), LIMIT));
    let tiers = Tiers::new(Memory::new(LIMIT), Directory::new(folder.path(), LIMIT));
    check(&tiers);
    // The far one has it after the near one is gone, and fills the next near one.
    let tiers = Tiers::new(Memory::new(LIMIT), Directory::new(folder.path(), LIMIT));
    assert_eq!(census(&tiers, 100), (100, 0));
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(census(&tiers, 100), (100, 0));
}

#[test]
fn keys_tell_parts_apart() {
    let key = |parts: &[&str]| parts.iter().fold(KeyBuilder::new("c"), |key, part| key.part(part.as_bytes())).finish();
    assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
    assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
    assert_ne!(KeyBuilder::new("a").finish(), KeyBuilder::new("b").finish());
}

#[test]
fn a_memory_of_limited_size_keeps_what_was_used_last() {
    let cache = Memory::new(1000);
    for number in 0..10 {
        cache.put(&key(number), &[0; 100]).unwrap();
    }
    cache.get(&key(0)).unwrap();
    cache.put(&key(10), &[0; 100]).unwrap();
    let kept = |number| cache.get(&key(number)).unwrap().is_some();
    assert_eq!((kept(0), kept(1), kept(2), kept(10)), (true, false, true, true));
    cache.put(&key(11), &[0; 2000]).unwrap();
    assert!(cache.get(&key(11)).unwrap().is_none());
}

#[test]
fn a_folder_of_limited_size_keeps_what_is_used_and_what_came_last() {
    let folder = tempfile::tempdir().unwrap();
    const SIZE: usize = 1000;
    let cache = Directory::new(folder.path(), 100 * SIZE as u64);
    let other = Directory::new(folder.path(), 100 * SIZE as u64);
    for number in 0..1000 {
        cache.put(&key(number), &[number as u8; SIZE]).unwrap();
        assert!(cache.get(&key(0)).unwrap().is_some(), "it is used all the time");
        assert!(other.get(&key(number)).unwrap().is_some(), "another process sees it");
    }
    let size: u64 = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(size <= 110 * SIZE as u64, "{size} bytes");
    assert!((960..1000).all(|number| cache.get(&key(number)).unwrap().is_some()));
    assert!(cache.get(&key(1)).unwrap().is_none());
    cache.put(&key(1), &[0; 101 * SIZE]).unwrap();
    assert!(cache.get(&key(1)).unwrap().is_none(), "larger than all");
}

#[test]
fn damage_costs_what_is_damaged() {
    let folder = filled(10);
    // Object 0 begins the packed file.
    overwrite(&folder.path().join("objects-0"), 20, &[0xee; 4]);
    let cache = Directory::new(folder.path(), LIMIT);
    assert_eq!(census(&cache, 10), (9, 1));
    assert_eq!(census(&cache, 10), (9, 0), "a miss from then on");
    cache.put(&key(0), &object(0)).unwrap();
    assert_eq!(census(&cache, 10), (10, 0));
    // The last entry of the new process's is the good one.
    assert_eq!(census(&Directory::new(folder.path(), LIMIT), 10), (10, 0));

    let folder = filled(10);
    overwrite(&folder.path().join("index"), 16 + 3 * 64 + 5, &[0xee; 4]);
    assert_eq!(census(&Directory::new(folder.path(), LIMIT), 10), (9, 0));

    let folder = filled(10);
    let index = OpenOptions::new().write(true).open(folder.path().join("index")).unwrap();
    index.set_len(16 + 5 * 64 + 30).unwrap();
    let cache = Directory::new(folder.path(), LIMIT);
    assert_eq!(census(&cache, 10), (5, 0));
    cache.put(&key(7), &object(7)).unwrap();
    assert_eq!(census(&Directory::new(folder.path(), LIMIT), 10), (6, 0), "the torn entry is overwritten");

    let folder = filled(10);
    OpenOptions::new().write(true).open(folder.path().join("objects-0")).unwrap().set_len(250).unwrap();
    assert_eq!(census(&Directory::new(folder.path(), LIMIT), 10), (2, 0));
}

#[test]
fn a_folder_that_is_no_cache_is_made_one() {
    let folder = filled(3);
    fs::write(folder.path().join("index"), "something else").unwrap();
    let cache = Directory::new(folder.path(), LIMIT);
    assert_eq!(census(&cache, 3), (0, 0));
    cache.put(&key(2), &object(2)).unwrap();
    assert_eq!(census(&cache, 3), (1, 0));
    fs::remove_file(folder.path().join("objects-0")).unwrap();
    assert_eq!(census(&Directory::new(folder.path(), LIMIT), 3), (0, 0));
}

#[test]
fn a_folder_that_cannot_be_used_is_said_once_and_then_empty() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let cache = Directory::new(file.join("cache"), LIMIT);
    let error = cache.get(&key(1)).unwrap_err();
    assert!(matches!(error, CacheError::File { .. }), "{error}");
    assert!(cache.get(&key(1)).unwrap().is_none());
    cache.put(&key(1), &object(1)).unwrap();
    assert!(cache.get(&key(1)).unwrap().is_none());
}

#[test]
fn a_full_disk_is_said_once_and_what_was_there_is_found() {
    let folder = filled(0);
    Directory::new(folder.path(), LIMIT).get(&key(0)).unwrap();
    fs::remove_file(folder.path().join("objects-0")).unwrap();
    symlink("/dev/full", folder.path().join("objects-0")).unwrap();
    let cache = Directory::new(folder.path(), LIMIT);
    let error = cache.put(&key(1), &object(1)).unwrap_err().to_string();
    assert!(error.contains("writing"), "{error}");
    cache.put(&key(2), &object(2)).unwrap();
    assert_eq!(census(&cache, 3), (0, 0));
}

const CHILD: &str = "URUK_CACHE_CHILD";
const EACH: u32 = 2000;

/// Puts and gets a process's objects.
fn work(folder: &Path, first: u32) {
    let cache = Directory::new(folder, LIMIT);
    for number in first..first + EACH {
        cache.put(&key(number), &object(number)).unwrap();
        assert_eq!(cache.get(&key(number)).unwrap(), Some(object(number)));
        if let Some(bytes) = cache.get(&key(number % EACH)).unwrap() {
            assert_eq!(bytes, object(number % EACH));
        }
    }
}

#[test]
fn two_processes_share_a_folder() {
    if let Some(folder) = std::env::var_os(CHILD) {
        return work(Path::new(&folder), EACH);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "two_processes_share_a_folder"]).env(CHILD, folder.path());
    let mut child = child.spawn().unwrap();
    work(folder.path(), 0);
    assert!(child.wait().unwrap().success());
    assert_eq!(census(&Directory::new(folder.path(), LIMIT), 2 * EACH), (2 * EACH as usize, 0));
}

#[cfg(feature = "object_store")]
#[test]
fn a_store_is_shared_by_whoever_has_access() {
    use object_store::memory::InMemory;
    use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
    use std::sync::Arc;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let cache = || uruk_cache::Remote::new(store.clone(), "code", runtime.handle().clone());
    check(&cache());
    let path = object_store::path::Path::from(format!("code/{}", key(3)));
    runtime.block_on(store.put(&path, PutPayload::from_static(b"damaged"))).unwrap();
    assert_eq!(census(&cache(), 10), (9, 1));
}
