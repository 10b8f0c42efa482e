//! The names of a JIT: one copy of each text, which is a number from then on.

use crate::call::{Reach, enter, enter_value};
use crate::error::{Failure, copy_text, uruk_status};
use crate::handle::Handle;
use crate::jit::uruk_jit;
use crate::raw::{Out, Text};
use std::ffi::c_char;
use uruk_jitlink::names::{Name, Names};

/// A name of a JIT: a plain number, which equal texts have in common, and which means nothing in another JIT. It is never given back,
/// and belongs to nobody. 0 is no name.
pub type uruk_name = u32;

/// The number of a name.
pub(crate) fn number(name: Name) -> uruk_name {
    name.index() as u32 + 1
}

/// The name of a number. Errors if it is none.
pub(crate) fn name_of(names: &Names, number: uruk_name) -> Result<Name, Failure> {
    let index = (number as usize).checked_sub(1).filter(|index| *index < names.len());
    index.map(Name::from_index).ok_or_else(|| {
        Failure::invalid(format!(
            "{number} is no name of this JIT: names come from `uruk_name_intern` with the same JIT"
        ))
    })
}

/// The names of numbers.
pub(crate) fn names_of(names: &Names, numbers: &[uruk_name]) -> Result<Vec<Name>, Failure> {
    numbers.iter().map(|number| name_of(names, *number)).collect()
}

/// The name of a text, as C has it, without whatever a platform puts before it. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_name_intern(jit: Handle<uruk_jit>, text: Text, name: Out<uruk_name>) -> uruk_status {
    enter(Reach::Anywhere, || {
        name.check("name")?;
        let program = jit.get()?;
        name.put(number(program.jit.session().names().intern(text.bytes("text")?)))
    })
}

/// Copies the text of a name, as far as there is room, with a zero byte at the end. Returns how long all of it is, without that byte;
/// 0 for what is no name. May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_name_text(jit: Handle<uruk_jit>, name: uruk_name, buffer: Out<c_char>, size: usize) -> usize {
    enter_value(Reach::Anywhere, 0, || {
        let program = jit.get()?;
        let names = program.jit.session().names();
        copy_text(&names.text(name_of(names, name)?), buffer, size)
    })
}
