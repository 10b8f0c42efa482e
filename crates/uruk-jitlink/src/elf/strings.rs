//! Strings of a string table: where each ends.
//!
//! Names are short and many, so they are searched a word at a time without a call. (`memchr` costs as much for a long name
//! and more for a short one, and its first use asks the processor what it can do, which under a hypervisor takes longer than
//! linking a small program.)

/// A byte in each place of a word.
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The high bit of the lowest zero byte of a word, perhaps with those of bytes above; 0 if there is none.
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(each(1)) & !word & each(0x80)
}

/// What `bytes` begin with, up to the first zero byte.
pub fn until_zero(bytes: &[u8]) -> Option<&[u8]> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let found = zeros(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(&bytes[..index * 8 + found.trailing_zeros() as usize / 8]);
        }
    }
    let length = rest.iter().position(|byte| *byte == 0)?;
    Some(&bytes[..words.len() * 8 + length])
}

/// A name as others refer to it: `name@@V` is the default version and serves plain `name`, while `name@V` is reached under
/// its full name only.
pub fn unversioned(name: &[u8]) -> &[u8] {
    let (words, rest) = name.as_chunks::<8>();
    let plain = words.iter().all(|word| zeros(u64::from_le_bytes(*word) ^ each(b'@')) == 0) && !rest.contains(&b'@');
    if plain {
        return name;
    }
    match name.windows(2).position(|pair| pair == b"@@") {
        Some(at) if at != 0 => &name[..at],
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_the_first_zero_byte() {
        for length in 0..40 {
            let mut bytes = vec![0x80; length];
            assert_eq!(until_zero(&bytes), None);
            bytes.extend([0, 1, 0, 0xff, 0x81, 1, 1, 1, 1, 1]);
            assert_eq!(until_zero(&bytes), Some(&bytes[..length]));
        }
    }

    #[test]
    fn default_versions_are_left_out() {
        for prefix in ["f", "function_1", "a_function_whose_name_is_long"] {
            let check = |name: String, expected: &str| assert_eq!(unversioned(name.as_bytes()), expected.as_bytes());
            check(prefix.to_string(), prefix);
            check(format!("{prefix}@@V1"), prefix);
            check(format!("{prefix}@V1"), &format!("{prefix}@V1"));
        }
        assert_eq!(unversioned(b"@@V"), b"@@V");
    }
}
