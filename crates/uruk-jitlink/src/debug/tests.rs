//! Images of what compilers make, read by the tools that people use, and compared with what a static linker makes.

use super::*;
use crate::elf;
use crate::memory::Placement;
use crate::names::Names;
use crate::tables::Tables;
use crate::{fixup, prune};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const C: &str = "\
struct pair { int x, y; };
int counter = 40;
int room[16];
_Thread_local int thread_counter = 7;
static int helper(int value, struct pair *pair) {
    int doubled = value * 2;
    counter += doubled;
    return doubled + pair->x;
}
int entry(int count) {
    struct pair pair = { 3, 4 };
    thread_counter += count;
    for (int i = 0; i < count; i++)
        room[i & 15] += helper(i, &pair);
    return helper(count + 10, &pair) + 1;
}
";

const CXX: &str = "\
struct Base { virtual ~Base() = default; virtual int get() const { return 1; } };
__attribute__((noinline)) inline int shared(int x) { static int calls; calls += x; return calls; }
template <class T> T twice(T x) { return x + x; }
struct Derived : Base { int get() const override { return shared(2) + twice(3); } };
int entry(const Base &base) { return base.get() + Derived().get(); }
";

/// Compiles; the first word is the compiler.
fn compile(folder: &Path, command: &str, text: &str) -> PathBuf {
    let mut words = command.split_whitespace();
    let compiler = words.next().unwrap();
    let source = if compiler.contains("++") { "source.cpp" } else { "source.c" };
    fs::write(folder.join(source), text).unwrap();
    let object = folder.join("object.o");
    let mut compiler = Command::new(compiler);
    compiler.current_dir(folder).args(words).args(["-c", source, "-o"]).arg(&object);
    assert!(compiler.status().unwrap().success(), "{command}");
    object
}

/// Links objects at fixed addresses and makes their image; COMDAT groups are kept or not.
fn link(objects: &[&Path], keep_groups: bool, base: u64) -> Vec<u8> {
    let names = Names::default();
    let mut inputs = Vec::new();
    let mut targets = Vec::new();
    let mut members = Vec::new();
    for object in objects {
        let input = Input::from_bytes("object.o", fs::read(object).unwrap());
        let mut graph = elf::read(&input, &names).unwrap();
        let mut own = Targets::new(&graph);
        let undefined = graph.globals().filter(|(_, symbol)| symbol.definition == Definition::Undefined);
        for (id, _) in undefined {
            own.set(id, Target::Known(0));
        }
        if !keep_groups {
            let groups: Vec<BlockId> = graph.groups.iter().flat_map(|group| group.blocks.clone()).collect();
            for block in groups {
                graph.blocks[block.0 as usize].live = false;
            }
            prune::drop_unwind_records(&mut graph).unwrap();
        }
        inputs.push(input);
        targets.push(own);
        members.push(Member { graph, tables: Tables::default(), share: Default::default() });
    }
    let mut layout = crate::layout::Layout::new(&mut members, &[], Placement::Near).unwrap();
    layout.place(&mut members, [0x1000_0000, 0x2000_0000, 0x3000_0000]);
    let places: Vec<Places> = members
        .iter()
        .zip(&targets)
        .map(|(member, targets)| Places::new(member, targets, &fixup::addresses(member, targets)))
        .collect();
    let objects: Vec<_> = inputs.iter().zip(&places).collect();
    image(&objects, Origin { base, threads: None }).unwrap()
}

/// What a tool prints; it must succeed without a word on standard error.
fn tool(command: &str, file: &Path, arguments: &[String]) -> String {
    let mut words = command.split_whitespace();
    let mut tool = Command::new(words.next().unwrap());
    let output = tool.args(words).arg(file).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let clean = output.status.success() && errors.is_empty();
    assert!(clean, "{command}: {errors}{}", text.lines().take(100).collect::<Vec<_>>().join("\n"));
    text
}

/// Address and size of each function of a file, by name.
fn functions(file: &Path) -> Vec<(String, u64, u64)> {
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let text = tool("nm -S --defined-only", file, &[]);
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let functions = lines.filter(|words| words.len() == 4 && "tTwW".contains(words[2]));
    let mut functions: Vec<_> =
        functions.map(|words| (words[3].to_string(), number(words[0]), number(words[1]))).collect();
    functions.sort();
    functions
}

/// Function, file and line of each byte of each function.
fn lines(file: &Path) -> String {
    let addresses = functions(file).into_iter().flat_map(|(_, start, size)| start..start + size);
    let addresses: Vec<String> = addresses.map(|address| format!("{address:#x}")).collect();
    tool("addr2line -fie", file, &addresses)
}

