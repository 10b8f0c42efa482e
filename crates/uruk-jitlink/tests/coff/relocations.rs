//! Each relocation with the largest value that its field holds and the smallest that it does not, of both signs.

use crate::support::*;
use uruk_jitlink::memory::Lane;

/// Where the code lies, with the field at its start, in an image that begins below.
const CODE_AT: u64 = 0x10_0000_0000;
const IMAGE: u64 = 0xf_c000_0000;

/// Links an object of one relocation, to `target`, at the start of code that holds these bytes; the result is what they
/// become.
fn store(machine: u16, kind: u16, content: &[u8], target: u64) -> Result<Vec<u8>, String> {
    let mut code = section(b".text", CODE, content);
    code.relocations.push((0, 0, kind));
    let bytes = build(machine, &[code], &[external("target", 0, 0)]);
    let lanes = [CODE_AT, CODE_AT + 0x100_0000, CODE_AT + 0x200_0000];
    match link(&bytes, lanes, IMAGE, &[("target", target)]) {
        Ok((_, bytes)) => Ok(lane(&bytes, Lane::Code)[..content.len()].to_vec()),
        Err(error) => Err(error.to_string()),
    }
}

fn fits(machine: u16, kind: u16, content: &[u8], target: u64, expected: &[u8]) {
    assert_eq!(store(machine, kind, content, target).as_deref(), Ok(expected), "{kind:#x} to {target:#x}");
}

fn misfits(machine: u16, kind: u16, content: &[u8], target: u64, expected: &str) {
    let error = store(machine, kind, content, target).unwrap_err();
    assert!(error.contains(expected) && error.contains("`target`"), "{kind:#x} to {target:#x}: {error}");
}

fn word(value: u32) -> [u8; 4] {
    value.to_le_bytes()
}

#[test]
fn addresses_of_x86_64() {
    fits(X86_64, 1, &[8, 0, 0, 0, 0, 0, 0, 0], 0xffff_ffff_ffff_fff0, &[0xf8, 255, 255, 255, 255, 255, 255, 255]);
    fits(X86_64, 1, &[0xff; 8], 0x1_0000_0000, &[255, 255, 255, 255, 0, 0, 0, 0]);
    fits(X86_64, 2, &word(1), 0xffff_fffe, &word(0xffff_ffff));
    misfits(X86_64, 2, &word(1), 0xffff_ffff, "IMAGE_REL_AMD64_ADDR32 to `target` needs 4294967296");
    fits(X86_64, 2, &word(-1i32 as u32), 1, &word(0));
    misfits(X86_64, 2, &word(-1i32 as u32), 0, "needs -1");
}

#[test]
fn offsets_in_the_image() {
    // In reach of the image and of the session's memory.
    fits(X86_64, 3, &word(0), CODE_AT + 0x100, &word(0x4000_0100));
    fits(X86_64, 3, &word(8), CODE_AT + 0x100, &word(0x4000_0108));
    fits(X86_64, 3, &word(0x3fff_feff), CODE_AT + 0x100, &word(0x7fff_ffff));
    misfits(X86_64, 3, &word(0x3fff_ff00), CODE_AT + 0x100, "IMAGE_REL_AMD64_ADDR32NB to `target` needs 2147483648");
    fits(X86_64, 3, &word(0xbfff_ff00), CODE_AT + 0x100, &word(0));
    misfits(X86_64, 3, &word(0xbfff_feff), CODE_AT + 0x100, "needs -1");
    fits(ARM64, 2, &word(8), CODE_AT + 0x100, &word(0x4000_0108));
}

