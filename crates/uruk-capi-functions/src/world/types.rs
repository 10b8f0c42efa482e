//! Types of a world's objects: which of their words are pointers of what kind.

use super::{lock, uruk_world};
use crate::call::{Reach, enter};
use crate::error::{Failure, uruk_status};
use crate::handle::Handle;
use crate::raw::{List, Out, Text};
use crate::sized::{self, Grows};
use uruk_image::{Count, Field, Pointer, Tags, Tail, Type, TypeId};

/// A type of a world: a plain number, which means nothing in another world. 0 is no type.
pub type uruk_type_id = u32;

/// The type of a number; one that is none is a type that nobody has added.
pub(crate) fn type_id(number: uruk_type_id) -> TypeId {
    TypeId(number.wrapping_sub(1))
}

/// To the beginning of an object, or null. The object is kept.
pub const URUK_POINTER_REFERENCE: u32 = 0;
/// Into an object, or right behind it, or null. The object is kept.
pub const URUK_POINTER_INNER: u32 = 1;
/// To the beginning of an object, or null. Null in the image if nothing else keeps the object.
pub const URUK_POINTER_WEAK: u32 = 2;
/// A reference or something else, as its lowest bits say.
pub const URUK_POINTER_TAGGED: u32 = 3;
/// An integer that is the address of data: right in an image only if `uruk_world_add_pointer` says what it points to.
pub const URUK_POINTER_DATA: u32 = 4;
/// An integer that is the address of a function, in the same way.
pub const URUK_POINTER_FUNCTION: u32 = 5;
/// To a function that was linked here, or null. The function is kept.
pub const URUK_POINTER_CODE: u32 = 6;

/// A pointer of objects or elements.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_pointer_field {
    /// From the beginning of the object, or of the element.
    pub offset: u64,
    /// `URUK_POINTER_…`.
    pub kind: u32,
    /// With `URUK_POINTER_TAGGED`, how many of its lowest bits are no part of the address: 1 to 6.
    pub tag_bits: u32,
    /// With `URUK_POINTER_TAGGED`, bit `n` is set if a word whose tag is `n` is a reference. Others are left as they are.
    pub references: u64,
}

/// Nobody writes to its objects once they are made: they are protected once they are relocated.
pub const URUK_OBJECT_TYPE_CONSTANT: u32 = 1;
/// Pointers may lie at any offset.
pub const URUK_OBJECT_TYPE_PACKED: u32 = 2;

/// What objects of a type look like.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct uruk_object_type {
    /// Filled in by `uruk_object_type_init`.
    pub struct_size: u32,
    /// Filled in by `uruk_object_type_init`.
    pub abi_version: u32,
    /// Filled in by `uruk_object_type_init`.
    pub magic: u64,
    /// What messages and reports call it.
    pub name: Text,
    /// Bytes of the fixed part.
    pub size: u64,
    /// A power of two.
    pub alignment: u64,
    /// The pointers of the fixed part; copied. May be null if there is none.
    pub fields: List<uruk_pointer_field>,
    /// How many these are.
    pub field_count: u64,
    /// `URUK_OBJECT_TYPE_…`, joined by `|`.
    pub flags: u32,
    /// Of objects with a variable part behind the fixed one: bytes of the number that says how many elements it has; 1, 2, 4 or 8. 0:
    /// there is no such part.
    pub count_width: u32,
    /// Where this number is, from the beginning of the object. It is unsigned.
    pub count_offset: u64,
    /// Bytes from one element to the next.
    pub stride: u64,
    /// The pointers of each element; copied. May be null if there is none.
    pub element_fields: List<uruk_pointer_field>,
    /// How many these are.
    pub element_field_count: u64,
}

// SAFETY: `repr(C)`, it begins as it must, and addresses and numbers are all that follows.
unsafe impl Grows for uruk_object_type {
    const NAME: &'static str = "uruk_object_type";
    const NUMBER: u32 = 11;
}

/// Fills in a type: nothing. `size` is `sizeof` the structure.
/// May be called from callbacks.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_object_type_init(described: Out<uruk_object_type>, size: usize) -> uruk_status {
    enter(Reach::Anywhere, || sized::init(described, size))
}

/// Adds a type, whose number goes to `type_id`.
#[unsafe(no_mangle)]
pub extern "C" fn uruk_world_add_type(
    world: Handle<uruk_world>,
    described: List<uruk_object_type>,
    type_id: Out<uruk_type_id>,
) -> uruk_status {
    enter(Reach::OutsideLinks, || {
        type_id.check("type_id")?;
        let world = world.get()?;
        let described = type_of(&sized::copy(described)?)?;
        let added = lock(&world).add_type(described)?;
        type_id.put(added.0 + 1)
    })
}

fn type_of(described: &uruk_object_type) -> Result<Type, Failure> {
    const FLAGS: u32 = 2 * URUK_OBJECT_TYPE_PACKED - 1;
    let name = described.name.get("`name` of uruk_object_type")?;
    let invalid = |text: String| Failure::invalid(format!("type `{name}`: {text}"));
    if described.flags & !FLAGS != 0 {
        return Err(invalid(format!("{:#x} has unknown flags", described.flags)));
    }
    let fields = |list: List<uruk_pointer_field>, count: u64, what: &str| {
        let list = list.get(usize::try_from(count).unwrap_or(usize::MAX), what)?.iter();
        list.map(|field| field_of(field).map_err(|text| invalid(format!("the pointer at {}: {text}", field.offset))))
            .collect::<Result<Vec<_>, Failure>>()
    };
    let elements = fields(described.element_fields, described.element_field_count, "element_fields")?;
    let has_elements = described.stride != 0 || described.count_offset != 0 || !elements.is_empty();
    let tail = match described.count_width {
        0 if has_elements => {
            return Err(invalid("its elements are described, and not how many it has: set `count_width`".into()));
        }
        0 => None,
        width => {
            // More than the numbers that there are is too many all the same.
            let width = u8::try_from(width).unwrap_or(u8::MAX);
            let count = Count { offset: described.count_offset, width };
            Some(Tail { count, stride: described.stride, fields: elements })
        }
    };
    Ok(Type {
        name: name.into(),
        size: described.size,
        align: described.alignment,
        fields: fields(described.fields, described.field_count, "fields")?,
        tail,
        constant: described.flags & URUK_OBJECT_TYPE_CONSTANT != 0,
        packed: described.flags & URUK_OBJECT_TYPE_PACKED != 0,
    })
}

fn field_of(field: &uruk_pointer_field) -> Result<Field, String> {
    let pointer = match field.kind {
        URUK_POINTER_TAGGED => {
            let bits = u8::try_from(field.tag_bits).unwrap_or(u8::MAX);
            Pointer::Tagged(Tags { bits, references: field.references })
        }
        _ if field.tag_bits != 0 || field.references != 0 => return Err("it has tags, and is not tagged".into()),
        URUK_POINTER_REFERENCE => Pointer::Reference,
        URUK_POINTER_INNER => Pointer::Inner,
        URUK_POINTER_WEAK => Pointer::Weak,
        URUK_POINTER_DATA => Pointer::Data,
        URUK_POINTER_FUNCTION => Pointer::Function,
        URUK_POINTER_CODE => Pointer::Code,
        kind => return Err(format!("{kind} is no kind of pointer")),
    };
    Ok(Field { offset: field.offset, pointer })
}
