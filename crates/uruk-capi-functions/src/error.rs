//! Failures: what every function returns, and what more there is to know.
//!
//! A function returns a status; the text of this thread's last failure stays until its next one. Callbacks report theirs by a
//! status and a message that [`uruk_message`] has copied.

use crate::call::{Reach, enter, enter_value};
use crate::handle::{self, Handle, Kind};
use crate::raw::{Out, Text};
use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::fmt;
use std::sync::Arc;
use uruk_jitlink::error::LinkError;
use uruk_jitlink::memory::MemoryError;

/// What became of a call: 0 if it succeeded. New ones are added at the end.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum uruk_status {
    /// It succeeded.
    URUK_OK = 0,
    /// A pointer is null that must not be.
    URUK_NULL = 1,
    /// An argument makes no sense; the text says which and why.
    URUK_INVALID = 2,
    /// A text is not UTF-8.
    URUK_NOT_UTF8 = 3,
    /// A handle was never one.
    URUK_NOT_A_HANDLE = 4,
    /// A handle of another kind.
    URUK_WRONG_KIND = 5,
    /// What the handle stood for was destroyed.
    URUK_GONE = 6,
    /// A structure that its `_init` function has not filled in.
    URUK_BAD_MAGIC = 7,
    /// A structure whose `struct_size` is 0.
    URUK_ZERO_SIZE = 8,
    /// A structure larger than the library knows: the header is newer than the library.
    URUK_TOO_LARGE = 9,
    /// A structure too small for what every version has.
    URUK_TOO_SMALL = 10,
    /// A structure of a version that the library does not know.
    URUK_UNKNOWN_VERSION = 11,
    /// One of two callbacks that only make sense together is missing.
    URUK_HALF_PAIR = 12,
    /// The function must not be called from inside this callback; call it afterwards, or on another thread.
    URUK_BUSY = 13,
    /// A table of callbacks was altered after its object had been made.
    URUK_TAMPERED = 14,
    /// Symbols that nobody defines.
    URUK_MISSING = 15,
    /// A symbol that is defined twice.
    URUK_DUPLICATE = 16,
    /// An object, archive or other input is damaged or not supported, or cannot be linked.
    URUK_LINK = 17,
    /// Memory could not be had, or what a memory manager gave does not fit.
    URUK_MEMORY = 18,
    /// Something could not be compiled.
    URUK_COMPILE = 19,
    /// The process where code runs refuses, or is gone.
    URUK_EXECUTOR = 20,
    /// A file could not be read or written.
    URUK_FILE = 21,
    /// A callback has failed.
    URUK_CALLBACK = 22,
    /// What was asked for was removed while it was made.
    URUK_REMOVED = 23,
    /// The library was built without this.
    URUK_UNSUPPORTED = 24,
    /// Something else; the text says what.
    URUK_OTHER = 25,
    /// A mistake of the library: it panicked. Nothing is left half done, but please report it.
    URUK_PANIC = 26,
    /// Memory at an address that is no multiple of the alignment that was asked for.
    URUK_BAD_ALIGNMENT = 27,
    /// Memory that something else has.
    URUK_OVERLAP = 28,
    /// Memory that would end beyond the last address.
    URUK_PAST_END = 29,
    /// Memory that is further from other memory than instructions reach.
    URUK_OUT_OF_REACH = 30,
    /// What the program has in its memory cannot be in an image; the text says where it is, with the way from a root.
    URUK_IMAGE = 31,
    /// An image that was made for another version of the program or of its libraries, or builds on another image: build it anew.
    URUK_STALE = 32,
}

/// A status with its text.
#[derive(Clone, Debug)]
pub struct Failure {
    pub(crate) status: uruk_status,
    pub(crate) text: Arc<str>,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(status: uruk_status, text: impl Into<Arc<str>>) -> Failure {
        Failure { status, text: text.into() }
    }