#[test]
fn functions_outside_of_the_image_are_reached_through_a_stub() {
    for (machine, kind) in [(X86_64, 3), (ARM64, 2)] {
        let mut code = section(b".text", CODE, &[0; 8]);
        code.relocations.push((0, 0, kind));
        let bytes = build(machine, &[code], &[external("handler", 0, 0)]);
        let lanes = [CODE_AT, CODE_AT + 0x100_0000, CODE_AT + 0x200_0000];
        let (member, bytes) = link(&bytes, lanes, IMAGE, &[("handler", 0x7777_0000_1234)]).unwrap();
        let stub = u32::from_le_bytes(lane(&bytes, Lane::Code)[..4].try_into().unwrap());
        assert_eq!(u64::from(stub) + IMAGE, member.share.stubs);
        let slot = &lane(&bytes, Lane::ReadOnly)[(member.share.got - lanes[1]) as usize..][..8];
        assert_eq!(slot, 0x7777_0000_1234u64.to_le_bytes());
    }
}

#[test]
fn distances_of_x86_64() {
    for behind in 0..=5 {
        let kind = 4 + behind as u16;
        let end = CODE_AT + 4 + behind;
        fits(X86_64, kind, &word(0), end + 0x7fff_ffff, &word(0x7fff_ffff));
        misfits(X86_64, kind, &word(0), end + 0x8000_0000, "needs 2147483648");
        fits(X86_64, kind, &word(0), end - 0x8000_0000, &word(0x8000_0000));
        misfits(X86_64, kind, &word(0), end - 0x8000_0001, "needs -2147483649");
        fits(X86_64, kind, &word(16), end + 1, &word(17));
        fits(X86_64, kind, &word(-16i32 as u32), end + 1, &word(-15i32 as u32));
    }
    misfits(X86_64, 4, &word(0), 0, "IMAGE_REL_AMD64_REL32 to");
}

#[test]
fn calls_of_x86_64_that_do_not_reach_go_through_a_stub() {
    let mut code = section(b".text", CODE, &[0xe8, 0, 0, 0, 0]);
    code.relocations.push((1, 0, 4));
    let bytes = build(X86_64, &[code], &[external("far", 0, 0)]);
    let lanes = [CODE_AT, CODE_AT + 0x100_0000, CODE_AT + 0x200_0000];
    let (member, bytes) = link(&bytes, lanes, IMAGE, &[("far", 0x1234)]).unwrap();
    let distance = i32::from_le_bytes(lane(&bytes, Lane::Code)[1..5].try_into().unwrap());
    assert_eq!((CODE_AT + 5).wrapping_add_signed(distance.into()), member.share.stubs);
}

#[test]
fn other_types_are_refused_by_name() {
    for (machine, kinds) in [(X86_64, &[0x0a, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0xffff][..]), (ARM64, &[7, 0x0d, 0x12])] {
        for kind in kinds.iter().filter(|kind| !(machine == ARM64 && **kind == 7)) {
            let error = store(machine, *kind, &[0; 8], 0).unwrap_err();
            assert_eq!(error, format!("a.obj(.text+0x0): relocation type {kind} is not supported"));
        }
    }
    let error = store(X86_64, 0x0b, &[0; 8], 0).unwrap_err();
    assert!(error.contains("IMAGE_REL_AMD64_SECREL to `target`: the symbol is no thread-local variable"), "{error}");
}

#[test]
fn branches_of_arm64() {
    let check = |kind: u16, instruction: u32, low: u32, bits: u32| {
        let end = 1u64 << (bits + 1);
        let mask = ((1u32 << bits) - 1) << low;
        let sign = 1u32 << (low + bits - 1);
        fits(ARM64, kind, &word(instruction), CODE_AT + end - 4, &word(instruction | (mask & !sign)));
        // What is as far as a call reaches backwards could be called directly, and is through a stub.
        let last = if kind == 3 { 1 } else { 0 };
        fits(
            ARM64,
            kind,
            &word(instruction),
            CODE_AT - end + 4 * last,
            &word(instruction | sign | (last as u32) << low),
        );
        fits(ARM64, kind, &word(instruction | 1 << low), CODE_AT, &word(instruction | 1 << low));
        if kind != 3 {
            misfits(ARM64, kind, &word(instruction), CODE_AT + end, "IMAGE_REL_ARM64_BRANCH");
            misfits(ARM64, kind, &word(instruction), CODE_AT - end - 4, "IMAGE_REL_ARM64_BRANCH");
        }
        misfits(ARM64, kind, &word(instruction), CODE_AT + 2, "multiple of 4");
    };
    check(3, 0x9400_0000, 0, 26);
    check(0x0f, 0x5400_0001, 5, 19);
    check(0x10, 0x3600_0003, 5, 14);
}

