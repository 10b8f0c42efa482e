//! What is done to a state, decoded from numbers so that a failing sequence shrinks.

use super::reference::Promise;

pub const NAMES: usize = 6;
pub const DYLIBS: usize = 2;
pub const TRACKERS: usize = 3;

/// `which` and the like are taken modulo how many there are.
#[derive(Clone, Debug)]
pub enum Op {
    Define {
        dylib: usize,
        tracker: usize,
        promises: Vec<Promise>,
    },
    Absolute {
        dylib: usize,
        tracker: usize,
        promises: Vec<Promise>,
    },
    Outside {
        dylib: usize,
        name: usize,
    },
    /// Names, and whether each is required.
    Query {
        dylib: usize,
        names: Vec<(usize, bool)>,
        ready: bool,
        callback: bool,
    },
    AskUnit {
        which: usize,
        ready: bool,
        tolerant: bool,
    },
    Cancel {
        which: usize,
    },
    /// The task ends at once, or later than its unit is settled.
    Start {
        which: usize,
        lingers: bool,
    },
    EndTask {
        which: usize,
    },
    Resolve {
        which: usize,
        mask: u8,
    },
    /// Needs: dylibs with names.
    Emit {
        which: usize,
        resolved: bool,
        needs: Vec<(usize, usize)>,
    },
    Fail {
        which: usize,
    },
    Delegate {
        which: usize,
        mask: u8,
    },
    Replace {
        which: usize,
        mask: u8,
    },
    DefineMore {
        which: usize,
        promises: Vec<Promise>,
    },
    Transfer {
        dylib: usize,
        from: usize,
        to: usize,
    },
    DropTracker {
        dylib: usize,
        tracker: usize,
    },
    Remove {
        dylib: usize,
        tracker: usize,
        forced: bool,
    },
    Clear {
        dylib: usize,
    },
    Pin {
        dylib: usize,
        name: usize,
    },
    Unpin {
        which: usize,
    },
    Order {
        dylib: usize,
        first: bool,
        alone: bool,
    },
    End,
}

/// The bytes of a number, one after the other, zeros at the end.
struct Bytes(u64);

impl Bytes {
    fn next(&mut self) -> usize {
        let byte = self.0 & 0xff;
        self.0 >>= 8;
        byte as usize
    }

    fn flag(&mut self) -> bool {
        self.next() & 1 == 1
    }

    fn below(&mut self, limit: usize) -> usize {
        self.next() % limit
    }

    fn promises(&mut self) -> Vec<Promise> {
        let count = 1 + self.below(3);
        let promise = |bits: usize| Promise {
            name: bits % NAMES,
            weak: bits & 8 != 0,
            hidden: bits & 0x30 == 0x30,
            side_effects: bits & 0xc0 == 0xc0,
        };
        (0..count).map(|_| promise(self.next())).collect()
    }
}

impl Op {
    pub fn decode(number: u64) -> Op {
        let mut bytes = Bytes(number);
        let (kind, which) = (bytes.next() % 64, bytes.next());
        let dylib = which % DYLIBS;
        match kind {
            0..12 => Op::Define { dylib, tracker: bytes.below(TRACKERS), promises: bytes.promises() },
            12 | 13 => Op::Absolute { dylib, tracker: bytes.below(TRACKERS), promises: bytes.promises() },
            14 => Op::Outside { dylib, name: bytes.below(NAMES) },
            15..23 => {
                let (ready, callback, count) = (!bytes.flag(), bytes.flag(), 1 + bytes.below(3));
                let name = |bits: usize| (bits % NAMES, bits & 0xe0 != 0xe0);
                let names = (0..count).map(|_| name(bytes.next())).collect();
                Op::Query { dylib, names, ready, callback }
            }
            23 => Op::AskUnit { which, ready: !bytes.flag(), tolerant: bytes.flag() },
            24 => Op::Cancel { which },
            25..32 => Op::Start { which, lingers: bytes.flag() },
            32 => Op::EndTask { which },
            33..36 => Op::Resolve { which, mask: bytes.next() as u8 },
            36..46 => {
                let (resolved, count) = (bytes.next() % 8 != 7, bytes.below(3));
                let need = |bits: usize| (bits >> 4 & 1, bits % NAMES);
                Op::Emit { which, resolved, needs: (0..count).map(|_| need(bytes.next())).collect() }
            }
            46 => Op::Fail { which },
            47 | 48 => Op::Delegate { which, mask: bytes.next() as u8 },
            49 | 50 => Op::Replace { which, mask: bytes.next() as u8 },
            51 | 52 => Op::DefineMore { which, promises: bytes.promises() },
            53 => Op::Transfer { dylib, from: bytes.below(TRACKERS), to: bytes.below(TRACKERS) },
            54 if which & 0x40 != 0 => Op::DropTracker { dylib, tracker: bytes.below(TRACKERS) },
            54..57 => Op::Remove { dylib, tracker: bytes.below(TRACKERS), forced: bytes.next() % 4 == 3 },
            57 => Op::Clear { dylib },
            58..60 => Op::Pin { dylib, name: bytes.below(NAMES) },
            60 => Op::Unpin { which },
            61 | 62 => Op::Order { dylib, first: bytes.flag(), alone: bytes.flag() },
            _ if which % 16 == 15 => Op::End,
            _ => Op::Unpin { which },
        }
    }
}