    /// The same failure, with what it is of before its text.
    pub fn of(&self, what: impl fmt::Display) -> Failure {
        Failure::new(self.status, format!("{what}: {self}"))
    }

    /// Something is null.
    pub fn null(what: &str) -> Failure {
        Failure::new(uruk_status::URUK_NULL, format!("{what} is NULL"))
    }

    /// Something makes no sense.
    pub fn invalid(text: impl Into<Arc<str>>) -> Failure {
        Failure::new(uruk_status::URUK_INVALID, text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}

impl From<uruk::Error> for Failure {
    fn from(error: uruk::Error) -> Failure {
        let status = match &error {
            uruk::Error::Session(error) => status_of(error),
            uruk::Error::Memory(error) => status_of_memory(error),
            uruk::Error::Source(_) | uruk::Error::Cranelift(_) => uruk_status::URUK_COMPILE,
            _ => uruk_status::URUK_OTHER,
        };
        Failure::new(status, error.to_string())
    }
}

impl From<uruk_orc::error::Error> for Failure {
    fn from(error: uruk_orc::error::Error) -> Failure {
        Failure::new(status_of(&error), error.to_string())
    }
}

fn status_of(error: &uruk_orc::error::Error) -> uruk_status {
    use uruk_orc::error::Error::*;
    match error {
        Missing { .. } | Collected { .. } => uruk_status::URUK_MISSING,
        Duplicate { .. } | DylibExists(_) => uruk_status::URUK_DUPLICATE,
        Link(error) => match &**error {
            LinkError::Memory(error) => status_of_memory(error),
            _ => uruk_status::URUK_LINK,
        },
        Archive { .. } | Unlike { .. } | Disagree { .. } => uruk_status::URUK_LINK,
        File { .. } => uruk_status::URUK_FILE,
        Dependency { cause, .. } | Chain { cause, .. } => status_of(cause),
        Compile { cause, .. } | Translate { cause, .. } => said(cause, uruk_status::URUK_COMPILE),
        Generator { cause, .. } => said(cause, uruk_status::URUK_CALLBACK),
        Plugin { .. } | Action { .. } | Panicked { .. } => uruk_status::URUK_CALLBACK,
        NotPromised { .. } | NotDefined { .. } | WrongKind { .. } | OtherDylib { .. } => uruk_status::URUK_INVALID,
        Removed { .. } | Abandoned { .. } | Ended => uruk_status::URUK_REMOVED,
        Executor { .. } | ExecutorLost { .. } | StaticThreadStorage { .. } => uruk_status::URUK_EXECUTOR,
        _ => uruk_status::URUK_OTHER,
    }
}

fn status_of_memory(error: &MemoryError) -> uruk_status {
    match error {
        MemoryError::Other(cause) => said(&**cause, uruk_status::URUK_MEMORY),
        MemoryError::Unfit { address, align, .. } if !address.is_multiple_of(*align) => uruk_status::URUK_BAD_ALIGNMENT,
        MemoryError::Scattered { .. } => uruk_status::URUK_OUT_OF_REACH,
        _ => uruk_status::URUK_MEMORY,
    }
}

/// The status of a cause that is a failure of this crate's, or another.
fn said(cause: &(dyn std::error::Error + Send + Sync + 'static), otherwise: uruk_status) -> uruk_status {
    cause.downcast_ref::<Failure>().map_or(otherwise, |failure| failure.status)
}

thread_local! {
    static LAST: RefCell<Option<Failure>> = const { RefCell::new(None) };
}

/// Notes this thread's last failure, and returns its status.
pub(crate) fn note(failure: Failure) -> uruk_status {
    let status = failure.status;
    // A thread that ends has nobody to ask.
    let _ = LAST.try_with(|last| last.replace(Some(failure)));
    status
}

/// This thread's last failure. A thread that ends, and runs what it has to run then, has none any more.
pub(crate) fn last() -> Option<Failure> {
    LAST.try_with(|last| last.borrow().clone()).ok().flatten()
}

/// A failure that is kept: see `uruk_error_last`.
pub struct uruk_error;

impl Kind for uruk_error {
    const NAME: &'static str = "uruk_error";
    type Object = (Failure, CString);
}

/// Makes a handle for a failure.
pub(crate) fn put(failure: Failure) -> Handle<uruk_error> {
    let text = c_text(&failure.text);
    handle::put(Arc::new((failure, text))).handle()
}

/// A text for C; zero bytes in it become `?`.
pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "?")).unwrap_or_default()
}

