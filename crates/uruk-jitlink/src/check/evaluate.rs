//! Evaluates a rule while it reads it.

use super::{CheckError, Operand, Symbol, View};

/// How deep parentheses and loads may be nested, so that no text ends the stack.
const MAX_NESTING: u32 = 200;

/// Says whether a rule holds: whether the expressions on both sides of its first `=` are the same number.
pub fn evaluate(rule: &str, view: &dyn View) -> Result<(), CheckError> {
    let unusable = |stop: Stop<'_>| CheckError::Unusable {
        rule: rule.to_string(),
        reason: stop.reason,
        rest: stop.rest.trim().to_string(),
    };
    let Some((left, right)) = rule.split_once('=') else {
        return Err(unusable(Stop { reason: "there is no `=` in it".to_string(), rest: rule }));
    };
    let left = side(left, view).map_err(unusable)?;
    let right = side(right, view).map_err(unusable)?;
    match left == right {
        true => Ok(()),
        false => Err(CheckError::False { rule: rule.to_string(), left, right }),
    }
}

/// The value of a whole side.
fn side<'a>(text: &'a str, view: &'a dyn View) -> Result<u64, Stop<'a>> {
    let mut reader = Reader { rest: text, view, nesting: 0, in_load: false, absolute: false };
    let value = reader.expression()?;
    match reader.rest.is_empty() {
        true => Ok(value),
        false => Err(reader.stop("an operator is expected here")),
    }
}

/// Why a text cannot be evaluated, and what of it was left.
struct Stop<'a> {
    reason: String,
    rest: &'a str,
}

/// What an operator does.
type Operate = fn(u64, u64) -> u64;

struct Reader<'a> {
    rest: &'a str,
    view: &'a dyn View,
    nesting: u32,
    /// This is a part of an address that is loaded from.
    in_load: bool,
    /// That address has to do with an absolute symbol, so that nothing lies there.
    absolute: bool,
}

impl<'a> Reader<'a> {
    fn stop(&self, reason: impl Into<String>) -> Stop<'a> {
        Stop { reason: reason.into(), rest: self.rest }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes a word and the blanks behind it, if it comes next.
    fn take(&mut self, word: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(word) else { return false };
        self.rest = rest;
        self.skip_blanks();
        true
    }

