//! Why a change to a graph is refused.

use crate::graph::{BlockId, SectionId, SymbolId};

/// A change that would have made a graph that makes no sense; the graph is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// An id that the graph did not give.
    #[error("{what} {id} does not exist: the graph has {count}, counted from 0")]
    Unknown {
        /// "section", "block", "symbol" or "edge".
        what: &'static str,
        /// The number.
        id: u64,
        /// How many there are.
        count: u64,
    },
    /// A place that is not in its block.
    #[error("{size} bytes at offset {offset:#x} do not lie in block {}, which has {limit:#x}", .block.0)]
    Outside {
        /// The block.
        block: BlockId,
        /// Where the bytes would begin.
        offset: u64,
        /// How many they are; 0 for a symbol.
        size: u64,
        /// The block's size.
        limit: u64,
    },
    /// Bytes or edges for what starts as zero, or the other way round.
    #[error("section {} {}; add a section of another kind", .section.0, if *.zero_fill { "starts as zero and holds neither bytes nor edges" } else { "does not start as zero and needs bytes" })]
    Fill {
        /// The section.
        section: SectionId,
        /// Whether it is zero-fill.
        zero_fill: bool,
    },
    /// An alignment that is no power of two, or one above 4 GiB.
    #[error("an alignment of {0} is not a power of two up to 4 GiB")]
    Alignment(u64),
    /// An edge kind that the architecture does not have.
    #[error("edge kind {kind} does not exist; take one of the constants of {arch}")]
    Kind {
        /// The number.
        kind: u8,
        /// The architecture.
        arch: &'static str,
    },
    /// A name that cannot be one of a symbol or a section.
    #[error("a name with a zero byte in it, or one of no bytes for a symbol that others see")]
    Name,
    /// A kind that only readers of objects give to symbols.
    #[error(
        "symbols of sections and files come from object files only, and thread-local variables have no one address"
    )]
    SymbolKind,
    /// A symbol that this object does not define.
    #[error("symbol {} is not defined in this object; add another and redirect edges to it", .0.0)]
    NotDefined(SymbolId),
    /// A change to what other objects see that comes too late.
    #[error("symbols that other objects see are added and dropped before pruning, since they decide what is linked")]
    TooLate,
    /// A block that is to live with another, but lives with some already.
    #[error("block {} is part of a section group already", .0.0)]
    Grouped(BlockId),
    /// A call with more arguments than registers for them.
    #[error("a call of an action has at most {most} arguments, not {wanted}; give it the address of a scratch section", most = crate::action::MAX_ARGUMENTS)]
    Arguments {
        /// How many it has.
        wanted: usize,
    },
    /// More than the graph's numbers can name.
    #[error("the graph holds no more {0}")]
    Full(&'static str),
}
