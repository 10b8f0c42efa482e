//! Everything that roots lead to.
//!
//! Data flow: named cells → a queue, in the order of the names that were asked for → each place's bytes are read once, and its pointers
//! in order of offset → what they point to joins the queue → weak references are decided last.
//! Invariants: the order of places and edges depends on the roots' order and the graph of objects alone, so that the same state gives
//! the same image wherever it lies; each place but a root has one that pulled it in, before it.

use crate::error::Error;
use crate::memory::Memory;
use crate::pointers::{External, PointerEntry};
use crate::types::{Count, Field, Pointer, Tags, Type, TypeId, WORD};
use crate::world::{At, Heap, World};
use foldhash::{HashMap, HashSet};
use std::fmt::Write;

/// What a kept place is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// An object of the heap.
    Object,
    /// A global cell, by its number in the order in which cells were added.
    Cell(u32),
}

/// An object or a cell that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where it is in the program.
    pub address: u64,
    /// Which it is.
    pub owner: Owner,
    /// Its type.
    pub type_id: TypeId,
    /// What its address is a multiple of.
    pub align: u64,
    /// Where its bytes are in [`Closure::bytes`].
    pub start: usize,
    /// How many it has.
    pub size: u64,
    /// The place that pulled it in, and the pointer there; none pulls roots in.
    pub parent: Option<(u32, u64)>,
}

/// A place in something that is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The number of what is kept.
    pub kept: u32,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// What a pointer points to in an image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// Something kept, with these tag bits beside the address.
    Place(Place, u64),
    /// The symbol of this number in [`Closure::externals`].
    External(u32),
    /// A function that was linked here, by its address.
    Code(u64),
}

/// A pointer that is not null.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// Where it is.
    pub from: Place,
    /// Where it leads.
    pub to: Target,
}

/// Everything that an image keeps of a world's data.
#[derive(Debug, Default)]
pub struct Closure {
    /// Objects and cells, the roots first.
    pub kept: Vec<Kept>,
    /// Their bytes as they are in the program, each at a multiple of 16.
    pub bytes: Vec<u8>,
    /// Their pointers, in the order of their places. A pointer that is none of these is null in an image, or no address.
    pub edges: Vec<Edge>,
    /// Symbols of others that they point to.
    pub externals: Vec<External>,
    /// Which of these a pointer to a function leads to.
    pub called: Vec<bool>,
    /// Weak references to what nothing else keeps.
    pub cleared: Vec<Place>,
    /// Pointers that have entries and are of nothing that is kept.
    pub unused_entries: Vec<u64>,
    /// Places that others can link to, by name.
    pub exports: Vec<(String, Place)>,
}

/// How much a root keeps that no root before it does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// The cell's name.
    pub root: String,
    /// Objects and cells.
    pub places: u64,
    /// Bytes of them.
    pub bytes: u64,
}

impl World {
    /// Finds everything that cells lead to, reading the program's memory. Objects that were not added are asked of the heap.
    pub fn trace(&self, roots: &[&str], memory: &dyn Memory, heap: Option<&dyn Heap>) -> Result<Closure, Error> {
        let mut trace = Trace {
            world: self,
            memory,
            heap,
            found: HashMap::default(),
            externals: HashMap::default(),
            weak: Vec::new(),
            used: HashSet::default(),
            start: String::new(),
            closure: Closure::default(),
        };
        for root in roots {
            let number = self.root(root)?;
            let cell = self.cell(number);
            trace.start = format!("root `{root}`");
            trace.keep(cell.address, Owner::Cell(number as u32), cell.type_id, None)?;
        }
        for (name, address) in self.exports() {
            trace.start = format!("exported symbol `{name}`");
            let place = trace.object(None, address, true)?;
            trace.closure.exports.extend(place.map(|place| (name.to_owned(), place)));
        }
        let mut next = 0;
        while next < trace.closure.kept.len() {
            trace.scan(next as u32)?;
            next += 1;
        }
        trace.check_apart()?;
        trace.settle_weak();
        trace.settle_entries()?;
        Ok(trace.closure)
    }
}

struct Trace<'a> {
    world: &'a World,
    memory: &'a dyn Memory,
    heap: Option<&'a dyn Heap>,
    /// What is kept, by where it begins.
    found: HashMap<u64, u32>,
    externals: HashMap<External, u32>,
    /// Weak references, with the places that they were found at.
    weak: Vec<(Place, u64)>,
    /// Pointers whose entries are in the image.
    used: HashSet<u64>,
    /// What is looked for that no pointer pulls in.
    start: String,
    closure: Closure,
}

