//! Symbols and what decides about them: COMDAT sections, weak external ones, directives, imports.

use crate::support::*;
use uruk_jitlink::dump::dump;
use uruk_jitlink::format;
use uruk_jitlink::graph::{Binding, LinkGraph, SymbolKind};
use uruk_jitlink::input::Input;
use uruk_jitlink::interface::{Alias, Choice, Fallback, Interface, Strength};
use uruk_jitlink::memory::Lane;
use uruk_jitlink::names::Names;

const LANES: [u64; 3] = [0x10_0000_0000, 0x10_0100_0000, 0x10_0200_0000];

/// What an object offers and asks for, with the names that are interned for it.
fn interface(bytes: &[u8]) -> (Interface, Names) {
    let names = Names::default();
    let interface = format::interface(&Input::from_bytes("a.obj", bytes.to_vec()), &names).unwrap();
    // One global for each symbol of the graph from the first global one on, in the same order.
    let graph = read(bytes).unwrap();
    let of_graph: Vec<_> = graph.globals().map(|(id, _)| graph.symbol_name(id).to_vec()).collect();
    let own: Vec<_> = interface.globals.iter().map(|global| names.bytes(global.name)).collect();
    assert_eq!(own, of_graph);
    (interface, names)
}

fn strengths(bytes: &[u8]) -> Vec<(String, Strength)> {
    let (interface, names) = interface(bytes);
    interface.globals.iter().map(|global| (names.text(global.name), global.strength)).collect()
}

fn named(expected: &[(&str, Strength)]) -> Vec<(String, Strength)> {
    expected.iter().map(|(name, strength)| (name.to_string(), *strength)).collect()
}

fn error(bytes: &[u8]) -> String {
    read(bytes).err().map_or("ok".into(), |error| error.to_string())
}

fn symbol_named<'a>(graph: &'a LinkGraph, name: &str) -> &'a uruk_jitlink::graph::Symbol {
    graph.symbol(graph.find_symbol(name.as_bytes()).unwrap())
}

#[test]
fn all_kinds_of_symbols() {
    let symbols = [
        Symbol { name: b".file".to_vec(), section: -2, class: 103, aux: vec![[b'x'; 18]], ..Symbol::default() },
        external("a_function_of_a_long_name", 1, 4),
        of_section(1, 0, 0),
        Symbol { class: STATIC, ..external("local", 1, 2) },
        external("undefined", 0, 0),
        external("common", 0, 100),
        external("number", -1, 42),
        external("eight888", 2, 0),
    ];
    let sections = [section(b".text", CODE, &[0xc3; 8]), section(b".data", DATA, &[1, 2, 3])];
    let bytes = build(X86_64, &sections, &symbols);
    assert_eq!(
        strengths(&bytes),
        named(&[
            ("a_function_of_a_long_name", Strength::Strong),
            ("undefined", Strength::Undefined),
            ("common", Strength::Common),
            ("number", Strength::Strong),
            ("eight888", Strength::Strong),
        ])
    );
    assert_eq!(interface(&bytes).0.common(2), (100, 32));
    let graph = read(&bytes).unwrap();
    assert_eq!(graph.first_global.0, 3);
    assert_eq!(symbol_named(&graph, "number").value, 42);
    let text = dump(&graph, &Names::default()).to_string();
    assert!(text.contains("local") && text.contains(".text") && !text.contains(".file"), "{text}");
}

#[test]
fn comdat_sections_are_chosen_as_they_say() {
    let of = |selection: u8| {
        let sections = [section(b".rdata", READ_ONLY | COMDAT, &[7; 12])];
        build(X86_64, &sections, &[of_section(1, selection, 0), external("constant", 1, 0)])
    };
    assert_eq!(strengths(&of(1)), named(&[("constant", Strength::Strong)]));
    for (selection, choice) in
        [(2, None), (3, Some(Choice::SameSize)), (4, Some(Choice::Same)), (6, Some(Choice::Largest))]
    {
        assert_eq!(strengths(&of(selection)), named(&[("constant", Strength::Weak)]));
        let rival = interface(&of(selection)).0.rival(0);
        assert_eq!(rival.map(|rival| (rival.choice, rival.size)), choice.map(|choice| (choice, 12)));
    }
    let unknown = of(7);
    let expected = format!(
        "a.obj: a COMDAT section that is chosen in an unknown way at offset {:#x}: the file is damaged",
        symbol_at(&unknown, 0)
    );
    assert_eq!(error(&unknown), expected);
}

