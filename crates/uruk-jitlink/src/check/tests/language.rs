//! Rules, their grammar, loads and calls.

use super::*;

fn texts(text: &str, name: &str) -> Vec<String> {
    rules(text, name).into_iter().map(|rule| rule.text).collect()
}

#[test]
fn rules_are_lines_that_begin_with_their_name() {
    let text = "code\n# jitlink-check: a = b\n   \t# jitlink-check: c = d  \n//# jitlink-check: no\n#jitlink-check: no\n\
                #  jitlink-check: no\n# jitlink-check : no\nx # jitlink-check: no\n# rtdyld-check: e = f\n# jitlink-check:g=h";
    assert_eq!(texts(text, DEFAULT_NAME), ["a = b", "c = d", "g=h"]);
    assert_eq!(texts(text, "rtdyld-check"), ["e = f"]);
    assert_eq!(rules(text, "rtdyld-check")[0].line, 9);
    assert!(rules("", DEFAULT_NAME).is_empty());
}

#[test]
fn a_backslash_joins_the_next_line_if_that_is_a_rule_too() {
    let text = "# r: a + \\\n\n   # r:  b \\\n# r: = c\n# r: d = \\\ncode\n# r: e\n# r: last = \\";
    assert_eq!(texts(text, "r"), ["a +   b  = c", "d =", "e", "last ="]);
    assert_eq!(texts("# r: a \\\r\n# r: = b\r\n", "r"), ["a  = b"]);
    let lines: Vec<usize> = rules(text, "r").iter().map(|rule| rule.line).collect();
    assert_eq!(lines, [1, 5, 7, 8]);
}

#[test]
fn both_sides_are_equal_and_used_up() {
    assert_eq!(evaluate("d = 0x1000", &Linked), Ok(()));
    assert_eq!(evaluate(" 1 + 1=2 ", &Linked), Ok(()));
    let error = evaluate("d + 1 = 0x1000", &Linked).unwrap_err();
    assert_eq!(error, CheckError::False { rule: "d + 1 = 0x1000".into(), left: 0x1001, right: 0x1000 });
    assert_eq!(error.to_string(), "rule `d + 1 = 0x1000` is false: 0x1001 is not 0x1000");
    assert_eq!(refused("d == 1"), ("a name, a number, a load or `(` is expected here".into(), "= 1".into()));
    assert_eq!(refused("d = 1 = 1"), ("an operator is expected here".into(), "= 1".into()));
    assert_eq!(refused("d 1 = 1"), ("an operator is expected here".into(), "1".into()));
    assert_eq!(refused("d"), ("there is no `=` in it".into(), "d".into()));
    assert_eq!(refused("= 1").1, "");
    assert_eq!(refused("1 = ").1, "");
    assert_eq!(refused("1 + = 2").1, "");
    assert_eq!(refused("1 = (1").0, "`)` is expected here");
}

#[test]
fn numbers_are_those_of_c() {
    assert_eq!([value("10"), value("0x1F"), value("010"), value("0")], [10, 31, 8, 0]);
    assert_eq!(value("0xffffffffffffffff"), u64::MAX);
    for wrong in ["08", "0x", "1x", "0x10000000000000000", "18446744073709551616", "12ab"] {
        assert_eq!(refused(&format!("{wrong} = 1")).0, "a number of at most 64 bits is expected here", "{wrong}");
    }
}

#[test]
fn operators_go_from_left_to_right_and_wrap() {
    assert_eq!(value("1+2<<3"), 24);
    assert_eq!(value("0x1ff & 0xf|0x10"), 0x1f);
    assert_eq!(value("0x10 | 0xff & 0xf"), 0xf);
    assert_eq!(value("0-1"), u64::MAX);
    assert_eq!(value("0xffffffffffffffff + 2"), 1);
    assert_eq!(value("0 - 1 >> 63"), 1, "no sign is kept");
    assert_eq!((value("1 << 64"), value("1 >> 0x100000000")), (0, 0));
    assert_eq!(value("1 + (2 << 3)"), 17);
    assert_eq!(refused("-1 = 0").1, "-1");
}

#[test]
fn slices_bind_to_the_atom_before_them() {
    assert_eq!(value("0x1234[11:4]"), 0x23);
    assert_eq!(value("0x100 - 0x1234[3:0]"), 0xfc);
    assert_eq!(value("(0x100 - 0x1234)[3:0]"), 0xc);
    assert_eq!(value("(0-1)[63:0]"), u64::MAX);
    assert_eq!(value("0x8000000000000000[63:63]"), 1);
    for wrong in ["1[0:1]", "1[64:0]", "1[0x10000000000:0]"] {
        assert_eq!(refused(&format!("{wrong} = 1")).0, "a slice is [HIGH:LOW], with 63 as the highest bit");
    }
    assert_eq!(refused("1[1 = 1").0, "`:` is expected here");
    assert_eq!(refused("1[d:0] = 1").1, "d:0]");
}

#[test]
fn blanks_may_stand_between_all_words() {
    let expected = value("(*{4}d)[31:16]+next_pc(f)<<1");
    assert_eq!(value("  ( *{ 4 } d ) [ 31 : 16 ] + next_pc( f ) << 1 "), expected);
    assert_eq!(value("decode_operand( f + 5 , 4 )"), value("decode_operand(f+5,4)"));
    assert_eq!(value("got_addr( x.o , d )"), value("got_addr(x.o,d)"));
}

#[test]
fn names_have_dots_dollars_and_colons() {
    assert_eq!(value("_d.x$y:z"), DATA);
    assert_eq!(refused("gone = 1"), ("nothing that was linked is called `gone`".into(), "gone".into()));
}

