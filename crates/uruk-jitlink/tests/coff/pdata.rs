//! Function records: which of them stay, and in what order they lie.

use crate::support::*;
use uruk_jitlink::memory::Lane;

const LANES: [u64; 3] = [0x10_0000_0000, 0x10_0100_0000, 0x10_0200_0000];

/// Two functions, the first of which another object may have brought, and their records in so many bytes, the second one's
/// first.
fn object(size: usize) -> Vec<u8> {
    let mut pdata = section(b".pdata", READ_ONLY, &vec![0; size]);
    // The symbol of a section takes two records of the table.
    let [first, second, info] = [2, 3, 4];
    for (record, function) in [(0, second), (1, first)] {
        let at = 12 * record;
        pdata.relocations.extend([(at, function, 3), (at + 4, function, 3), (at + 8, info, 3)]);
    }
    let sections = [
        section(b".text", CODE | COMDAT, &[0xc3; 16]),
        section(b".text", CODE, &[0x90; 16]),
        section(b".xdata", READ_ONLY, &[1; 8]),
        pdata,
    ];
    build(
        X86_64,
        &sections,
        &[
            of_section(1, 2, 0),
            external("first", 1, 0),
            external("second", 2, 0),
            Symbol { class: STATIC, ..external("info", 3, 0) },
        ],
    )
}

fn begins(others: &[&str]) -> Vec<u32> {
    let (member, bytes) = link_without(read(&object(24)).unwrap(), LANES, LANES[0], &[], others).unwrap();
    let range = member.share.functions.clone();
    let records = &lane(&bytes, Lane::ReadOnly)[(range.start - LANES[1]) as usize..(range.end - LANES[1]) as usize];
    records.chunks_exact(12).map(|record| u32::from_le_bytes(record[..4].try_into().unwrap())).collect()
}

#[test]
fn records_are_in_order_of_address_and_go_with_their_functions() {
    assert_eq!(begins(&[]), [0, 16]);
    assert_eq!(begins(&["first"]), [0]);
}

#[test]
fn records_that_make_no_sense_are_refused() {
    let refused =
        |bytes: &[u8]| link_without(read(bytes).unwrap(), LANES, LANES[0], &[], &["first"]).err().unwrap().to_string();
    assert!(refused(&object(30)).contains("(.pdata+0x18): a function record that is cut short"));
    let mut across = object(24);
    let at = relocation_at(&across, 3, 2) as usize;
    across[at] = 10;
    assert!(refused(&across).contains("a relocation that lies across the end of a function record"));
}
