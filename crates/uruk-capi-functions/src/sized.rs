//! Structures that grow: each begins with its size, the version of the interface that its user was compiled for, and a mark
//! that its `_init` function writes.
//!
//! Fields are only ever appended, and zero means the default. So a smaller structure, of an older header, is taken as if it
//! ended with zeros; a larger one is refused, since what it says is not understood. A structure is copied once, where it is
//! used; the caller's is not looked at again.

use crate::error::{Failure, uruk_status};
use crate::raw::{List, Out};

/// The version of the interface. It goes up when a field gets another meaning, which has not happened.
pub const URUK_ABI_VERSION: u32 = 1;

/// What every such structure begins with.
#[repr(C)]
#[derive(Clone, Copy)]
struct Head {
    struct_size: u32,
    abi_version: u32,
    magic: u64,
}

/// A structure that grows.
///
/// # Safety
/// It is `repr(C)`, begins with the fields of `Head`, and any bytes behind these are a value of it, zeros above all.
pub unsafe trait Grows: Copy + 'static {
    /// What messages call it.
    const NAME: &'static str;
    /// What its mark has that others' do not.
    const NUMBER: u32;

    /// What `_init` writes.
    fn magic() -> u64 {
        0x7572_756b_0000_0000 | u64::from(Self::NUMBER)
    }
}

/// Fills in a structure: zeros behind its head.
pub(crate) fn init<T: Grows>(target: Out<T>, size: usize) -> Result<(), Failure> {
    target.check(T::NAME)?;
    check_size::<T>(size)?;
    let head = Head { struct_size: size as u32, abi_version: URUK_ABI_VERSION, magic: T::magic() };
    let bytes = target.address().cast::<u8>();
    // SAFETY: not null and aligned; the caller says that it has `size` bytes, which `check_size` has found to be enough for the
    // head.
    unsafe {
        bytes.write_bytes(0, size);
        bytes.cast::<Head>().write(head);
    }
    Ok(())
}

/// A copy of a structure, with zeros where it is an older one.
pub(crate) fn copy<T: Grows>(source: List<T>) -> Result<T, Failure> {
    let fail = |status, text: String| Failure::new(status, format!("{}: {text}", T::NAME));
    let address = source.address(T::NAME)?.cast::<u8>();
    // SAFETY: not null and aligned; every such structure has a head.
    let head = unsafe { address.cast::<Head>().read() };
    if head.magic != T::magic() {
        let text = format!("its mark is {:#x}; fill it in with its `_init` function first", head.magic);
        return Err(fail(uruk_status::URUK_BAD_MAGIC, text));
    }
    if head.abi_version == 0 || URUK_ABI_VERSION < head.abi_version {
        let text =
            format!("it is of version {} of the interface; the library has {URUK_ABI_VERSION}", head.abi_version);
        return Err(fail(uruk_status::URUK_UNKNOWN_VERSION, text));
    }
    let size = head.struct_size as usize;
    check_size::<T>(size)?;
    let mut copy = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: the source has `size` bytes, as it says, and the copy no fewer; the trait says that any bytes are a value.
    unsafe {
        copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(address, size);
        Ok(copy.assume_init())
    }
}

/// The same, or all defaults for null.
pub(crate) fn copy_or_defaults<T: Grows>(source: List<T>) -> Result<T, Failure> {
    match source.first(T::NAME)? {
        Some(_) => copy(source),
        // SAFETY: the trait says that any bytes behind the head are a value, zeros above all, and the head is numbers.
        None => Ok(unsafe { std::mem::zeroed() }),
    }
}

fn check_size<T: Grows>(size: usize) -> Result<(), Failure> {
    let (known, least) = (size_of::<T>(), size_of::<Head>());
    let (status, text) = match size {
        0 => (uruk_status::URUK_ZERO_SIZE, "its size is 0; give `sizeof` of it to its `_init` function".into()),
        _ if known < size => (
            uruk_status::URUK_TOO_LARGE,
            format!("it has {size} bytes, and this library knows {known}: the header is newer than the library"),
        ),
        _ if size < least => (uruk_status::URUK_TOO_SMALL, format!("it has {size} bytes; every version has {least}")),
        _ => return Ok(()),
    };
    Err(Failure::new(status, format!("{}: {text}", T::NAME)))
}
