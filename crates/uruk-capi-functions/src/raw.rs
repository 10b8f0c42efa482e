//! What C passes: pointers that may be null, texts, arrays, places for results.
//!
//! In the header they are what they hold. Nobody in Rust can make one: their values come from C, whose side of each
//! function's contract is what the `unsafe` in here relies on: a pointer is null or points at as many valid values as are
//! said, for as long as the call lasts.

use crate::error::{Failure, uruk_status};
use std::ffi::{CStr, c_char};

/// A text that ends with a zero byte.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Text(*const c_char);

impl Text {
    /// Its bytes. Errors if it is null.
    pub fn bytes<'a>(self, what: &str) -> Result<&'a [u8], Failure> {
        if self.0.is_null() {
            return Err(Failure::null(what));
        }
        // SAFETY: not null, and by the contract above it ends with a zero byte.
        Ok(unsafe { CStr::from_ptr(self.0) }.to_bytes())
    }

    /// The text. Errors if it is null or not UTF-8.
    pub fn get<'a>(self, what: &str) -> Result<&'a str, Failure> {
        let utf8 = std::str::from_utf8(self.bytes(what)?);
        utf8.map_err(|_| Failure::new(uruk_status::URUK_NOT_UTF8, format!("{what} is not UTF-8")))
    }

    /// The text, unless it is null.
    pub fn get_if_any<'a>(self, what: &str) -> Result<Option<&'a str>, Failure> {
        if self.0.is_null() { Ok(None) } else { self.get(what).map(Some) }
    }

    /// The text, or this one where it is null.
    pub fn or<'a>(self, what: &str, default: &'a str) -> Result<&'a str, Failure> {
        Ok(self.get_if_any(what)?.unwrap_or(default))
    }
}

/// A number of values one after the other.
#[repr(transparent)]
pub struct List<T>(*const T);

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<T> {}

impl<T> List<T> {
    /// So many of them. Errors if there are to be some and it is null, or not aligned.
    pub fn get<'a>(self, count: usize, what: &str) -> Result<&'a [T], Failure> {
        if count == 0 {
            return Ok(&[]);
        }
        check(self.0, what)?;
        if isize::MAX as usize / size_of::<T>().max(1) < count {
            return Err(Failure::invalid(format!("{what} cannot have {count} elements")));
        }
        // SAFETY: neither null nor misaligned nor too long, and by the contract above there are so many.
        Ok(unsafe { std::slice::from_raw_parts(self.0, count) })
    }

    /// Where they are. Errors if it is null or not aligned.
    pub fn address(self, what: &str) -> Result<*const T, Failure> {
        check(self.0, what)?;
        Ok(self.0)
    }

    /// The first, if it is not null.
    pub fn first<'a>(self, what: &str) -> Result<Option<&'a T>, Failure> {
        if self.0.is_null() { Ok(None) } else { Ok(self.get(1, what)?.first()) }
    }
}

/// Where a result goes.
#[repr(transparent)]
pub struct Out<T>(*mut T);

impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Out<T> {}

impl<T> Out<T> {
    /// Stores a result. Errors if there is no place for it; that is best checked first.
    pub fn put(self, value: T) -> Result<(), Failure> {
        self.check("the place for the result")?;
        // SAFETY: neither null nor misaligned, and by the contract above there is room for one.
        unsafe { self.0.write(value) };
        Ok(())
    }

    /// Stores a result where one is wanted.
    pub fn put_if_wanted(self, value: T) -> Result<(), Failure> {
        if self.0.is_null() { Ok(()) } else { self.put(value) }
    }

    /// Errors if it is null or misaligned.
    pub fn check(self, what: &str) -> Result<(), Failure> {
        check(self.0, what)
    }

    /// Stores results in so many places.
    pub fn put_all(self, values: impl ExactSizeIterator<Item = T>) -> Result<(), Failure> {
        if values.len() == 0 {
            return Ok(());
        }
        self.check("the place for the results")?;
        for (index, value) in values.enumerate() {
            // SAFETY: as in `put`; by the contract above there is room for as many as were asked for.
            unsafe { self.0.add(index).write(value) };
        }
        Ok(())
    }

    /// The address, for what is copied there byte by byte.
    pub fn address(self) -> *mut T {
        self.0
    }
}

fn check<T>(pointer: *const T, what: &str) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(Failure::null(what));
    }
    if !pointer.is_aligned() {
        return Err(Failure::invalid(format!("{what} is not aligned to {} bytes", align_of::<T>())));
    }
    Ok(())
}

/// A pointer that is only handed back to who gave it: a context, a client's own data.
#[derive(Clone, Copy)]
pub struct Opaque(pub *mut std::ffi::c_void);

// SAFETY: nothing here looks behind it. That those whose callbacks get it may be called by several threads is said of each.
unsafe impl Send for Opaque {}
// SAFETY: as above.
unsafe impl Sync for Opaque {}
