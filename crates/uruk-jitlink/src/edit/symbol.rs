//! Symbols to be added to a graph.

use crate::graph::*;

/// A symbol to be added: where it lies, and what others are to know of it.
///
/// Local ones are not seen by other objects, and need no name.
#[derive(Clone, Debug)]
pub struct NewSymbol<'a> {
    pub(super) name: &'a [u8],
    pub(super) definition: Definition,
    pub(super) value: u64,
    pub(super) size: u64,
    pub(super) binding: Binding,
    pub(super) visibility: Visibility,
    pub(super) kind: SymbolKind,
}

impl<'a> NewSymbol<'a> {
    /// A local symbol at an offset of a block.
    pub fn local(name: &'a (impl AsRef<[u8]> + ?Sized), block: BlockId, offset: u64) -> Self {
        NewSymbol::new(name.as_ref(), Definition::Block(block), offset, Binding::Local)
    }

    /// A symbol at an offset of a block that other objects and dylibs see. Added before pruning only.
    pub fn global(name: &'a (impl AsRef<[u8]> + ?Sized), block: BlockId, offset: u64) -> Self {
        NewSymbol::new(name.as_ref(), Definition::Block(block), offset, Binding::Global)
    }

    /// A symbol that is defined elsewhere: in another object, a library, the process. Added before pruning only.
    pub fn external(name: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        NewSymbol::new(name.as_ref(), Definition::Undefined, 0, Binding::Global)
    }

    /// A local symbol that is an address, or a number.
    pub fn absolute(name: &'a (impl AsRef<[u8]> + ?Sized), value: u64) -> Self {
        NewSymbol::new(name.as_ref(), Definition::Absolute, value, Binding::Local)
    }

    fn new(name: &'a [u8], definition: Definition, value: u64, binding: Binding) -> Self {
        let (visibility, kind) = (Visibility::Default, SymbolKind::None);
        NewSymbol { name, definition, value, size: 0, binding, visibility, kind }
    }

    /// A definition that others see gives way to theirs; an external symbol that nobody defines is null.
    pub fn weak(mut self) -> Self {
        if self.binding != Binding::Local {
            self.binding = Binding::Weak;
        }
        self
    }

    /// Other dylibs do not see it.
    pub fn hidden(mut self) -> Self {
        self.visibility = Visibility::Hidden;
        self
    }

    /// What it stands for: a function, a variable, …
    pub fn kind(mut self, kind: SymbolKind) -> Self {
        self.kind = kind;
        self
    }

    /// How many bytes it stands for.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }
}
