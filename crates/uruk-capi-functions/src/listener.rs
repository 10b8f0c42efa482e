//! Listeners: callbacks that are told what is linked, and what goes.

use crate::call::{Reach, enter, linking};
use crate::context::{Context, uruk_destroy};
use crate::error::{Failure, c_text, uruk_status};
use crate::graph::symbol_kind;
use crate::handle::{self, Handle, Kind};
use crate::jit::uruk_jit;
use crate::raw::{List, Out};
use crate::sized::{self, Grows};
use std::ffi::{CString, c_char, c_void};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use uruk_orc::listener::{Listener, LoadId, Loaded};

/// An object that was just linked: lent to `loaded` of a listener, and gone when that returns.
pub struct uruk_loaded_image;

impl Kind for uruk_loaded_image {
    const NAME: &'static str = "uruk_loaded_image";
    type Object = Image;
}

/// The image that a listener may ask for.
pub struct Image {
    /// Until the callback returns.
    loaded: Mutex<Option<Lent>>,
    bytes: OnceLock<Vec<u8>>,
}

struct Lent(*const Loaded<'static>);

// SAFETY: it is only used under the lock of an `Image`, while its owner waits in `loaded`.
unsafe impl Send for Lent {}

/// A function or variable of a loaded object.
#[repr(C)]
pub struct uruk_loaded_symbol {
    /// The linker's name for it.
    pub name: *const c_char,
    /// Where it begins.
    pub address: u64,
    /// Bytes; 0 where the object does not say.
    pub size: u64,
    /// `URUK_TYPE_FUNCTION` or `URUK_TYPE_OBJECT`.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
}

/// An object that has been linked. It is the library's, and valid during the call.
#[repr(C)]
pub struct uruk_loaded {
    /// Of this structure; fields are only ever appended.
    pub struct_size: u32,
    /// The size of `uruk_loaded_symbol`, which may grow: step by it.
    pub symbol_size: u32,
    /// A number that nothing else in the process has, earlier or later: `freed` has the same.
    pub id: u64,
    /// What messages call it: a path, or `archive(member)`.
    pub object: *const c_char,
    /// What its dylib is called.
    pub dylib: *const c_char,
    /// Where its code begins, with the stubs that the linker made for it.
    pub code: u64,
    /// Bytes of that.
    pub code_size: u64,
    /// Its functions and variables, local ones among them, but not thread-local ones.
    pub symbols: *const uruk_loaded_symbol,
    /// How many there are.
    pub symbol_count: u64,
    /// For `uruk_loaded_debug_image`.
    pub image: Handle<uruk_loaded_image>,
}

/// The callbacks of a listener, each of which may be null. Several threads may call them at once. In them, only functions may be called of
/// which the header says so; others return `URUK_BUSY`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_listener_callbacks {
    /// Filled in by `uruk_listener_callbacks_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_listener_callbacks_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_listener_callbacks_init`.
    pub magic: u64,
    /// Given to each callback.
    pub context: *mut c_void,
    /// An object is linked: its bytes are at their addresses, and nobody has been given a symbol of it yet.
    pub loaded: Option<unsafe extern "C" fn(context: *mut c_void, object: *const uruk_loaded)>,
    /// It goes: nobody finds its symbols, its finalisers have yet to run, its memory is still there. Told once for each `loaded`, by the
    /// time that the JIT is gone.
    pub freed: Option<unsafe extern "C" fn(context: *mut c_void, id: u64)>,
    /// The last call of all, once the JIT is gone. Null: nobody is told.
    pub destroy: uruk_destroy,
}

// SAFETY: `repr(C)`, it begins as it must, and function pointers that may be null and addresses are all that follows.
unsafe impl Grows for uruk_listener_callbacks {
    const NAME: &'static str = "uruk_listener_callbacks";
    const NUMBER: u32 = 7;
}

/// Fills in a table of callbacks: none. `size` is `sizeof` the structure. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_listener_callbacks_init(callbacks: Out<uruk_listener_callbacks>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(callbacks, size))
}

