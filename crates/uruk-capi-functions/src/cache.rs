//! Caches of compiled code: the stock ones, and clients' own.

use crate::call::{Reach, answer, enter};
use crate::context::{Context, uruk_destroy};
use crate::error::{Failure, uruk_status};
use crate::handle::{self, Handle, Kind};
use crate::raw::{List, Out, Text};
use crate::sized::{self, Grows};
use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex, PoisonError};
use uruk::cache::{CacheError, Directory, Key, KeyBuilder, Memory, ObjectCache};

/// Keeps what compilers make, by a key of 32 bytes that says what it was made of. It is given to JITs by their options, and disposed of by
/// who made it, in any order.
pub struct uruk_cache;

impl Kind for uruk_cache {
    const NAME: &'static str = "uruk_cache";
    type Object = Arc<dyn ObjectCache>;
}

/// Where `get` of a client's cache puts bytes. It is lent, and gone when that returns.
pub struct uruk_sink;

impl Kind for uruk_sink {
    const NAME: &'static str = "uruk_sink";
    type Object = Mutex<Option<Vec<u8>>>;
}

/// The callbacks of a cache of a client's own. Several threads may call them at once. One that fails has less, and no more than that.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_cache_callbacks {
    /// Filled in by `uruk_cache_callbacks_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_cache_callbacks_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_cache_callbacks_init`.
    pub magic: u64,
    /// Given to each callback.
    pub context: *mut c_void,
    /// What messages call it; null: "a client's cache". It is copied.
    pub name: Text,
    /// Puts what it has under a key into the sink, by `uruk_sink_put`, or nothing. Returns 0, or fails with `*message`. Must be given.
    pub get: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            key: *const u8,
            sink: Handle<uruk_sink>,
            message: *mut *mut c_char,
        ) -> i32,
    >,
    /// Keeps bytes under a key, if there is room. Returns 0, or fails with `*message`. Must be given.
    pub put: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            key: *const u8,
            bytes: *const u8,
            size: usize,
            message: *mut *mut c_char,
        ) -> i32,
    >,
    /// The last call of all, once the cache was disposed of and no JIT has it. Null: nobody is told.
    pub destroy: uruk_destroy,
}

// SAFETY: `repr(C)`, it begins as it must, and function pointers that may be null and addresses are all that follows.
unsafe impl Grows for uruk_cache_callbacks {
    const NAME: &'static str = "uruk_cache_callbacks";
    const NUMBER: u32 = 9;
}

/// Fills in a table of callbacks: none. `size` is `sizeof` the structure. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_cache_callbacks_init(callbacks: Out<uruk_cache_callbacks>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(callbacks, size))
}

/// Makes a cache of a table of callbacks, which is copied. If this fails, the context stays the caller's.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_cache_create(
    callbacks: List<uruk_cache_callbacks>,
    cache: Out<Handle<uruk_cache>>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        cache.check("cache")?;
        let callbacks = sized::copy(callbacks)?;
        let (Some(get), Some(store)) = (callbacks.get, callbacks.put) else {
            let text = "uruk_cache_callbacks: `get` and `put` make sense together; give both";
            return Err(Failure::new(uruk_status::URUK_HALF_PAIR, text));
        };
        let name = callbacks.name.or("`name` of uruk_cache_callbacks", "a client's cache")?.to_owned();
        let context = Context::new(callbacks.context, callbacks.destroy);
        context.own();
        give(cache, Arc::new(Custom { get, store, name, context }))
    })
}

/// Makes a cache in memory of so many bytes at most, which loses what was not used for long.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_cache_create_memory(limit: u64, cache: Out<Handle<uruk_cache>>) -> uruk_status {
    enter(Reach::Anywhere, || give(cache, Arc::new(Memory::new(limit))))
}

/// Makes a cache in a folder, of so many bytes at most. It is made when something is kept first; several processes may use it at once.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_cache_create_directory(path: Text, limit: u64, cache: Out<Handle<uruk_cache>>) -> uruk_status {
    enter(Reach::Anywhere, || {
        cache.check("cache")?;
        give(cache, Arc::new(Directory::new(path.get("path")?, limit)))
    })
}

fn give(cache: Out<Handle<uruk_cache>>, made: Arc<dyn ObjectCache>) -> Result<(), Failure> {
    cache.check("cache")?;
    cache.put(handle::put::<uruk_cache>(Arc::new(made)).handle())
}

