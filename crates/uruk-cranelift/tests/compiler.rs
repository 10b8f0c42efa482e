//! The compiler by itself: what identifies a function, and texts that are no CLIF.

use uruk_cranelift::{Cranelift, Function, OptLevel, Options, read};
#[cfg(feature = "cross")]
use uruk_orc::executor::Processor;

const TEXT: &str = "
function %f(i64) -> i64 {
    gv0 = symbol %data
    sig0 = (i64) -> i64
    fn0 = u0:7 sig0
    fn1 = colocated %g(i64) -> i64
    ss0 = explicit_slot 16
block0(v0: i64):
    v1 = iconst.i64 100
    v2 = iadd v0, v1
    v3 = symbol_value.i64 gv0
    v4 = load.i64 v3+8
    v5 = call fn0(v4)
    v6 = call fn1(v5)
    brif v6, block1, block2(v2)
block1:
    return v6
block2(v7: i64):
    return v7
}
";

fn compiler(options: Options) -> Cranelift {
    Cranelift::new(&options).unwrap()
}

fn function(text: &str) -> Function {
    read("test.clif", text, compiler(Options::default()).isa()).unwrap().remove(0)
}

#[test]
fn the_identity_is_what_the_code_depends_on() {
    let plain = compiler(Options::default());
    let identity = plain.identity(&function(TEXT));
    assert_eq!(identity, plain.identity(&function(TEXT)));
    assert_eq!(identity, plain.identity(&function(&format!("\n; lower, without debug information\n{TEXT}"))));
    for (from, to) in [("100", "101"), ("%f(", "%g("), ("%data", "%date"), ("u0:7", "u0:8"), ("v3+8", "v3+16")] {
        assert_ne!(identity, plain.identity(&function(&TEXT.replace(from, to))), "{from} → {to}");
    }
    assert_ne!(identity, plain.identity(&function(TEXT).hidden()));
    let names = |name: &'static str| function(TEXT).with_names(std::sync::Arc::new(move |_, _| name.into()));
    assert_ne!(plain.identity(&names("one")), plain.identity(&names("two")));
    let other = compiler(Options { opt_level: OptLevel::None, ..Options::default() });
    assert_ne!(identity, other.identity(&function(TEXT)));
    let debugged = compiler(Options { debug_info: true, ..Options::default() });
    let moved = function(&format!("\n{TEXT}"));
    assert_ne!(debugged.identity(&function(TEXT)), debugged.identity(&moved), "lines are part of it");
}

#[test]
fn what_is_compiled_can_be_packed() {
    let compiler = compiler(Options { debug_info: true, ..Options::default() });
    let graph = compiler.compile(function(TEXT)).unwrap();
    let bytes = graph.pack().unwrap();
    let unpacked = uruk_jitlink::graph::LinkGraph::unpack("f", &bytes).unwrap();
    assert_eq!(unpacked.pack().unwrap(), bytes);
    assert_eq!((unpacked.edges.len(), unpacked.wants.len()), (graph.edges.len(), graph.wants.len()));
}

#[test]
fn no_text_makes_the_reader_or_the_compiler_panic() {
    let compiler = compiler(Options::default());
    // The parser's own panics are caught; they need not fill the output.
    std::panic::set_hook(Box::new(|_| ()));
    let words =
        ["v0", "block9", "i128", "}", "{", "(", ":", "0x", "-1", "f32x4", "%", "u9:", "fn9", "=", "ss0", "\u{0}"];
    let mut refused = 0;
    let tokens: Vec<&str> = TEXT.split_inclusive([' ', '\n', '(', ':', ',']).collect();
    for at in 0..tokens.len() {
        for word in words {
            let mut changed = tokens.clone();
            changed[at] = word;
            match read("changed.clif", &changed.concat(), compiler.isa()) {
                Ok(functions) => {
                    for function in functions {
                        // An error, or code; it is not run.
                        let _ = compiler.compile(function);
                    }
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(100 < refused);
}

/// Other linkers find the high part of an address by the symbol of its low part, whatever that adds.
#[cfg(feature = "cross")]
#[test]
fn low_parts_of_addresses_name_their_high_parts() {
    use uruk_jitlink::riscv::{GOT_HI20, PCREL_HI20, PCREL_LO12_I};
    let features = ["m", "a", "f", "d", "c", "zicsr", "zifencei"].map(String::from).into();
    let processor = Processor { architecture: "riscv64".into(), system: "linux".into(), features };
    let compiler = compiler(Options { processor: Some(processor), ..Options::default() });
    let text = TEXT.replace("symbol %data", "symbol colocated %data");
    let graph = compiler.compile(read("test.clif", &text, compiler.isa()).unwrap().remove(0)).unwrap();
    let edges: Vec<_> = graph.blocks.iter().flat_map(|block| graph.edges(block)).collect();
    let high =
        edges.iter().filter(|edge| [GOT_HI20, PCREL_HI20].contains(&edge.kind)).map(|edge| u64::from(edge.offset));
    let low = edges.iter().filter(|edge| edge.kind == PCREL_LO12_I);
    let low = low.map(|edge| (graph.symbol(edge.target).value, graph.addend(edge)));
    let high: Vec<_> = high.map(|offset| (offset, 0)).collect();
    assert!(!high.is_empty(), "the text has some");
    assert_eq!(low.collect::<Vec<_>>(), high);
}