fn check_c(command: &str) {
    let folder = TempDir::new().unwrap();
    let object = compile(folder.path(), command, C);
    let native = folder.path().join("native");
    // Only the one reads the older form of compression, and only the other compact relocations.
    let linker = if command.contains("zlib-gnu") { "ld" } else { "ld.lld-22" };
    let linked = Command::new(linker).args(["-e", "entry", "-o"]).arg(&native).arg(&object).status().unwrap();
    assert!(linked.success());
    for base in [0, 0xfff_f000] {
        let file = folder.path().join("image");
        fs::write(&file, link(&[&object], true, base)).unwrap();
        tool("readelf -aW", &file, &[]);
        tool("llvm-dwarfdump-22 --verify", &file, &[]);
        let expected = lines(&native);
        assert!(expected.contains("source.c:7") && expected.contains("source.c:15"));
        assert_eq!(lines(&file), expected, "{command}");
        let names = |file| functions(file).into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
        assert_eq!(names(&file), names(&native));
        let (_, entry, _) = functions(&file).into_iter().find(|(name, ..)| name == "entry").unwrap();
        assert_eq!((entry + base) >> 12, 0x1_0000, "{command}");
    }
}

#[test]
fn lines_are_those_of_a_static_link() {
    for compiler in ["gcc", "clang-22"] {
        for version in ["-gdwarf-4", "-gdwarf-5", "-gdwarf-4 -gdwarf64", "-g -O2 -ffunction-sections"] {
            check_c(&format!("{compiler} {version}"));
        }
    }
}

#[test]
fn compressed_sections_and_compact_relocations_are_read() {
    check_c("gcc -g -gz=zlib");
    check_c("gcc -g -gz=zlib-gnu");
    check_c("clang-22 -g -gz=zstd");
    check_c("clang-22 -g -Wa,--crel,--allow-experimental-crel");
}

#[test]
fn several_objects_are_one_image() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let one = compile(folders[0].path(), "gcc -g -O1 -ffunction-sections", C);
    let other =
        compile(folders[1].path(), "clang-22 -g -O1 -gz", &C.replace("entry", "other").replace("int ", "\nint "));
    let file = folders[0].path().join("image");
    fs::write(&file, link(&[&one, &other], true, 0)).unwrap();
    tool("readelf -aW", &file, &[]);
    tool("llvm-dwarfdump-22 --verify", &file, &[]);
    for (object, folder) in [(&one, &folders[0]), (&other, &folders[1])] {
        let alone = folder.path().join("alone");
        fs::write(&alone, link(&[object], true, 0)).unwrap();
        let all = lines(&file);
        for line in lines(&alone).lines() {
            assert!(all.contains(line), "{line}");
        }
    }
}

#[test]
fn what_was_dropped_has_no_address() {
    for command in [
        "g++ -g -gdwarf-4 -O1 -gno-variable-location-views",
        "clang++-22 -g -gdwarf-4 -O1",
        "clang++-22 -g -O1",
        "g++ -g3 -fdebug-types-section",
    ] {
        let folder = TempDir::new().unwrap();
        let object = compile(folder.path(), command, CXX);
        for keep in [true, false] {
            let file = folder.path().join("image");
            fs::write(&file, link(&[&object], keep, 0)).unwrap();
            tool("readelf -aW", &file, &[]);
            let symbols = functions(&file);
            assert_eq!(symbols.iter().any(|(name, ..)| name.contains("shared")), keep, "{command}: {symbols:?}");
            assert!(lines(&file).contains("source.cpp:5"), "{command}");
            let text = tool("llvm-dwarfdump-22 --debug-info --debug-line --debug-ranges", &file, &[]);
            let low = |line: &&str| line.contains("DW_AT_low_pc") && !line.contains("(0x0000000010");
            let gone: Vec<&str> =
                text.lines().filter(low).filter(|line| !line.contains("(0x0000000000000000)")).collect();
            assert!(gone.is_empty(), "{command}: {gone:?}");
        }
    }
}

#[test]
fn damage_is_an_error_or_an_image() {
    let folder = TempDir::new().unwrap();
    let object = compile(folder.path(), "gcc -g -gz -O1", C);
    let bytes = fs::read(&object).unwrap();
    let names = Names::default();
    let graph = elf::read(&Input::from_bytes("object.o", bytes.clone()), &names).unwrap();
    let blocks: Box<[u64]> = (1..=graph.blocks.len() as u64).map(|number| number << 16).collect();
    let runs = [0x1_0000..0x2_0000, 0x2_0000..0x3_0000, 0x3_0000..0x4_0000, 0x4_0000..0x5_0000];
    let places = Places { blocks, elsewhere: Vec::new(), moved: None, runs, made: None };
    let mut state = 1u64;
    for _ in 0..4000 {
        let mut damaged = bytes.clone();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let at = (state >> 33) as usize % damaged.len();
        damaged[at] ^= (state >> 24) as u8 | 1;
        _ = image(&[(&Input::from_bytes("object.o", damaged), &places)], Origin::default());
    }
    for length in (0..bytes.len()).step_by(97) {
        _ = image(&[(&Input::from_bytes("object.o", bytes[..length].to_vec()), &places)], Origin::default());
    }
}