#[test]
fn associative_sections_go_with_theirs_over_any_chain() {
    let sections = [
        section(b".text", CODE | COMDAT, &[0xc3; 4]),
        section(b".xdata", READ_ONLY | COMDAT, &[1; 4]),
        section(b".rdata", READ_ONLY | COMDAT, &[2; 4]),
        section(b".data", DATA, &[3; 4]),
    ];
    let symbols = [
        of_section(1, 2, 0),
        external("inline", 1, 0),
        of_section(2, 5, 1),
        of_section(3, 5, 2),
        external("kept", 4, 0),
    ];
    let bytes = build(X86_64, &sections, &symbols);
    let live = |others: &[&str]| {
        let (member, _) = link_without(read(&bytes).unwrap(), LANES, LANES[0], &[], others).unwrap();
        member.graph.blocks.iter().map(|block| block.live).collect::<Vec<_>>()
    };
    assert_eq!(live(&[]), [true; 4]);
    assert_eq!(live(&["inline"]), [false, false, false, true]);

    let with = |second: u16, third: u16| {
        let symbols =
            [of_section(1, 2, 0), external("inline", 1, 0), of_section(2, 5, second), of_section(3, 5, third)];
        error(&build(X86_64, &sections, &symbols))
    };
    assert!(with(3, 2).contains("associative sections in a ring"));
    assert!(with(9, 1).contains("an associative section that belongs to none"));
    assert!(with(2, 1).contains("an associative section that belongs to none"));
}

#[test]
fn weak_external_symbols_have_defaults() {
    let sections = [section(b".text", CODE, &[0xc3; 8])];
    let of = |search: u32| {
        build(
            X86_64,
            &sections,
            &[
                external("own_default", 1, 4),
                external("null_default", -1, 0),
                external("other_default", 0, 0),
                weak("defined", 0, search),
                weak("null", 1, search),
                weak("other", 2, search),
            ],
        )
    };
    for (search, strength) in
        [(1, Strength::UndefinedWeak), (2, Strength::Undefined), (3, Strength::Undefined), (4, Strength::UndefinedWeak)]
    {
        let bytes = of(search);
        assert_eq!(
            strengths(&bytes)[3..],
            named(&[("defined", Strength::Weak), ("null", strength), ("other", strength)])
        );
        assert_eq!(interface(&bytes).0.fallbacks(), [(4, Fallback::Null), (5, Fallback::Global(2))]);
        let graph = read(&bytes).unwrap();
        let defined = symbol_named(&graph, "defined");
        assert_eq!((defined.value, defined.binding), (4, Binding::Weak));
    }
    assert!(error(&of(5)).contains("looked for in an unknown way"));
    let lost = build(X86_64, &sections, &[weak("lost", 9, 1)]);
    assert!(error(&lost).contains("whose default does not exist"));
}

#[test]
fn pointers_to_imports_are_made_where_there_are_none() {
    let mut code = section(b".text", CODE, &[0xff, 0x15, 0, 0, 0, 0]);
    code.relocations.push((2, 0, 4));
    let bytes = build(X86_64, &[code], &[external("__imp_sleep", 0, 0)]);
    assert_eq!(strengths(&bytes), named(&[("__imp_sleep", Strength::Undefined), ("sleep", Strength::Fallback)]));
    assert_eq!(interface(&bytes).0.fallbacks(), [(0, Fallback::Own(1))]);
    let (_, bytes) = link(&bytes, LANES, LANES[0], &[("sleep", 0x7777_1234_5678)]).unwrap();
    let distance = i32::from_le_bytes(lane(&bytes, Lane::Code)[2..6].try_into().unwrap());
    assert_eq!(LANES[0] + 6 + distance as u64, LANES[1]);
    assert_eq!(&lane(&bytes, Lane::ReadOnly)[..8], 0x7777_1234_5678u64.to_le_bytes());
}

/// An object with these directives, a common symbol and a function.
fn directed(directives: &str) -> Vec<u8> {
    let sections = [section(b".text", CODE, &[0xc3; 8]), section(b".drectve", INFO, directives.as_bytes())];
    build(X86_64, &sections, &[external("function", 1, 4), external("room", 0, 100), external("wanted", 0, 0)])
}