impl Trace<'_> {
    /// Keeps what begins at an address: its number.
    fn keep(&mut self, address: u64, owner: Owner, type_id: TypeId, parent: Option<(u32, u64)>) -> Result<u32, Error> {
        if let Some(known) = self.found.get(&address) {
            return Ok(*known);
        }
        let described = self.world.type_named(type_id);
        let start = self.closure.bytes.len().next_multiple_of(16);
        let size = self.size_of(address, described, parent)?;
        let unreadable = |trace: &Self| Error::Unreadable { path: trace.path(parent), address, size };
        // What an object says of its length may be anything: room for much is made once its end has been seen.
        const MUCH: u64 = 1 << 16;
        let end = address.checked_add(size.saturating_sub(1));
        if !end.is_some_and(|end| size < MUCH || self.memory.read(end, &mut [0])) {
            return Err(unreadable(self));
        }
        self.closure.bytes.resize(start + size as usize, 0);
        if !self.memory.read(address, &mut self.closure.bytes[start..]) {
            return Err(unreadable(self));
        }
        let number = self.closure.kept.len() as u32;
        self.closure.kept.push(Kept { address, owner, type_id, align: described.align, start, size, parent });
        self.found.insert(address, number);
        Ok(number)
    }

    /// Bytes of an object, which may say itself how long it is.
    fn size_of(&self, address: u64, described: &Type, parent: Option<(u32, u64)>) -> Result<u64, Error> {
        let Some(tail) = &described.tail else { return Ok(described.size) };
        let Count { offset, width } = tail.count;
        let mut bytes = [0; 8];
        let at = address.wrapping_add(offset);
        if !self.memory.read(at, &mut bytes[..width.into()]) {
            return Err(Error::Unreadable { path: self.path(parent), address: at, size: width.into() });
        }
        let count = u64::from_le_bytes(bytes);
        let size = count.checked_mul(tail.stride).and_then(|tail| tail.checked_add(described.size));
        // More than memory has room for is not asked of it.
        size.filter(|size| *size < 1 << 47).ok_or_else(|| {
            let reason = format!("the number of elements of a `{}`, which no memory has room for", described.name);
            Error::Pointer { path: self.path(parent), value: count, reason }
        })
    }

    /// Follows the pointers of something kept.
    fn scan(&mut self, number: u32) -> Result<(), Error> {
        let Kept { type_id, size, .. } = self.closure.kept[number as usize];
        let world = self.world;
        let described = world.type_named(type_id);
        for field in &described.fields {
            self.follow(Place { kept: number, offset: field.offset }, field.pointer)?;
        }
        if let Some(tail) = &described.tail
            && !tail.fields.is_empty()
        {
            for element in (described.size..size).step_by(tail.stride as usize) {
                for Field { offset, pointer } in &tail.fields {
                    self.follow(Place { kept: number, offset: element + offset }, *pointer)?;
                }
            }
        }
        Ok(())
    }

    fn follow(&mut self, from: Place, pointer: Pointer) -> Result<(), Error> {
        let word = self.word(from);
        let target = match pointer {
            Pointer::Reference => self.whole(from, word, false)?,
            Pointer::Inner => self.whole(from, word, true)?,
            Pointer::Tagged(tags) => self.tagged(from, word, tags)?,
            Pointer::Weak => {
                if word != 0 {
                    self.weak.push((from, word));
                }
                None
            }
            Pointer::Code => (word != 0).then_some(Target::Code(word)),
            Pointer::Data | Pointer::Function => {
                let field = self.closure.kept[from.kept as usize].address + from.offset;
                let entry = self.world.pointers.at(field);
                self.used.extend(entry.map(|_| field));
                match entry {
                    None => None,
                    Some(PointerEntry::Symbol(symbol)) => {
                        let number = self.external(symbol);
                        self.closure.called[number as usize] |= pointer == Pointer::Function;
                        Some(Target::External(number))
                    }
                    Some(PointerEntry::Own(address)) => self.whole(from, *address, true)?,
                }
            }
        };
        if let Some(to) = target {
            self.closure.edges.push(Edge { from, to });
        }
        Ok(())
    }

    fn word(&self, place: Place) -> u64 {
        let start = self.closure.kept[place.kept as usize].start + place.offset as usize;
        let bytes = &self.closure.bytes[start..start + WORD as usize];
        u64::from_le_bytes(bytes.try_into().expect("a word has eight bytes"))
    }

    fn external(&mut self, symbol: &External) -> u32 {
        if let Some(known) = self.externals.get(symbol) {
            return *known;
        }
        let number = self.closure.externals.len() as u32;
        self.closure.externals.push(symbol.clone());
        self.closure.called.push(false);
        self.externals.insert(symbol.clone(), number);
        number
    }

    /// The target of a reference without a tag, if it is not null.
    fn whole(&mut self, from: Place, address: u64, inner: bool) -> Result<Option<Target>, Error> {
        Ok(self.object(Some(from), address, inner)?.map(|place| Target::Place(place, 0)))
    }

    /// The same of a reference with a tag, whose bits are no part of the address wherever the object lies.
    fn tagged(&mut self, from: Place, word: u64, tags: Tags) -> Result<Option<Target>, Error> {
        let Some((address, tag)) = tags.split(word) else { return Ok(None) };
        let Some(place) = self.object(Some(from), address, false)? else { return Ok(None) };
        let Kept { type_id, align, .. } = self.closure.kept[place.kept as usize];
        if align < 1 << tags.bits {
            let name = &self.world.type_named(type_id).name;
            let reason = format!(
                "a reference with {} tag bits to a `{name}`, whose alignment to {align} bytes leaves no room for them; describe it with \
                 the one that its objects have",
                tags.bits
            );
            return Err(Error::Pointer { path: self.path(Some((from.kept, from.offset))), value: word, reason });
        }
        Ok(Some(Target::Place(place, tag)))
    }

    /// Keeps what a reference leads to, if it is not null.
    fn object(&mut self, from: Option<Place>, address: u64, inner: bool) -> Result<Option<Place>, Error> {
        if address == 0 {
            return Ok(None);
        }
        // Most objects have been met before.
        if let Some(known) = self.found.get(&address) {
            return Ok(Some(Place { kept: *known, offset: 0 }));
        }
        let parent = from.map(|from| (from.kept, from.offset));
        let wrong = |trace: &Self, reason: &str| {
            Err(Error::Pointer { path: trace.path(parent), value: address, reason: reason.into() })
        };
        let Some((start, owner, type_id)) = self.find(address) else {
            return wrong(self, "neither null nor the address of an object or a cell");
        };
        if !self.world.has_type(type_id) {
            return wrong(self, "the address of an object whose type was never added");
        }
        if !inner && start != address {
            return wrong(self, "an address inside an object, and only its beginning can be referred to");
        }
        let kept = self.keep(start, owner, type_id, parent)?;
        let offset = address - start;
        if self.closure.kept[kept as usize].size < offset {
            return wrong(self, "neither null nor the address of an object or a cell");
        }
        Ok(Some(Place { kept, offset }))
    }

    /// Errors if something kept lies in another one, as one with a variable part may that is longer than its place.
    fn check_apart(&self) -> Result<(), Error> {
        let mut in_order: Vec<&Kept> = self.closure.kept.iter().collect();
        in_order.sort_unstable_by_key(|kept| kept.address);
        let overlap = in_order.windows(2).find(|pair| pair[1].address - pair[0].address < pair[0].size);
        let Some([before, kept]) = overlap.and_then(|pair| pair.first_chunk()) else { return Ok(()) };
        let [name, other] = [kept, before].map(|kept| &self.world.type_named(kept.type_id).name);
        let reason = format!(
            "the address of a `{name}` amid the {} bytes of the `{other}` at {:#x}",
            before.size, before.address
        );
        Err(Error::Pointer { path: self.closure.path(self.world, kept.parent), value: kept.address, reason })
    }

    /// What has an address, or ends there if nothing else has it.
    fn find(&self, address: u64) -> Option<(u64, Owner, TypeId)> {
        let before = self.world.place_before(address).map(|(start, at)| {
            let owner = match at {
                At::Object(_) => Owner::Object,
                At::Cell(number) => Owner::Cell(number as u32),
            };
            (start, owner, self.world.type_id_of(at))
        });
        let reaches = |(start, _, type_id): &(u64, Owner, TypeId)| {
            // Where one begins is its own, though how long it is may be unknown.
            *start == address || self.end_of(*start, *type_id).is_some_and(|end| address < end)
        };
        let of_heap = || {
            let (start, type_id) = self.heap?.object_at(address)?;
            (start <= address).then_some((start, Owner::Object, type_id))
        };
        let ends = |(start, _, type_id): &(u64, Owner, TypeId)| self.end_of(*start, *type_id) == Some(address);
        before.filter(reaches).or_else(of_heap).or_else(|| before.filter(ends))
    }

    /// The address behind an object or a cell of the world.
    fn end_of(&self, start: u64, type_id: TypeId) -> Option<u64> {
        let size = self.size_of(start, self.world.type_named(type_id), None).ok()?;
        start.checked_add(size)
    }

    fn settle_weak(&mut self) {
        for (from, address) in std::mem::take(&mut self.weak) {
            match self.found.get(&address) {
                Some(kept) => {
                    let to = Target::Place(Place { kept: *kept, offset: 0 }, 0);
                    self.closure.edges.push(Edge { from, to });
                }
                None => self.closure.cleared.push(from),
            }
        }
        self.closure.edges.sort_by_key(|edge| (edge.from.kept, edge.from.offset));
    }

    /// Entries of pointers that are not kept have no effect; those of something kept that has no raw pointer there are mistakes.
    fn settle_entries(&mut self) -> Result<(), Error> {
        for (field, entry) in self.world.pointers() {
            if self.used.contains(&field) {
                continue;
            }
            let kept = self.find(field).and_then(|(start, ..)| self.found.get(&start));
            let kept = kept.map(|number| &self.closure.kept[*number as usize]);
            if let Some(kept) = kept.filter(|kept| field - kept.address < kept.size) {
                let name = &self.world.type_named(kept.type_id).name;
                let reason =
                    format!("the `{name}` at {:#x} has no raw pointer at {}", kept.address, field - kept.address);
                return Err(Error::Entry { field, to: entry.to_string(), reason });
            }
            self.closure.unused_entries.push(field);
        }
        Ok(())
    }

    /// The way from a root to a pointer.
    fn path(&self, pointer: Option<(u32, u64)>) -> String {
        if pointer.is_none() { self.start.clone() } else { self.closure.path(self.world, pointer) }
    }
}

