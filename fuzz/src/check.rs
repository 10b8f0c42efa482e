//! The check language: any text is evaluated, with any bytes linked, without a panic.

use uruk_jitlink::check::{self, InstructionSet, Symbol, View};

/// Takes the bytes for a text with rules, for one rule, and for instructions of all kinds.
pub fn check(data: &[u8]) {
    let sets = [InstructionSet::X86_64, InstructionSet::Aarch64, InstructionSet::Riscv32, InstructionSet::Riscv64];
    let instructions = sets[usize::from(data.first().copied().unwrap_or(0)) % sets.len()];
    let linked = Linked { bytes: data, instructions };
    let text = String::from_utf8_lossy(data);
    for rule in check::rules(&text, check::DEFAULT_NAME) {
        assert!(0 < rule.line && rule.line <= text.lines().count());
        evaluate(&rule.text, &linked);
    }
    evaluate(&text, &linked);
    for set in sets {
        for at in 0..data.len().min(64) {
            let Some(decoded) = set.decode(&data[at..]) else { continue };
            assert!(0 < decoded.length && decoded.length <= (data.len() - at) as u64);
        }
    }
}

fn evaluate(rule: &str, linked: &Linked) {
    if let Err(error) = check::evaluate(rule, linked) {
        assert!(error.to_string().contains(rule), "an error that does not name the rule");
    }
}

/// The input itself at address 0x1000; every name is a symbol.
struct Linked<'a> {
    bytes: &'a [u8],
    instructions: InstructionSet,
}

const BASE: u64 = 0x1000;

impl View for Linked<'_> {
    fn symbol(&self, name: &str) -> Result<Symbol, String> {
        let offset = name.len() as u64;
        let size = (self.bytes.len() as u64).saturating_sub(offset);
        let absolute = name.starts_with("abs");
        Ok(Symbol { address: BASE + offset, size, absolute, instructions: Some(self.instructions) })
    }

    fn section(&self, file: &str, section: &str) -> Result<u64, String> {
        Ok(BASE + (file.len() + section.len()) as u64)
    }

    fn got_entry(&self, file: &str, symbol: &str) -> Result<u64, String> {
        if file == symbol { Err("no entry".into()) } else { Ok(BASE) }
    }

    fn stub(&self, _: &str, _: &str, kind: Option<&str>) -> Result<u64, String> {
        kind.map_or(Ok(u64::MAX), |kind| Err(kind.into()))
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> bool {
        let start = address.wrapping_sub(BASE) as usize;
        let found = start.checked_add(bytes.len()).and_then(|end| self.bytes.get(start..end));
        found.map(|found| bytes.copy_from_slice(found)).is_some()
    }
}
