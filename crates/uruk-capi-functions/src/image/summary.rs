//! What the files of images say of themselves, for people.

use crate::call::{Reach, enter};
use crate::error::{Failure, c_text, uruk_status};
use crate::raw::{Opaque, Text};
use ::uruk_image::Summary;
use std::ffi::{c_char, c_void};

/// Is told a text, which is the library's, and valid during the call.
pub type uruk_text_callback = Option<unsafe extern "C" fn(context: *mut c_void, text: *const c_char)>;

/// Describes the file of an image, of ELF or to be mapped: tells, once, a text of several lines.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_image_describe(path: Text, context: *mut c_void, told: uruk_text_callback) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let path = path.get("path")?;
        let tell = teller(context, told)?;
        let bytes = read(path)?;
        tell(&Summary::read(path, &bytes)?.to_string());
        Ok(())
    })
}

/// Tells what is different in another image, a line each; nothing if it is the same.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_image_differences(
    path: Text,
    other: Text,
    context: *mut c_void,
    each: uruk_text_callback,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        let (path, other) = (path.get("path")?, other.get("other")?);
        let tell = teller(context, each)?;
        let (bytes, other_bytes) = (read(path)?, read(other)?);
        let differences = Summary::read(path, &bytes)?.differences(&Summary::read(other, &other_bytes)?);
        differences.iter().for_each(|line| tell(line));
        Ok(())
    })
}

fn read(path: &str) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(uruk_status::URUK_FILE, format!("{path}: {error}")))
}

fn teller(context: *mut c_void, told: uruk_text_callback) -> Result<impl Fn(&str), Failure> {
    let (context, told) = (Opaque(context), told.ok_or_else(|| Failure::null("the callback"))?);
    // SAFETY: the client's function with its context, and what lives during the call.
    Ok(move |text: &str| unsafe { told(context.0, c_text(text).as_ptr()) })
}