impl Closure {
    /// The bytes of something kept.
    pub fn bytes_of(&self, kept: &Kept) -> &[u8] {
        &self.bytes[kept.start..kept.start + kept.size as usize]
    }

    /// Where something that was at an address of the program is kept.
    pub fn place_of(&self, address: u64) -> Option<Place> {
        let mut all = (0..).zip(&self.kept);
        all.find_map(|(kept, place)| {
            let offset = address.checked_sub(place.address)?;
            (offset < place.size).then_some(Place { kept, offset })
        })
    }

    /// The addresses of functions that pointers lead to, some of them more than once.
    pub(crate) fn functions(&self) -> impl Iterator<Item = u64> {
        self.edges.iter().filter_map(|edge| match edge.to {
            Target::Code(address) => Some(address),
            _ => None,
        })
    }

    /// The pointers of something kept.
    pub(crate) fn edges_of(&self, number: u32) -> &[Edge] {
        let first = self.edges.partition_point(|edge| edge.from.kept < number);
        let end = self.edges.partition_point(|edge| edge.from.kept <= number);
        &self.edges[first..end]
    }

    /// Offsets of its weak references to what nothing else keeps.
    pub(crate) fn cleared_of(&self, number: u32) -> impl Iterator<Item = u64> {
        let first = self.cleared.partition_point(|place| place.kept < number);
        self.cleared[first..].iter().take_while(move |place| place.kept == number).map(|place| place.offset)
    }