#[test]
fn directives_are_followed() {
    let globals = |directives: &str| strengths(&directed(directives))[3..].to_vec();
    assert_eq!(globals(" /include:must \"/INCLUDE:too\"".replace('"', "").as_str()).len(), 2);
    assert_eq!(globals("/include:must"), named(&[("must", Strength::Undefined)]));
    assert_eq!(globals("/DEFAULTLIB:\"a b.lib\" -exclude-symbols:x"), named(&[]));
    assert_eq!(interface(&directed("-aligncomm:\"room\",7")).0.common(1), (100, 128));
    // What is exported has to be there.
    assert_eq!(globals("/EXPORT:\"function\" /export:absent,@7,NONAME"), named(&[("absent", Strength::Undefined)]));
}

type Pairs = Vec<(String, String)>;

/// What directives want of the link as a whole: aliases, `true` for variables; alternative names; values.
fn terms(directives: &str) -> (Vec<(String, String, bool)>, Pairs, Pairs) {
    let (interface, names) = interface(&directed(directives));
    let terms = &interface.terms;
    let is_data = |kind: SymbolKind| kind == SymbolKind::Object;
    let pair = |(name, other): &(_, _)| (names.text(*name), names.text(*other));
    let alias = |alias: &Alias| (names.text(alias.name), names.text(alias.target), is_data(alias.kind));
    let pairs = |pairs: &[(_, _)]| pairs.iter().map(pair).collect();
    (terms.aliases.iter().map(alias).collect(), pairs(&terms.alternatives), pairs(&terms.agreements))
}

#[test]
fn exports_give_symbols_other_names() {
    let check = |directive: &str, name: &str, target: &str, data: bool| {
        assert_eq!(terms(directive).0, [(name.to_string(), target.to_string(), data)], "{directive}");
    };
    check("/export:a=b", "a", "b", false);
    check("-export:\"a=b\",DATA", "a", "b", true);
    check("/EXPORT:a=b,@12,NoName,PRIVATE,data", "a", "b", true);
    check("/export:b,EXPORTAS,a", "a", "b", false);
    check("/export:a=other.b", "a", "other.dll!b", false);
    check("/export:a=other.name.#5", "a", "other.name.dll!#5", false);
    assert_eq!(terms("/export:function /export:function=function,@1"), Default::default());
    for (wrong, what) in [
        ("/export:=b", "without a name"),
        ("/export:a=", "without a name"),
        ("/export:", "without a name"),
        ("/export:a,EXPORTAS", "without a name"),
        ("/export:a,@", "of an unknown kind"),
        ("/export:a,@1x", "of an unknown kind"),
        ("/export:a,THUMB", "of an unknown kind"),
    ] {
        assert!(error_of_interface(&directed(wrong)).contains(&format!("an export {what}")), "{wrong}");
    }
}

#[test]
fn alternative_names_and_values_are_for_the_link_as_a_whole() {
    let pair = |name: &str, other: &str| (name.to_string(), other.to_string());
    let (aliases, alternatives, agreements) =
        terms("/alternatename:wanted=far /alternatename:b=function /FAILIFMISMATCH:\"a key=1\"");
    assert_eq!(aliases, []);
    assert_eq!(alternatives, [pair("wanted", "far"), pair("b", "function")]);
    assert_eq!(agreements, [pair("a key", "1")]);
    assert!(error(&directed("/alternatename:a")).contains("an alternative name that stands for none"));
    assert!(error(&directed("/failifmismatch:=1")).contains("a key without the value"));
}

fn error_of_interface(bytes: &[u8]) -> String {
    let names = Names::default();
    let interface = format::interface(&Input::from_bytes("a.obj", bytes.to_vec()), &names);
    interface.err().map_or("ok".into(), |error| error.to_string())
}

#[test]
fn directives_that_are_not_followed_are_named() {
    let expected = "a.obj: the linker option `/section:.a,rwe` in section `.drectve` is not followed here";
    assert!(error(&directed("/section:.a,rwe")).starts_with(expected), "{}", error(&directed("/section:.a,rwe")));
    let unknown = interface(&directed("word /nonsense:\"a b\" /include:c")).0.terms.unknown;
    assert_eq!(unknown, ["word", "/nonsense:\"a b\""]);
    assert!(error(&directed("-aligncomm:room,99")).contains("an alignment of a common symbol that is none"));
}

#[test]
fn grouped_sections_are_in_order_of_what_follows_the_dollar() {
    let names: [&[u8]; 5] = [b".mine$z", b".data", b".mine$a", b".mine", b".mine$m"];
    let sections: Vec<_> = names.iter().map(|name| section(name, DATA, name)).collect();
    let bytes = build(X86_64, &sections, &[external("x", 1, 0)]);
    let graph = read(&bytes).unwrap();
    let order: Vec<_> = graph.blocks.iter().map(|block| graph.section_name(block.section).to_vec()).collect();
    assert_eq!(order, [&b".mine"[..], b".mine$a", b".mine$m", b".mine$z", b".data"]);
}

