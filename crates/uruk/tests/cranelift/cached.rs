//! Compiled functions are kept in a cache, with all that they refer to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use uruk::Jit;
use uruk::cache::{CacheError, Directory, Key, ObjectCache};
use uruk::uruk_cranelift::{OptLevel, Options};

const TEXT: &str = "
function %outer(i64) -> i64 {
    fn0 = %inner(i64) -> i64
    fn1 = %labs(i64) -> i64
block0(v0: i64):
    v1 = call fn0(v0)
    v2 = call fn1(v1)
    return v2
}
function %inner(i64) -> i64 {
block0(v0: i64):
    v1 = iconst.i64 -3
    v2 = imul v0, v1
    return v2
}
";

/// A folder that counts what it had and what it was given.
struct Counting {
    folder: Directory,
    found: AtomicUsize,
    kept: AtomicUsize,
}

impl ObjectCache for Counting {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, CacheError> {
        let found = self.folder.get(key)?;
        self.found.fetch_add(usize::from(found.is_some()), Ordering::Relaxed);
        Ok(found)
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<(), CacheError> {
        self.kept.fetch_add(1, Ordering::Relaxed);
        self.folder.put(key, bytes)
    }
}

#[test]
fn a_second_run_compiles_what_is_new() {
    let path = tempfile::tempdir().unwrap();
    let run = |text: &str, opt_level: OptLevel| {
        let (found, kept) = Default::default();
        let cache = Arc::new(Counting { folder: Directory::new(path.path(), 1 << 20), found, kept });
        let options = Options { opt_level, ..Options::default() };
        let jit = Jit::builder().cache(cache.clone()).cranelift_options(options).build().unwrap();
        jit.main().add_clif("cached.clif", text).unwrap();
        // SAFETY: as the text declares it.
        let outer = unsafe { jit.main().function::<extern "C" fn(i64) -> i64>("outer") }.unwrap();
        let result = outer(5);
        assert_eq!(jit.session().take_reports().len(), 0);
        (result, cache.found.load(Ordering::Relaxed), cache.kept.load(Ordering::Relaxed))
    };
    assert_eq!(run(TEXT, OptLevel::Speed), (15, 0, 2));
    assert_eq!(run(TEXT, OptLevel::Speed), (15, 2, 0));
    assert_eq!(run(&TEXT.replace("-3", "-4"), OptLevel::Speed), (20, 1, 1), "one has changed");
    assert_eq!(run(TEXT, OptLevel::None), (15, 0, 2), "other settings are another compiler");
}