#[test]
fn loads_read_what_was_linked() {
    assert_eq!([value("*{1}d"), value("*{2}d"), value("*{4}d")], [0x78, 0x5678, 0x1234_5678]);
    assert_eq!([value("*{8}d"), value("*{3}d")], [0x9abc_def0_1234_5678, 0x34_5678]);
    for size in ["0", "9", "0x100000000"] {
        let reason = refused(&format!("*{{{size}}}d = 0")).0;
        assert!(reason.ends_with("bytes, where 1 to 8 can be loaded"), "{reason}");
    }
    assert_eq!(refused("*{8}d+5 = 0"), ("nothing was linked at 0x1005".into(), "*{8}d+5".into()));
    assert_eq!(refused("1 + *4 d = 0"), ("`{` is expected here".into(), "4 d".into()));
}

#[test]
fn a_load_takes_all_that_follows_for_its_address() {
    assert_eq!(value("*{1}d+1"), 0x56);
    assert_eq!(value("(*{1}d)+1"), 0x79);
    assert_eq!(value("1 + *{1}d+1"), 0x57);
    assert_eq!(value("*{4}(d)[12:12] << 12"), value("*{4}0x1000"), "the slice is one of the address");
    assert_eq!(value("(*{8}d)[3:0]"), 8);
    assert_eq!(value("*{1}*{2}d + 8"), 0x08, "what is read may be a final address");
}

#[test]
fn zero_fill_null_and_absolute_symbols_read_as_zero() {
    assert_eq!([value("*{8}z"), value("*{1}z + 0xff"), value("*{8}0")], [0; 3]);
    assert_eq!(refused("*{8}z + 0xff = 0").0, "nothing was linked at 0x30ff");
    assert_eq!((value("*{4}k"), value("*{4}k + 4"), value("k")), (0, 0, 0x1000), "although something lies there");
    assert_eq!(value("k + *{1}d"), 0x1078);
    assert_eq!(value("*{1}(d + (*{1}k))"), 0x78);
}

#[test]
fn next_pc_is_behind_the_instruction() {
    assert_eq!((value("next_pc(f)"), value("next_pc(a64)")), (CODE + 5, DATA + 12));
    assert_eq!(refused("next_pc(f+5) = 0"), ("`)` is expected here".into(), "+5)".into()));
    assert_eq!(refused("next_pc(5) = 0").0, "a symbol is expected here");
}

#[test]
fn operands_are_numbered_from_zero_and_immediate() {
    assert_eq!(value("decode_operand(f, 0)"), 0x100);
    assert_eq!(value("decode_operand(f + 5, 4)"), -8i64 as u64);
    assert_eq!(value("decode_operand(f+5, 2)"), 1);
    let (reason, rest) = refused("decode_operand(f+5, 0) = 0");
    assert_eq!(reason, "operand 0 is no immediate; its immediates are 2 (0x1), 4 (0xfffffffffffffff8)");
    assert_eq!(rest, "f+5, 0)");
    assert_eq!(refused("decode_operand(f, 1) = 0").0, "there is no operand 1; its immediates are 0 (0x100)");
    assert!(refused("decode_operand(f+12, 0) = 0").0.contains("no bytes at offset 12"));
    assert!(refused("decode_operand(f+0xffffffffffffffff, 0) = 0").0.contains("no bytes"));
    assert!(refused("decode_operand(f+9, 0) = 0").0.contains("no instruction at offset 9 of `f`"));
    assert!(refused("decode_operand(sizeless, 0) = 0").0.contains(".size"));
    assert!(refused("decode_operand(k, 0) = 0").0.contains("absolute"));
    assert!(refused("next_pc(z) = 0").0.contains("not decoded here"));
    assert!(refused("decode_operand(f, f) = 0").0.contains("number"));
    assert_eq!(refused("decode_operand(f) = 0").0, "`,` is expected here");
}

#[test]
fn files_have_sections_entries_and_stubs() {
    assert_eq!(value("section_addr(x.o, .text)"), CODE);
    assert_eq!(value("section_addr(x.o, __TEXT,__text)"), CODE);
    assert_eq!(value("section_addr(x.o, $__GOT)"), CODE);
    assert_eq!(value("*{8}got_addr(x.o, d)[11:0] + 0x1000 - 8"), value("*{8}d"));
    assert_eq!(value("stub_addr(x.o, d)"), 0x5000);
    assert_eq!(value("stub_addr(x.o, d, armv7.*)"), 0x5008);
    for wrong in ["section_addr(y.o, .text)", "section_addr(x.o, .data)", "got_addr(x.o, f)", "stub_addr(x.o, f)"] {
        let (reason, rest) = refused(&format!("{wrong} = 0"));
        assert!(reason.starts_with("no "), "{wrong}: {reason}");
        assert_eq!(rest, wrong);
    }
    assert_eq!(refused("got_addr(x.o) = 0").0, "there is no `,`");
    assert_eq!(refused("got_addr(x.o, d = 0").0, "there is no `)`");
    assert_eq!(refused("got_addr x.o = 0").0, "`(` is expected here");
}

#[test]
fn no_nesting_ends_the_stack() {
    for open in ["(", "*{1}", "*{1}(", "1+("] {
        let rule = format!("{} = 1", open.repeat(1_000_000));
        let reason = refused(&rule).0;
        assert!(reason.contains("200"), "{open}: {reason}");
    }
    let deep = format!("{}7{}", "(".repeat(150), ")".repeat(150));
    assert_eq!(value(&deep), 7);
}