/// Disposes of a cache: it goes with the last JIT that has it. Null is fine.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_cache_dispose(cache: Handle<uruk_cache>) -> uruk_status {
    enter(Reach::OutsideLinks, || cache.take().map(drop))
}

/// Something that a key is made of.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_bytes {
    /// Where it begins.
    pub bytes: List<u8>,
    /// Bytes.
    pub size: usize,
}

/// The key of what a compiler makes: it is to be made of all that the result depends on, the compiler's version, options and input. `key` is
/// an array of 32 bytes.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_cache_key(compiler: Text, parts: List<uruk_bytes>, count: usize, key: Out<u8>) -> uruk_status {
    enter(Reach::Anywhere, || {
        let mut builder = KeyBuilder::new(compiler.get("compiler")?);
        for part in parts.get(count, "parts")? {
            builder = builder.part(part.bytes.get(part.size, "a part")?);
        }
        key.put_all(builder.finish().0.into_iter())
    })
}

/// Copies what a cache has under a key as far as there is room, and says in `size` how much it is. `URUK_MISSING` if it has nothing.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_cache_get(
    cache: Handle<uruk_cache>,
    key: List<u8>,
    buffer: Out<u8>,
    room: usize,
    size: Out<usize>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        size.check("size")?;
        let found = cache.get()?.get(&key_of(key)?).map_err(failure)?;
        let found =
            found.ok_or_else(|| Failure::new(uruk_status::URUK_MISSING, "the cache has nothing under this key"))?;
        buffer.put_all(found[..room.min(found.len())].iter().copied())?;
        size.put(found.len())
    })
}

/// Keeps bytes under a key, if there is room.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_cache_put(
    cache: Handle<uruk_cache>,
    key: List<u8>,
    bytes: List<u8>,
    size: usize,
) -> uruk_status {
    enter(Reach::OutsideLinks, || cache.get()?.put(&key_of(key)?, bytes.get(size, "bytes")?).map_err(failure))
}

/// Says what a cache has: `get` calls it once, or not at all. The bytes are copied. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_sink_put(sink: Handle<uruk_sink>, bytes: List<u8>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || {
        let bytes = bytes.get(size, "bytes")?.to_vec();
        *sink.get()?.lock().unwrap_or_else(PoisonError::into_inner) = Some(bytes);
        Ok(())
    })
}

fn key_of(key: List<u8>) -> Result<Key, Failure> {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(key.get(32, "key")?);
    Ok(Key(bytes))
}

fn failure(error: CacheError) -> Failure {
    let status = match &error {
        CacheError::File { .. } | CacheError::Damaged { .. } => uruk_status::URUK_FILE,
        CacheError::Store { .. } => uruk_status::URUK_CALLBACK,
        _ => uruk_status::URUK_OTHER,
    };
    Failure::new(status, error.to_string())
}

struct Custom {
    get: unsafe extern "C" fn(*mut c_void, *const u8, Handle<uruk_sink>, *mut *mut c_char) -> i32,
    store: unsafe extern "C" fn(*mut c_void, *const u8, *const u8, usize, *mut *mut c_char) -> i32,
    name: String,
    context: Context,
}

impl Custom {
    fn failed(&self, failure: Failure) -> CacheError {
        CacheError::Store { store: self.name.clone(), source: Box::new(failure) }
    }
}

impl ObjectCache for Custom {
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, CacheError> {
        let sink = Arc::new(Mutex::new(None));
        let handle = handle::put::<uruk_sink>(sink.clone()).handle();
        // SAFETY: the client's function with its context, a key that lives during the call, and a handle that does.
        let call = |message| unsafe { (self.get)(self.context.pointer(), key.0.as_ptr(), handle, message) };
        let said = answer("`get`", call);
        // It is there: nobody else ends it.
        let _ = handle.take();
        said.map_err(|failure| self.failed(failure))?;
        Ok(sink.lock().unwrap_or_else(PoisonError::into_inner).take())
    }

    fn put(&self, key: &Key, bytes: &[u8]) -> Result<(), CacheError> {
        let call = |message| {
            let (context, key) = (self.context.pointer(), key.0.as_ptr());
            // SAFETY: the client's function with its context, and a key and bytes that live during the call.
            unsafe { (self.store)(context, key, bytes.as_ptr(), bytes.len(), message) }
        };
        answer("`put`", call).map_err(|failure| self.failed(failure))
    }
}
