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

/// Three functions, the first of which another object may have brought, whose descriptions lie in one section, the second
/// one's first. What the records and one of the descriptions refer to is named by the section and a distance, or by a symbol.
fn sharing(machine: u16) -> Vec<u8> {
    let (size, kind) = if machine == X86_64 { (12, 3) } else { (8, 2) };
    let mut xdata: Vec<u8> = [[2; 8], [1; 8], [3; 8]].concat();
    // The second one's description refers to the third one's tables, from the section's start.
    xdata[4..8].copy_from_slice(&20u32.to_le_bytes());
    let mut xdata = section(b".xdata", READ_ONLY, &xdata);
    // Numbers of symbols, that of a section being two records of the table.
    let [whole, first, second, third, named] = [0, 4, 5, 6, 7];
    xdata.relocations.push((4, whole, kind));
    let mut pdata = section(b".pdata", READ_ONLY, &vec![0; 3 * size as usize]);
    for (record, function, info, at) in [(0, first, whole, 8u32), (1, second, whole, 0), (2, third, named, 0)] {
        let start = size * record;
        pdata.relocations.push((start, function, kind));
        if machine == X86_64 {
            pdata.relocations.push((start + 4, function, kind));
        }
        pdata.relocations.push((start + size - 4, info, kind));
        pdata.content[(start + size - 4) as usize..(start + size) as usize].copy_from_slice(&at.to_le_bytes());
    }
    let sections = [
        section(b".text", CODE | COMDAT, &[0xc3; 16]),
        section(b".text", CODE, &[0x90; 16]),
        section(b".text", CODE, &[0xcc; 16]),
        xdata,
        pdata,
    ];
    let symbols = [
        of_section(4, 0, 0),
        of_section(1, 2, 0),
        external("first", 1, 0),
        external("second", 2, 0),
        external("third", 3, 0),
        Symbol { class: STATIC, ..external("named", 4, 16) },
    ];
    build(machine, &sections, &symbols)
}

#[test]
fn descriptions_go_with_their_functions() {
    for machine in [X86_64, ARM64] {
        let size = if machine == X86_64 { 12 } else { 8 };
        for (others, expected) in [(&[][..], &[1, 2, 3][..]), (&["first"], &[2, 3])] {
            let (member, bytes) = link_without(read(&sharing(machine)).unwrap(), LANES, LANES[0], &[], others).unwrap();
            let lane = lane(&bytes, Lane::ReadOnly);
            let word = |at: u64| u32::from_le_bytes(lane[at as usize..at as usize + 4].try_into().unwrap());
            let range = member.share.functions.clone();
            let infos: Vec<u64> = (range.start..range.end)
                .step_by(size)
                .map(|record| u64::from(word(record - LANES[1] + size as u64 - 4)) + LANES[0] - LANES[1])
                .collect();
            let found: Vec<u8> = infos.iter().map(|info| lane[*info as usize]).collect();
            assert_eq!(found, expected);
            // The third one's tables are where the second one's description says.
            let second = infos[expected.len() - 2];
            assert_eq!(u64::from(word(second + 4)) + LANES[0] - LANES[1], infos[expected.len() - 1] + 4);
            // Nothing is left of the first one.
            assert_eq!(lane.windows(8).any(|bytes| bytes == [1; 8]), expected.contains(&1));
        }
    }
}

#[test]
fn descriptions_that_others_may_refer_to_are_kept() {
    let mut object = sharing(X86_64);
    // The class of the symbol that names one of them.
    let class = symbol_at(&object, 7) as usize + 16;
    object[class] = EXTERNAL;
    let (_, bytes) = link_without(read(&object).unwrap(), LANES, LANES[0], &[], &["first"]).unwrap();
    assert!(lane(&bytes, Lane::ReadOnly).windows(8).any(|bytes| bytes == [1; 8]));
}
