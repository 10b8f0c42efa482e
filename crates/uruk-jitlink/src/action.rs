//! Allocation actions: calls in the process where the code runs, made when an object's memory is final and when it goes.
//!
//! Who edits a graph adds them ([`Editor::add_action`](crate::edit::Editor::add_action)) for whatever the linker does not
//! register itself. They are data: symbols and numbers, which are looked at when all addresses are known.

use crate::fixup::DROPPED;
use crate::graph::SymbolId;

/// A call when the memory of an object is final, and one when it goes. The second is made if the first succeeded, or if there
/// is no first; those of one object in the order in which they were added, and the other way round when it goes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Action {
    /// Made once bytes are final and protected, and before anybody is given a symbol of the object.
    pub finalize: Option<Call>,
    /// Made when the object's finalisers have run, before its memory is released.
    pub deallocate: Option<Call>,
}

/// A call of a function of C that returns a 64-bit integer, 0 if it succeeded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The function.
    pub function: SymbolId,
    /// What it is given: at most six words.
    pub arguments: Vec<Argument>,
}

/// What a function is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Argument {
    /// A number.
    Number(u64),
    /// The address of a symbol, and so many bytes more.
    Address(SymbolId, i64),
}

/// The most arguments that a call has.
pub const MAX_ARGUMENTS: usize = 6;

impl Action {
    /// The symbols that it names.
    pub fn symbols(&self) -> impl Iterator<Item = SymbolId> + '_ {
        let calls = self.finalize.iter().chain(&self.deallocate);
        calls.flat_map(|call| {
            let arguments = call.arguments.iter().filter_map(|argument| match argument {
                Argument::Address(symbol, _) => Some(*symbol),
                Argument::Number(_) => None,
            });
            arguments.chain([call.function])
        })
    }
}

impl Call {
    /// The function's address and its arguments, by the addresses of all symbols; `None` if one that it needs was dropped, or
    /// if the function is not there.
    pub fn resolve(&self, addresses: &[u64]) -> Option<(u64, Vec<u64>)> {
        let address =
            |symbol: SymbolId| addresses.get(symbol.0 as usize).copied().filter(|address| *address != DROPPED);
        let arguments = self.arguments.iter().map(|argument| match argument {
            Argument::Number(number) => Some(*number),
            Argument::Address(symbol, offset) => address(*symbol).map(|address| address.wrapping_add_signed(*offset)),
        });
        let function = address(self.function).filter(|address| *address != 0)?;
        Some((function, arguments.collect::<Option<_>>()?))
    }
}