    /// The way from a root to a pointer: the number of what has it, and its offset there.
    pub fn path(&self, world: &World, pointer: Option<(u32, u64)>) -> String {
        let mut steps = Vec::new();
        let mut next = pointer;
        while let Some((number, offset)) = next {
            steps.push((number, offset));
            next = self.kept[number as usize].parent;
        }
        let mut text = String::new();
        for (number, offset) in steps.into_iter().rev() {
            let kept = &self.kept[number as usize];
            let name = match kept.owner {
                Owner::Cell(cell) => &world.cell(cell as usize).name,
                Owner::Object => &world.type_named(kept.type_id).name,
            };
            let arrow = if text.is_empty() { "" } else { " -> " };
            // Text takes whatever is written to it.
            let _ = write!(text, "{arrow}{name}+{offset}");
        }
        if text.is_empty() { "a root".into() } else { text }
    }

    /// How much each root keeps that no root before it does, in the roots' order; what exported names keep comes last, without one.
    pub fn shares(&self, world: &World) -> Vec<Share> {
        let mut roots: Vec<u32> = Vec::with_capacity(self.kept.len());
        let mut shares: Vec<Share> = Vec::new();
        for kept in &self.kept {
            let root = match (kept.parent, kept.owner) {
                (Some((parent, _)), _) => roots[parent as usize],
                (None, owner) => {
                    let root = match owner {
                        Owner::Cell(cell) => world.cell(cell as usize).name.clone(),
                        Owner::Object => String::new(),
                    };
                    shares.push(Share { root, places: 0, bytes: 0 });
                    shares.len() as u32 - 1
                }
            };
            roots.push(root);
            shares[root as usize].places += 1;
            shares[root as usize].bytes += kept.size;
        }
        shares
    }
}