/// Copies a text as far as there is room, with a zero byte behind it, and says how long it is.
pub(crate) fn copy_text(text: &str, buffer: Out<c_char>, size: usize) -> Result<usize, Failure> {
    if size != 0 {
        let end = text.floor_char_boundary(size - 1);
        let bytes = text.as_bytes()[..end].iter().map(|byte| if *byte == 0 { b'?' } else { *byte });
        buffer.put_all(bytes.chain([0]).map(|byte| byte as c_char).collect::<Vec<_>>().into_iter())?;
    }
    Ok(text.len())
}

/// Copies the text of this thread's last failure, as far as there is room, with a zero byte at the end. Returns how long all of
/// it is, without that byte: 0 if nothing has failed. `buffer` may be null if `size` is 0.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_last_message(buffer: Out<c_char>, size: usize) -> usize {
    enter_value(Reach::Anywhere, 0, || copy_text(last().as_ref().map_or("", |failure| &failure.text), buffer, size))
}

/// The status of this thread's last failure.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_last_status() -> uruk_status {
    enter_value(Reach::Anywhere, uruk_status::URUK_OK, || {
        Ok(last().map_or(uruk_status::URUK_OK, |failure| failure.status))
    })
}

/// Keeps this thread's last failure, for longer than until the next one or for another thread; null if nothing has failed. It
/// is the caller's to dispose of.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_error_last() -> Handle<uruk_error> {
    enter_value(Reach::Anywhere, Handle::default(), || Ok(last().map_or_else(Handle::default, put)))
}

/// The status of a failure that was kept; `URUK_OK` for null.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_error_status(error: Handle<uruk_error>) -> uruk_status {
    enter_value(Reach::Anywhere, uruk_status::URUK_NOT_A_HANDLE, || {
        Ok(error.get_if_any()?.map_or(uruk_status::URUK_OK, |error| error.0.status))
    })
}

/// Its text, which lives until it is disposed of; null for null, and for what is no failure.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_error_message(error: Handle<uruk_error>) -> *const c_char {
    let message = enter_value(Reach::Anywhere, 0, || {
        // The table keeps it; who disposes of it while another thread reads breaks what is said above.
        Ok(error.get_if_any()?.map_or(0, |error| error.1.as_ptr().expose_provenance()))
    });
    std::ptr::with_exposed_provenance(message)
}

/// Disposes of a failure that was kept. Null is fine.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_error_dispose(error: Handle<uruk_error>) -> uruk_status {
    enter(Reach::Anywhere, || error.take().map(drop))
}

/// A copy of a text for a callback's `message`: the library frees it, by its own allocator. Null for null.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_message(text: Text) -> *mut c_char {
    enter_value(Reach::Anywhere, std::ptr::null_mut(), || {
        let copy = text.bytes("text").ok().map(|text| CString::new(text).unwrap_or_default());
        Ok(copy.map_or(std::ptr::null_mut(), CString::into_raw))
    })
}

/// A message that a callback has made by [`uruk_message`], freed.
pub(crate) fn take_message(message: *mut c_char) -> Option<String> {
    if message.is_null() {
        return None;
    }
    // SAFETY: callbacks are told to make messages by `uruk_message`, which gives away a `CString`.
    Some(unsafe { CString::from_raw(message) }.to_string_lossy().into_owned())
}