#[test]
fn more_relocations_than_their_count_holds() {
    const COUNT: u32 = 70_000;
    let mut data = section(b".data", DATA | 0x100_0000, &vec![0; 8 * COUNT as usize]);
    data.relocations.push((COUNT + 1, 0, 0));
    data.relocations.extend((0..COUNT).map(|number| (8 * number, 0, 1)));
    let mut bytes = build(X86_64, &[data], &[external("x", 1, 16)]);
    let count = section_at(0) as usize + 32;
    bytes[count..count + 2].copy_from_slice(&[0xff, 0xff]);
    let (_, bytes) = link(&bytes, LANES, LANES[0], &[]).unwrap();
    let words = lane(&bytes, Lane::Data).chunks_exact(8);
    assert_eq!(words.filter(|word| *word == (LANES[2] + 16).to_le_bytes()).count(), COUNT as usize);
}

#[test]
fn objects_for_others_are_refused_by_name() {
    let refused = |bytes: &[u8]| read(bytes).err().unwrap().to_string();
    let object = build(X86_64, &[section(b".text", CODE, &[0xc3])], &[]);
    let mut executable = object.clone();
    executable[18] = 2;
    assert!(refused(&executable).starts_with("a.obj: an executable, not an object; "));
    let mut ltcg = vec![0, 0, 0xff, 0xff, 1, 0, 0x64, 0x86];
    ltcg.resize(60, 0);
    assert!(refused(&ltcg).contains("`cl /GL`"));
    let both = build(X86_64, &[section(b".text", CODE | DATA, &[0xc3])], &[]);
    assert!(refused(&both).contains("section `.text` is writable and executable"));
}

/// A member of an import library of the short form.
fn import(machine: u16, kind: u16, strings: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0xff, 0xff, 0, 0];
    bytes.extend(machine.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend((strings.len() as u32).to_le_bytes());
    bytes.extend([9, 0]);
    bytes.extend(kind.to_le_bytes());
    bytes.extend(strings);
    bytes
}

#[test]
fn imports_are_found_under_the_names_that_they_say() {
    const CODE: u16 = 0;
    const DATA: u16 = 1;
    const CONST: u16 = 2;
    let names = |kind: u16, strings: &[u8]| {
        let names = strengths(&import(X86_64, kind, strings));
        names.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let ordinal = names(CODE, b"f\0a.dll\0");
    assert_eq!(ordinal, ["a.dll!#9", "__imp_f", "f"]);
    assert_eq!(names(CODE | 1 << 2, b"f\0a.dll\0")[0], "a.dll!f");
    assert_eq!(names(CODE | 2 << 2, b"_f@8\0a.dll\0")[0], "a.dll!f@8");
    assert_eq!(names(CODE | 3 << 2, b"_f@8\0a.dll\0")[0], "a.dll!f");
    assert_eq!(names(CODE | 4 << 2, b"f\0a.dll\0g\0")[0], "a.dll!g");
    assert_eq!(names(DATA | 1 << 2, b"f\0a.dll\0"), ["a.dll!f", "__imp_f"]);
    assert_eq!(names(CONST | 1 << 2, b"f\0a.dll\0"), ["a.dll!f", "__imp_f", "f"]);
}

#[test]
fn imported_functions_jump_through_their_pointer() {
    const FUNCTION: u64 = 0x7777_1234_5678;
    let check = |machine: u16, expected: &[u8]| {
        let bytes = import(machine, 1 << 2, b"f\0a.dll\0");
        let (_, bytes) = link(&bytes, LANES, LANES[0], &[("a.dll!f", FUNCTION)]).unwrap();
        assert_eq!(&lane(&bytes, Lane::Code)[..expected.len()], expected);
        assert_eq!(&lane(&bytes, Lane::ReadOnly)[..8], FUNCTION.to_le_bytes());
    };
    // jmp *0xfffffa(%rip)
    check(X86_64, &[0xff, 0x25, 0xfa, 0xff, 0xff, 0]);
    // adrp x16, 0x1000 pages on; ldr x16, [x16]; br x16
    check(ARM64, &[0x10, 0x80, 0, 0x90, 0x10, 0x02, 0x40, 0xf9, 0, 0x02, 0x1f, 0xd6]);
}
