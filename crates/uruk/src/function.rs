//! Function pointers, told apart from everything else that is as large as an address, and handles that keep what they
//! point to.

use std::ops::Deref;
use uruk_orc::session::Pin;

/// A function that is not removed as long as this lives, nor is anything that it refers to. It can be called as what
/// it stands for.
#[derive(Clone)]
pub struct Function<'jit, F> {
    function: F,
    pin: Pin<'jit>,
}

impl<'jit, F: FunctionPointer> Function<'jit, F> {
    /// # Safety
    /// What is pinned is a function of this very type.
    pub(crate) unsafe fn new(pin: Pin<'jit>) -> Function<'jit, F> {
        // SAFETY: the caller's promise; the pin keeps the function for as long as this lives.
        Function { function: unsafe { F::from_address(pin.address()) }, pin }
    }

    /// Where the function is.
    pub fn address(&self) -> u64 {
        self.pin.address()
    }

    /// A handle to the same that may outlive the JIT, or be kept beside it. When the JIT goes, finalisers run as if the
    /// function were removed, but its code stays for as long as this handle.
    pub fn into_owned(self) -> Function<'static, F> {
        Function { function: self.function, pin: self.pin.into_owned() }
    }
}

impl<F> Deref for Function<'_, F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.function
    }
}

/// A function pointer type with the C calling convention, or on x86-64 with Windows' (`extern "win64"`), which objects for
/// Windows have.
///
/// # Safety
/// Implementors are pointers to functions, of the size of an address.
pub unsafe trait FunctionPointer: Copy {
    /// The pointer to the function at an address.
    ///
    /// # Safety
    /// A function of this very type lies at the address, for as long as the pointer is used.
    unsafe fn from_address(address: u64) -> Self;

    /// The address of the function.
    fn to_address(self) -> u64;
}

macro_rules! function_pointers {
    ($($argument:ident)*) => {
        function_pointers!(@ $($argument)*; extern "C" fn($($argument),*) -> R);
        function_pointers!(@ $($argument)*; unsafe extern "C" fn($($argument),*) -> R);
        function_pointers!(@ $($argument)*; extern "C-unwind" fn($($argument),*) -> R);
        function_pointers!(@ $($argument)*; unsafe extern "C-unwind" fn($($argument),*) -> R);
        #[cfg(target_arch = "x86_64")]
        function_pointers!(@ $($argument)*; extern "win64" fn($($argument),*) -> R);
        #[cfg(target_arch = "x86_64")]
        function_pointers!(@ $($argument)*; unsafe extern "win64" fn($($argument),*) -> R);
    };
    (@ $($argument:ident)*; $type:ty) => {
        // SAFETY: the type is a function pointer.
        unsafe impl<R, $($argument),*> FunctionPointer for $type {
            unsafe fn from_address(address: u64) -> Self {
                // SAFETY: the caller's promise; both are as large as an address.
                unsafe { std::mem::transmute(address as *const ()) }
            }

            fn to_address(self) -> u64 {
                self as usize as u64
            }
        }
    };
}

function_pointers!();
function_pointers!(A);
function_pointers!(A B);
function_pointers!(A B C);
function_pointers!(A B C D);
function_pointers!(A B C D E);
function_pointers!(A B C D E F);
function_pointers!(A B C D E F G);
function_pointers!(A B C D E F G H);