/// Tells a listener of all that a JIT links from now on. The table is copied. If this fails, the context stays the caller's.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_jit_add_listener(
    jit: Handle<uruk_jit>,
    callbacks: List<uruk_listener_callbacks>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let program = jit.get()?;
        let callbacks = sized::copy(callbacks)?;
        let context = Context::new(callbacks.context, callbacks.destroy);
        context.own();
        program.jit.session().add_listener(Arc::new(Custom { callbacks, context }));
        Ok(())
    })
}

/// An ELF image of a loaded object with its symbols and, as far as it has them, its lines and types as DWARF, all at their addresses: what
/// debuggers are given. It is made when it is asked for first, and valid until `loaded` returns. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_loaded_debug_image(
    image: Handle<uruk_loaded_image>,
    bytes: Out<*const u8>,
    size: Out<usize>,
) -> uruk_status {
    enter(Reach::Anywhere, || {
        bytes.check("bytes")?;
        size.check("size")?;
        let image = image.get()?;
        let lent = image.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = || Failure::new(uruk_status::URUK_GONE, "this uruk_loaded_image is gone: `loaded` has returned");
        let Lent(loaded) = lent.as_ref().ok_or_else(gone)?;
        if image.bytes.get().is_none() {
            // SAFETY: under the lock, what was lent is there.
            let made = unsafe { &**loaded }.debug_image();
            let made =
                made.ok_or_else(|| Failure::new(uruk_status::URUK_LINK, "the object's debug sections are damaged"))?;
            image.bytes.get_or_init(|| made);
        }
        let made = image.bytes.get().map(Vec::as_slice).unwrap_or_default();
        bytes.put(made.as_ptr())?;
        size.put(made.len())
    })
}

struct Custom {
    callbacks: uruk_listener_callbacks,
    context: Context,
}

// SAFETY: the context is the client's, whose callbacks may be called by several threads, as is said there.
unsafe impl Send for Custom {}
// SAFETY: as above.
unsafe impl Sync for Custom {}

impl Listener for Custom {
    fn loaded(&self, object: &Loaded<'_>) {
        let Some(told) = self.callbacks.loaded else { return };
        let names = object.symbols().map(|symbol| c_text(&String::from_utf8_lossy(symbol.name)));
        let names: Vec<CString> = names.collect();
        let symbols = object.symbols().zip(&names).map(|(symbol, name)| uruk_loaded_symbol {
            name: name.as_ptr(),
            address: symbol.address,
            size: symbol.size,
            kind: symbol_kind(symbol.kind),
            reserved: 0,
        });
        let symbols: Vec<uruk_loaded_symbol> = symbols.collect();
        let (name, dylib, code) = (c_text(object.object()), c_text(object.dylib()), object.code());
        let lent = Lent(std::ptr::from_ref(object).cast());
        let image = Arc::new(Image { loaded: Mutex::new(Some(lent)), bytes: OnceLock::new() });
        let handle = handle::put::<uruk_loaded_image>(image.clone()).handle();
        let loaded = uruk_loaded {
            struct_size: size_of::<uruk_loaded>() as u32,
            symbol_size: size_of::<uruk_loaded_symbol>() as u32,
            id: object.id().0,
            object: name.as_ptr(),
            dylib: dylib.as_ptr(),
            code: code.start,
            code_size: code.end - code.start,
            symbols: symbols.as_ptr(),
            symbol_count: symbols.len() as u64,
            image: handle,
        };
        // SAFETY: the client's function with its context, and what lives during the call.
        linking(|| unsafe { told(self.context.pointer(), &loaded) });
        image.loaded.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It is there: nobody else ends it.
        let _ = handle.take();
    }

    fn freed(&self, id: LoadId) {
        if let Some(freed) = self.callbacks.freed {
            // SAFETY: the client's function with its context.
            linking(|| unsafe { freed(self.context.pointer(), id.0) });
        }
    }
}
