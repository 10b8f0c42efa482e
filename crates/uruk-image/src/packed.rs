//! Short relocations: places of words, most of which lie near each other.
//!
//! An even word is the place of one; an odd one says of each of the next 63 words whether it is one, in its upper bits.
//! Source: gABI, `SHT_RELR` ("Relative Relocation Table").

const WORD: u64 = 8;
/// Words that one odd word is about.
const BITS: u64 = 63;

/// Packs even places, in order.
pub fn pack(places: &[u64]) -> Vec<u64> {
    let mut packed = Vec::new();
    let mut rest = places;
    while let Some((first, later)) = rest.split_first() {
        packed.push(*first);
        rest = later;
        let mut base = first + WORD;
        loop {
            let distance = |place: &u64| place.wrapping_sub(base);
            let in_reach = |place: &&u64| distance(place).is_multiple_of(WORD) && distance(place) / WORD < BITS;
            let count = rest.iter().take_while(in_reach).count();
            if count == 0 {
                break;
            }
            let bits = rest[..count].iter().fold(0, |bits, place| bits | 2 << (distance(place) / WORD));
            packed.push(bits | 1);
            rest = &rest[count..];
            base += BITS * WORD;
        }
    }
    packed
}

/// Calls a function with each place, in order.
pub fn each(packed: &[u64], mut each: impl FnMut(u64)) {
    let mut next = 0u64;
    for word in packed {
        if word % 2 == 0 {
            each(*word);
            next = word.wrapping_add(WORD);
        } else {
            let mut bits = word >> 1;
            while bits != 0 {
                each(next.wrapping_add(u64::from(bits.trailing_zeros()) * WORD));
                bits &= bits - 1;
            }
            next = next.wrapping_add(BITS * WORD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{each, pack};

    #[test]
    fn packed_places_are_the_same_places() {
        let dense: Vec<u64> = (0..1000).map(|number| 0x1000 + number * 8).collect();
        assert_eq!(pack(&dense).len(), 1 + 999_usize.div_ceil(63));
        let gaps = [&dense[..100], &[0x10000, 0x10008, 0x1000a, 0x10012, 0x20000, 0x20000 + 63 * 8, 0x20000 + 64 * 8]];
        let gaps = gaps.concat();
        for places in [&dense, &gaps, &vec![]] {
            let mut unpacked = Vec::new();
            each(&pack(places), |place| unpacked.push(place));
            assert_eq!(unpacked, *places);
        }
    }
}
