//! What objects look like: sizes, alignments, and which of their words are pointers of what kind.
//!
//! Invariants: the pointers of a type lie inside of it, do not overlap and, unless it is packed, are aligned; a variable part begins
//! where the fixed part ends, and its elements have room for their pointers.

use crate::error::Error;

/// Bytes of an address.
pub const WORD: u64 = 8;

/// Bytes that an image's address is a multiple of at most.
pub(crate) const MAX_ALIGN: u64 = 1 << 30;

/// A type of a [`World`](crate::World).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TypeId(pub u32);

/// What a pointer is to who traces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pointer {
    /// To the beginning of an object, or null. The object is kept.
    Reference,
    /// Into an object, or right behind it, or null. The object is kept.
    Inner,
    /// To the beginning of an object, or null. Null in the image if nothing else keeps the object.
    Weak,
    /// A reference or something else, as its lowest bits say.
    Tagged(Tags),
    /// An integer that is the address of data (`uptr`): right in an image only if an entry says what it points to.
    Data,
    /// An integer that is the address of a function (`ufuncptr`), in the same way.
    Function,
    /// To a function that was linked here, or null. The function is kept.
    Code,
}

/// How the lowest bits of a word say whether it is a reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tags {
    /// How many bits these are; 1 to 6. They are no part of the address.
    pub bits: u8,
    /// Bit `n` is set if a word whose tag is `n` is a reference. Others are left as they are.
    pub references: u64,
}

impl Tags {
    /// The address in a word, if it is a reference, and its tag.
    pub fn split(self, word: u64) -> Option<(u64, u64)> {
        let tag = word & ((1 << self.bits) - 1);
        (self.references >> tag & 1 == 1).then_some((word - tag, tag))
    }
}

/// A pointer at an offset, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// From the beginning of the object, or of the element.
    pub offset: u64,
    /// What it is.
    pub pointer: Pointer,
}

/// Where an object says how many elements its variable part has: an unsigned number, little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Count {
    /// From the beginning of the object.
    pub offset: u64,
    /// Bytes of the number: 1, 2, 4 or 8.
    pub width: u8,
}

/// A part of an object that is as long as the object says. It begins where the fixed part ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tail {
    /// How many elements there are.
    pub count: Count,
    /// Bytes from one to the next.
    pub stride: u64,
    /// The pointers of each.
    pub fields: Vec<Field>,
}

/// What objects of a type look like.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Type {
    /// What messages and reports call it.
    pub name: String,
    /// Bytes of the fixed part.
    pub size: u64,
    /// A power of two, up to 1 GiB; of what has pointers and is not packed, at least 8.
    pub align: u64,
    /// The pointers of the fixed part.
    pub fields: Vec<Field>,
    /// The variable part, if it has one.
    pub tail: Option<Tail>,
    /// Nobody writes to its objects once they are made: they may be shared, and are protected once they are relocated.
    pub constant: bool,
    /// Pointers may lie at any offset.
    pub packed: bool,
}

impl Type {
    /// Without pointers, so far.
    pub fn new(name: impl Into<String>, size: u64, align: u64) -> Type {
        Type { name: name.into(), size, align, ..Type::default() }
    }

    /// With one more pointer.
    pub fn field(mut self, offset: u64, pointer: Pointer) -> Type {
        self.fields.push(Field { offset, pointer });
        self
    }

    /// With elements behind the fixed part.
    pub fn tail(mut self, count: Count, stride: u64, fields: impl Into<Vec<Field>>) -> Type {
        self.tail = Some(Tail { count, stride, fields: fields.into() });
        self
    }

    /// Whether its objects have pointers.
    pub fn has_pointers(&self) -> bool {
        !self.fields.is_empty() || self.tail.as_ref().is_some_and(|tail| !tail.fields.is_empty())
    }

    /// Checks it, and puts its pointers in order.
    pub(crate) fn checked(mut self) -> Result<Type, Error> {
        let wrong = |what: String| Error::Type { name: self.name.clone(), what };
        if !self.align.is_power_of_two() {
            return Err(wrong(format!("its alignment is {}, which is no power of two", self.align)));
        }
        if MAX_ALIGN < self.align {
            return Err(wrong(format!("it is aligned to {} bytes, and an image to {MAX_ALIGN} at most", self.align)));
        }
        if !self.packed && self.has_pointers() && self.align < WORD {
            let align = self.align;
            return Err(wrong(format!(
                "its pointers are aligned to {WORD} bytes and it to {align}; only packed types may be so"
            )));
        }
        if self.size == 0 && self.tail.is_none() {
            return Err(wrong("it has no bytes".into()));
        }
        if i64::MAX as u64 <= self.size {
            return Err(wrong(format!("it is {} bytes large, more than there can be", self.size)));
        }
        if let Some(tail) = &self.tail {
            let Count { offset, width } = tail.count;
            if ![1, 2, 4, 8].contains(&width) {
                return Err(wrong(format!("its count has {width} bytes; it can have 1, 2, 4 or 8")));
            }
            if offset.checked_add(width.into()).is_none_or(|end| self.size < end) {
                return Err(wrong(format!("its count at {offset} lies outside of its {} fixed bytes", self.size)));
            }
            if tail.stride == 0 {
                return Err(wrong("its elements have no bytes".into()));
            }
        }
        let aligned = |offset: u64| self.packed || offset.is_multiple_of(WORD);
        let check = |what: &str, fields: &mut Vec<Field>, size: u64, aligned: &dyn Fn(u64) -> bool| {
            fields.sort_by_key(|field| field.offset);
            for field in &*fields {
                let Field { offset, pointer } = *field;
                if offset.checked_add(WORD).is_none_or(|end| size < end) {
                    return Err(format!("the pointer at {offset} of {what} lies outside of its {size} bytes"));
                }
                if !aligned(offset) {
                    return Err(format!(
                        "the pointer at {offset} of {what} is not aligned; only packed types may have such"
                    ));
                }
                if let Pointer::Tagged(tags) = pointer
                    && !(1..=6).contains(&tags.bits)
                {
                    return Err(format!(
                        "the pointer at {offset} of {what} has {} tag bits; it can have 1 to 6",
                        tags.bits
                    ));
                }
            }
            match fields.windows(2).find(|pair| pair[1].offset < pair[0].offset + WORD) {
                Some(pair) => {
                    Err(format!("the pointers at {} and {} of {what} overlap", pair[0].offset, pair[1].offset))
                }
                None => Ok(()),
            }
        };
        let mut fields = std::mem::take(&mut self.fields);
        let in_object = check("an object", &mut fields, self.size, &aligned);
        let mut tail = self.tail.take();
        let in_element = tail.as_mut().map_or(Ok(()), |tail| {
            let whole = |offset: u64| aligned(offset) && (self.packed || (aligned(tail.stride) && aligned(self.size)));
            check("an element", &mut tail.fields, tail.stride, &whole)
        });
        in_object.and(in_element).map_err(|what| Error::Type { name: self.name.clone(), what })?;
        Ok(Type { fields, tail, ..self })
    }
}
