//! What can be wrong with an archive, and where. Every place is in bytes from the start of the archive.

use std::fmt;

/// A numeric field of a member's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// The size of the content, in decimal digits.
    Size,
    /// The length of the name that precedes the content (`#1/LENGTH`).
    NameLength,
    /// The place of the name in the table of long names (`/OFFSET`).
    NameOffset,
    /// The place of the member in a nested archive (`/OFFSET:ORIGIN`).
    Origin,
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Field::Size => "size",
            Field::NameLength => "name length",
            Field::NameOffset => "name offset",
            Field::Origin => "nested member offset",
        })
    }
}

/// Why an archive, or a part of it, cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// The first eight bytes are not those of an archive.
    #[error("not an archive: it starts neither with `!<arch>` nor with `!<thin>`")]
    NotAnArchive,
    /// The file ends within a header.
    #[error("archive is cut at {at:#x}: a member header needs 60 bytes, {left} are left")]
    CutHeader {
        /// Place of the header.
        at: u64,
        /// Bytes from there to the end of the file.
        left: u64,
    },
    /// A header does not end in a backquote and a newline.
    #[error("archive has no member header at {at:#x}, where the member before it ends: its end mark is missing")]
    BadHeader {
        /// Where the header should be.
        at: u64,
    },
    /// A field that must be a number is not, or is too large for any file.
    #[error("archive member at {at:#x}: its {field} `{found}` is not a number that fits")]
    BadNumber {
        /// Place of the header.
        at: u64,
        /// Which field.
        field: Field,
        /// The field as it is.
        found: String,
    },
    /// A member's content does not lie within the file.
    #[error("archive member at {at:#x}: its {size} bytes reach beyond the end of the archive, {left} are left")]
    CutMember {
        /// Place of the header.
        at: u64,
        /// Size the header gives, in bytes.
        size: u64,
        /// Bytes from the content's place to the end of the file.
        left: u64,
    },
    /// A name that precedes the content is longer than name and content together.
    #[error("archive member at {at:#x}: its name of {name_len} bytes is longer than the member's {size} bytes")]
    CutName {
        /// Place of the header.
        at: u64,
        /// Length of the name, in bytes.
        name_len: u64,
        /// Size the header gives, in bytes.
        size: u64,
    },
    /// A name that this kind of archive cannot have.
    #[error("archive member at {at:#x}: it has no usable name")]
    BadName {
        /// Place of the header.
        at: u64,
    },
    /// A long name lies outside the table of long names.
    #[error(
        "archive member at {at:#x}: its name is at {offset} of the table of long names, which has {table_size} bytes"
    )]
    LongName {
        /// Place of the header.
        at: u64,
        /// Place of the name in the table.
        offset: u64,
        /// Size of the table, 0 if there is none.
        table_size: u64,
    },
    /// A long name has no end, or is longer than any path.
    #[error("archive's table of long names: the name at {at:#x} has no end")]
    EndlessName {
        /// Place of the name.
        at: u64,
    },
    /// A symbol index or name table among or after the members, or a second one.
    #[error("archive has a special member `{name}` at {at:#x}, where none may be")]
    MisplacedSpecial {
        /// Place of the header.
        at: u64,
        /// Its name.
        name: String,
    },
    /// A table of the symbol index does not fit the index.
    #[error("archive's symbol index at {at:#x}: its {table} needs {size} bytes, {left} are left")]
    CutIndex {
        /// Place of the table.
        at: u64,
        /// Which table, in words.
        table: &'static str,
        /// Bytes that the table needs.
        size: u64,
        /// Bytes that the index still has there.
        left: u64,
    },
    /// A table of the symbol index has a size that is no multiple of its entries'.
    #[error("archive's symbol index at {at:#x}: its table of {size} bytes does not hold entries of {entry} bytes")]
    UnevenIndex {
        /// Place of the table.
        at: u64,
        /// Size of the table, in bytes.
        size: u64,
        /// Size of an entry, in bytes.
        entry: u64,
    },
    /// The name of an index entry lies outside the index's string table, or has no end in it.
    #[error("archive's symbol index: the name of entry {entry}, at {at:#x}, is not within the string table")]
    IndexName {
        /// Number of the entry.
        entry: usize,
        /// Where the name should be.
        at: u64,
    },
    /// The names of the index's entries share so many bytes that they are many times as long as the archive.
    #[error("archive's symbol index: entry {entry} has one more long name that many others share")]
    IndexNames {
        /// Number of the entry.
        entry: usize,
    },
    /// An index entry points to where no member can be.
    #[error("archive's symbol index: entry {entry}, at {at:#x}, gives a member at {target:#x}, where none can be")]
    IndexTarget {
        /// Number of the entry.
        entry: usize,
        /// Place of the entry.
        at: u64,
        /// Where it says the member's header is.
        target: u64,
    },
    /// A place that is not a member's header was given as one, as by an index that points between headers.
    #[error("archive has no member header at {at:#x}")]
    NoHeader {
        /// The place.
        at: u64,
    },
    /// An archive that contains itself, directly or through others.
    #[error("archive {path} contains itself: {}", chain.join(" -> "))]
    Cycle {
        /// The archive that comes twice.
        path: String,
        /// The way from its first to its second mention.
        chain: Vec<String>,
    },
    /// Archives in archives beyond [`MAX_NESTING`](super::MAX_NESTING).
    #[error("archive {path} lies in {depth} others, which is more than any real one does")]
    TooDeep {
        /// The innermost archive.
        path: String,
        /// How many archives it lies in.
        depth: usize,
    },
}
