//! The synthetic sets "objects × functions": who calls whom, what every name is, and the files, kept in target/bench-sets.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::object;
use crate::paths;

/// A function or variable: the object's number, and its number in the object.
pub type FunctionId = (usize, usize);

/// A set of objects full of small functions.
#[derive(Clone, Copy)]
pub struct Set {
    /// The name in reports; also of its folder.
    pub name: &'static str,
    /// How many objects.
    pub objects: usize,
    /// How many functions each object has.
    pub functions: usize,
    /// A section for each function.
    pub sections: bool,
    /// Each function calls the next one instead of a random one.
    pub chain: bool,
    /// Made only when large sets are asked for.
    pub large: bool,
}

const fn set(name: &'static str, objects: usize, functions: usize) -> Set {
    Set { name, objects, functions, sections: false, chain: false, large: false }
}

#[rustfmt::skip]
pub const SETS: &[Set] = &[
    set("10x100", 10, 100),
    set("100x100", 100, 100),
    Set { sections: true, ..set("100x100-sections", 100, 100) },
    set("100x1000", 100, 1000),
    Set { sections: true, ..set("100x1000-sections", 100, 1000) },
    set("1x100000", 1, 100_000),
    set("10000x10", 10_000, 10),
    Set { sections: true, ..set("random-20000", 1, 20_000) },
    Set { sections: true, chain: true, ..set("chain-20000", 1, 20_000) },
    Set { large: true, ..set("1000x1000", 1000, 1000) },
];

/// The calls of `main` go this deep.
const DEPTH: u32 = 10;

impl Set {
    /// How many functions there are in all.
    pub fn total(&self) -> usize {
        self.objects * self.functions
    }

    /// How many variables each object has.
    pub fn variables(&self) -> usize {
        (self.functions / 20).max(1)
    }

    /// The name of a function.
    pub fn function_name(&self, (object, index): FunctionId) -> String {
        format!("function_{object}_{index}")
    }

    /// The name of a variable.
    pub fn variable_name(&self, (object, index): FunctionId) -> String {
        format!("variable_{object}_{index}")
    }

    /// The value of a variable.
    pub fn variable_value(&self, (object, index): FunctionId) -> u32 {
        (object * 31 + index) as u32
    }

    /// Where function `index` begins in its section, if all are `size` bytes long.
    pub fn offset_in_section(&self, index: usize, size: usize) -> u64 {
        if self.sections { 0 } else { (index * size) as u64 }
    }

    /// The function that `id` calls: any of the set, the same each time.
    pub fn callee(&self, id: FunctionId) -> FunctionId {
        let number = id.0 * self.functions + id.1;
        let callee = if self.chain { (number + 1) % self.total() } else { self.random(number, 1) % self.total() };
        (callee / self.functions, callee % self.functions)
    }

    /// The variable that `id` reads: any of the set.
    pub fn variable(&self, id: FunctionId) -> FunctionId {
        let number = self.random(id.0 * self.functions + id.1, 2);
        (number % self.objects, number / self.objects % self.variables())
    }

    /// splitmix64: a well-mixed number for each function and purpose.
    fn random(&self, number: usize, purpose: u64) -> usize {
        let mut mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(purpose << 40);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 8) as usize
    }

    /// The functions that `main` calls, with their arguments.
    pub fn calls_of_main(&self) -> impl Iterator<Item = (FunctionId, u32)> {
        let step = (self.total() / 64).max(1);
        let functions = self.functions;
        (0..self.total()).step_by(step).map(move |number| ((number / functions, number % functions), DEPTH))
    }

    /// The sum of what `main` gets from its calls.
    pub fn expected_sum(&self) -> u32 {
        let mut sum = 0u32;
        for (mut id, depth) in self.calls_of_main() {
            for n in (0..=depth).rev() {
                sum = sum.wrapping_add(n).wrapping_add(self.variable_value(self.variable(id)));
                id = self.callee(id);
            }
        }
        sum
    }

    /// The object files and the bytes they have; made if they are not there.
    pub fn files(&self) -> Result<(Vec<PathBuf>, u64)> {
        let folder = paths::target_folder(&format!("bench-sets/v1/{}", self.name))?;
        let complete = folder.join("complete");
        let mut files: Vec<PathBuf> = (0..self.objects).map(|object| folder.join(format!("{object}.o"))).collect();
        files.push(folder.join("main.o"));
        if !complete.exists() {
            for (object, file) in files[..self.objects].iter().enumerate() {
                fs::write(file, object::functions(self, object))?;
            }
            fs::write(&files[self.objects], object::main_object(self))?;
            fs::write(&complete, "")?;
        }
        let mut bytes = 0;
        for file in &files {
            bytes += fs::metadata(file)?.len();
        }
        Ok((files, bytes))
    }
}