#[test]
fn addresses_of_arm64() {
    fits(ARM64, 0x0e, &[0; 8], 0x1234_5678_9abc_def0, &0x1234_5678_9abc_def0u64.to_le_bytes());
    fits(ARM64, 0x01, &word(0), 0xffff_ffff, &word(0xffff_ffff));
    misfits(ARM64, 0x01, &word(0), 0x1_0000_0000, "IMAGE_REL_ARM64_ADDR32 to");
    fits(ARM64, 0x11, &word(0), CODE_AT + 4 + 0x7fff_ffff, &word(0x7fff_ffff));
    misfits(ARM64, 0x11, &word(0), CODE_AT + 4 + 0x8000_0000, "IMAGE_REL_ARM64_REL32 to");
    fits(ARM64, 0x11, &word(0), CODE_AT + 4 - 0x8000_0000, &word(0x8000_0000));
    misfits(ARM64, 0x11, &word(0), CODE_AT + 3 - 0x8000_0000, "needs -2147483649");
    // adrp, with an addend of bytes
    fits(ARM64, 4, &word(0x9000_0000), CODE_AT + 0xffff_f000, &word(0xf07f_ffe0));
    misfits(ARM64, 4, &word(0x9000_0000), CODE_AT + 0x1_0000_0000, "IMAGE_REL_ARM64_PAGEBASE_REL21 to");
    fits(ARM64, 4, &word(0x9000_0000), CODE_AT - 0x1_0000_0000, &word(0x9080_0000));
    misfits(ARM64, 4, &word(0x9000_0000), CODE_AT - 0x1_0000_1000, "needs -4294971392");
    fits(ARM64, 4, &word(0xb000_0000), CODE_AT + 0xfff, &word(0xb000_0000));
    // adr
    fits(ARM64, 5, &word(0x1000_0000), CODE_AT + 0xf_ffff, &word(0x707f_ffe0));
    misfits(ARM64, 5, &word(0x1000_0000), CODE_AT + 0x10_0000, "IMAGE_REL_ARM64_REL21 to");
    fits(ARM64, 5, &word(0x1000_0000), CODE_AT - 0x10_0000, &word(0x1080_0000));
    misfits(ARM64, 5, &word(0x1000_0000), CODE_AT - 0x10_0001, "needs -1048577");
}

#[test]
fn low_bits_of_addresses_of_arm64() {
    // add, without and with an addend
    fits(ARM64, 6, &word(0x9100_0000), 0x1234_5fff, &word(0x913f_fc00));
    fits(ARM64, 6, &word(0x9100_0400), 0x1234_5fff, &word(0x9100_0000));
    // ldrb, ldrh, ldr w, ldr x, ldr q
    let loads = [(0x3940_0000, 0), (0x7940_0000, 1), (0xb940_0000, 2), (0xf940_0000, 3), (0x3dc0_0000, 4)];
    for (load, scale) in loads {
        let last = 0x1000u64 - (1 << scale);
        fits(ARM64, 7, &word(load), 0x1234_5000 + last, &word(load | ((last as u32) >> scale) << 10));
        fits(ARM64, 7, &word(load | 1 << 10), 0x1234_5000, &word(load | 1 << 10));
        if scale != 0 {
            misfits(ARM64, 7, &word(load), 0x1234_5001, "IMAGE_REL_ARM64_PAGEOFFSET_12");
        }
    }
}