    fn expect(&mut self, word: &str) -> Result<(), Stop<'a>> {
        if self.take(word) { Ok(()) } else { Err(self.stop(format!("`{word}` is expected here"))) }
    }

    /// Takes what comes before the first of some characters, without blanks around it.
    fn take_until(&mut self, ends: &[char]) -> Result<&'a str, Stop<'a>> {
        let Some(end) = self.rest.find(ends) else { return Err(self.stop(format!("there is no `{}`", ends[0]))) };
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(text.trim())
    }

    /// `simple (operator simple)*`, from left to right.
    fn expression(&mut self) -> Result<u64, Stop<'a>> {
        if self.nesting == MAX_NESTING {
            return Err(self.stop(format!("more than {MAX_NESTING} parentheses and loads are open")));
        }
        self.nesting += 1;
        self.skip_blanks();
        let mut value = self.simple()?;
        while let Some(operate) = self.operator() {
            value = operate(value, self.simple()?);
        }
        self.nesting -= 1;
        Ok(value)
    }

    fn operator(&mut self) -> Option<Operate> {
        const OPERATORS: [(&str, Operate); 6] = [
            ("+", u64::wrapping_add),
            ("-", u64::wrapping_sub),
            ("&", |left, right| left & right),
            ("|", |left, right| left | right),
            ("<<", |left, right| shifted(right, |amount| left.checked_shl(amount))),
            (">>", |left, right| shifted(right, |amount| left.checked_shr(amount))),
        ];
        OPERATORS.into_iter().find(|(word, _)| self.take(word)).map(|(_, operate)| operate)
    }

    /// An atom, perhaps with a slice behind it.
    fn simple(&mut self) -> Result<u64, Stop<'a>> {
        let value = self.atom()?;
        let before = self.rest;
        if !self.take("[") {
            return Ok(value);
        }
        let high = self.number()?;
        self.expect(":")?;
        let low = self.number()?;
        self.expect("]")?;
        if high < low || 63 < high {
            self.rest = before;
            return Err(self.stop("a slice is [HIGH:LOW], with 63 as the highest bit"));
        }
        let width = high - low + 1;
        Ok((value >> low) & (u64::MAX >> (64 - width)))
    }

    fn atom(&mut self) -> Result<u64, Stop<'a>> {
        match self.rest.bytes().next() {
            Some(b'(') => {
                self.take("(");
                let value = self.expression()?;
                self.expect(")")?;
                Ok(value)
            }
            Some(b'*') => self.load(),
            Some(byte) if byte.is_ascii_digit() => self.number(),
            Some(byte) if byte.is_ascii_alphabetic() || byte == b'_' => self.name_or_call(),
            _ => Err(self.stop("a name, a number, a load or `(` is expected here")),
        }
    }

    /// A number in C's notation.
    fn number(&mut self) -> Result<u64, Stop<'a>> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let value = match (digits.strip_prefix("0x"), digits.strip_prefix('0')) {
            (Some(digits), _) => u64::from_str_radix(digits, 16),
            (None, Some(digits)) if !digits.is_empty() => u64::from_str_radix(digits, 8),
            _ => digits.parse(),
        };
        let value = value.map_err(|_| self.stop("a number of at most 64 bits is expected here"))?;
        self.rest = rest;
        self.skip_blanks();
        Ok(value)
    }

    fn load(&mut self) -> Result<u64, Stop<'a>> {
        let before = self.rest;
        self.take("*");
        self.expect("{")?;
        let size = self.number()?;
        self.expect("}")?;
        let (in_load, absolute) = (std::mem::replace(&mut self.in_load, true), self.absolute);
        self.absolute = false;
        let address = self.expression()?;
        let is_absolute = std::mem::replace(&mut self.absolute, absolute);
        self.in_load = in_load;
        let at_start = |reason: String| Stop { reason, rest: before };
        let mut bytes = [0; 8];
        let Some(part) = bytes.get_mut(..usize::try_from(size).unwrap_or(usize::MAX)).filter(|part| !part.is_empty())
        else {
            return Err(at_start(format!("a load of {size} bytes, where 1 to 8 can be loaded")));
        };
        let empty = is_absolute || address == 0;
        if !empty && !self.view.read(address, part) {
            return Err(at_start(format!("nothing was linked at {address:#x}")));
        }
        Ok(u64::from_le_bytes(bytes))
    }

    fn name_or_call(&mut self) -> Result<u64, Stop<'a>> {
        let before = self.rest;
        let name = self.name()?;
        let absent = |reason| Stop { reason, rest: before };
        match name {
            "decode_operand" => self.decode_operand(),
            "next_pc" => self.next_pc(),
            "stub_addr" => {
                let (file, symbol) = self.file_and(&[')', ','])?;
                let kind = if self.take(",") { Some(self.take_until(&[')'])?) } else { None };
                self.expect(")")?;
                self.view.stub(file, symbol, kind).map_err(absent)
            }
            "got_addr" => {
                let (file, symbol) = self.file_and(&[')'])?;
                self.expect(")")?;
                self.view.got_entry(file, symbol).map_err(absent)
            }
            "section_addr" => {
                let (file, section) = self.file_and(&[')'])?;
                self.expect(")")?;
                self.view.section(file, section).map_err(absent)
            }
            _ => {
                let symbol = self.view.symbol(name).map_err(absent)?;
                self.absolute |= self.in_load && symbol.absolute;
                Ok(symbol.address)
            }
        }
    }

    fn name(&mut self) -> Result<&'a str, Stop<'a>> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | ':');
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.stop("a symbol is expected here"));
        }
        self.rest = rest;
        self.skip_blanks();
        Ok(name)
    }

    /// `(FILE, NAME` up to one of some characters.
    fn file_and(&mut self, ends: &[char]) -> Result<(&'a str, &'a str), Stop<'a>> {
        self.expect("(")?;
        let file = self.take_until(&[','])?;
        self.expect(",")?;
        Ok((file, self.take_until(ends)?))
    }

    fn next_pc(&mut self) -> Result<u64, Stop<'a>> {
        self.expect("(")?;
        let before = self.rest;
        let name = self.name()?;
        self.expect(")")?;
        let symbol = self.view.symbol(name).map_err(|reason| Stop { reason, rest: before })?;
        let instruction = self.instruction(name, &symbol, 0).map_err(|reason| Stop { reason, rest: before })?;
        Ok(symbol.address.wrapping_add(instruction.length))
    }

    fn decode_operand(&mut self) -> Result<u64, Stop<'a>> {
        self.expect("(")?;
        let before = self.rest;
        let name = self.name()?;
        let offset = if self.take("+") { self.number()? } else { 0 };
        self.expect(",")?;
        let index = self.number()?;
        self.expect(")")?;
        let stop = |reason| Stop { reason, rest: before };
        let symbol = self.view.symbol(name).map_err(stop)?;
        let instruction = self.instruction(name, &symbol, offset).map_err(stop)?;
        let Some(operands) = instruction.operands else {
            return Err(stop("the operands of this instruction have no known order".to_string()));
        };
        let operand = usize::try_from(index).ok().and_then(|index| operands.get(index));
        match operand {
            Some(Operand::Immediate(value)) => Ok(*value as u64),
            Some(Operand::Other) => Err(stop(format!("operand {index} is no immediate; {}", list(&operands)))),
            None => Err(stop(format!("there is no operand {index}; {}", list(&operands)))),
        }
    }

    /// The instruction at an offset of a symbol.
    fn instruction(&self, name: &str, symbol: &Symbol, offset: u64) -> Result<super::Instruction, String> {
        /// The longest instruction, which is x86's.
        const MAX_LENGTH: u64 = 15;
        if symbol.absolute {
            return Err(format!("`{name}` is an absolute symbol, which has no instructions"));
        }
        let Some(set) = symbol.instructions else {
            return Err(format!("`{name}` is code of an architecture that is not decoded here"));
        };
        if symbol.size == 0 {
            return Err(format!("`{name}` has no size, so nothing of it can be decoded; give it a .size"));
        }
        let length = symbol.size.saturating_sub(offset).min(MAX_LENGTH) as usize;
        let mut bytes = [0; MAX_LENGTH as usize];
        if length == 0 || !self.view.read(symbol.address.wrapping_add(offset), &mut bytes[..length]) {
            return Err(format!("`{name}` has no bytes at offset {offset}; its size is {}", symbol.size));
        }
        let decoded = set.decode(&bytes[..length]);
        decoded
            .ok_or_else(|| format!("there is no instruction at offset {offset} of `{name}`: {:02x?}", &bytes[..length]))
    }
}

/// The immediates that there are, for messages.
fn list(operands: &[Operand]) -> String {
    let immediates = operands.iter().enumerate().filter_map(|(index, operand)| match operand {
        Operand::Immediate(value) => Some(format!("{index} ({value:#x})")),
        Operand::Other => None,
    });
    let immediates: Vec<String> = immediates.collect();
    match immediates.is_empty() {
        true => "it has no immediates".to_string(),
        false => format!("its immediates are {}", immediates.join(", ")),
    }
}

/// Shifts by 64 and more leave nothing.
fn shifted(amount: u64, shift: impl Fn(u32) -> Option<u64>) -> u64 {
    u32::try_from(amount).ok().and_then(shift).unwrap_or(0)
}
