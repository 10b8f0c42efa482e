//! Fields that hold what is known of a batch's own thread-local variables: offsets in its image, with what an architecture takes
//! off them, and descriptors.

use uruk_jitlink::arch::{DESCRIPTOR_ARGUMENT, DESCRIPTOR_FUNCTION, DTPOFF64};
use uruk_jitlink::edit::{NewSymbol, Stage};
use uruk_jitlink::fixup::{self, Fixup, Threads, Window};
use uruk_jitlink::format::Format;
use uruk_jitlink::graph::*;
use uruk_jitlink::layout::{Layout, Member};
use uruk_jitlink::memory::Placement;
use uruk_jitlink::resolve::Targets;
use uruk_jitlink::tables::Tables;
use uruk_jitlink::tls::{Question, Questions, Variable, static_answer};
use uruk_jitlink::{coff, elf, macho};

/// Where the variable lies in the image, behind another one.
const OFFSET: u64 = 0x40;
/// Where the fields are.
const DATA: u64 = 0x10_0000_0000;

type Asked = Vec<(Variable, Question)>;

/// Words of data that refer to one variable of the batch, each by a kind and with an addend: what was asked about it, and the
/// words after fix-up with these answers.
fn link(format: &'static Format, words: &[(EdgeKind, i64)], answers: &[[u64; 2]]) -> (Asked, Vec<u64>) {
    let mut graph = LinkGraph::with_format("a.o", format);
    let mut editor = graph.edit(Stage::BeforePruning);
    let image = editor.add_section(".tdata", SectionKind::TlsData).unwrap();
    editor.add_block(image, &[0; OFFSET as usize], 8).unwrap();
    let variable = editor.add_block(image, &[0; 8], 8).unwrap();
    let symbol = editor.add_symbol(NewSymbol::local("variable", variable, 0)).unwrap();
    let section = editor.add_section(".data", SectionKind::Data).unwrap();
    let data = editor.add_block(section, &vec![0; 8 * words.len()], 8).unwrap();
    for (place, (kind, addend)) in (0..).step_by(8).zip(words) {
        editor.add_edge(data, place, *kind, symbol, *addend).unwrap();
    }
    drop(editor);
    let targets = Targets::new(&graph);
    let mut members = vec![Member { graph, tables: Tables::default(), share: Default::default() }];
    let mut layout = Layout::new(&mut members, &[], Placement::Near).unwrap();
    layout.place(&mut members, [DATA; 3]);
    let questions = Questions::gather(&members, std::slice::from_ref(&targets));
    let addresses = fixup::addresses(&members[0], &targets);
    let threads = Threads { questions: &questions, answers };
    let fixup = Fixup { member: &members[0], targets: &targets, addresses: &addresses, threads, image: 0 };
    let mut lanes = [(); 3].map(|()| vec![0; 0x100]);
    fixup.write(&mut lanes.each_mut().map(|bytes| Window { address: DATA, bytes })).unwrap();
    let start = (members[0].graph.block(data).address - DATA) as usize;
    let found = lanes[2][start..].chunks_exact(8).take(words.len());
    (questions.asked, found.map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect())
}

#[test]
fn descriptors_have_a_function_and_an_argument() {
    let words =
        [(DESCRIPTOR_FUNCTION, 0), (DESCRIPTOR_ARGUMENT, 0), (DESCRIPTOR_FUNCTION, 8), (DESCRIPTOR_ARGUMENT, 8)];
    for format in [&macho::x86_64::FORMAT, &macho::arm64::FORMAT] {
        let (asked, found) = link(format, &words, &[[1, 2], [3, 4]]);
        let about = |offset| (Variable::Own(offset), Question::Descriptor);
        assert_eq!(asked, [about(OFFSET), about(OFFSET + 8)], "what is added belongs to the variable");
        assert_eq!(found, [1, 2, 3, 4], "{}", format.name);
    }
}

#[test]
fn offsets_in_an_image_are_less_by_what_tables_hold_less() {
    for (format, less) in [(&elf::x86_64::FORMAT, 0), (&elf::aarch64::FORMAT, 0), (&elf::riscv64::FORMAT, 0x800)] {
        let (asked, found) = link(format, &[(DTPOFF64, 0), (DTPOFF64, 5)], &[]);
        assert_eq!(asked, [], "{}: the image is a module's", format.name);
        assert_eq!(found, [OFFSET.wrapping_sub(less), (OFFSET + 5).wrapping_sub(less)], "{}", format.name);
        let answer = static_answer(&format.arch.threads, Question::ModuleAndOffset, OFFSET, 0x100, 3);
        assert_eq!(answer, [1, OFFSET.wrapping_sub(less)], "{}: as in tables", format.name);
    }
}

#[test]
fn offsets_in_a_part_of_an_image_count_from_where_it_lies() {
    let (asked, found) = link(&coff::x86_64::FORMAT, &[(DTPOFF64, 0), (DTPOFF64, 5)], &[[1, 0x1000]]);
    assert_eq!(asked, [(Variable::Own(0), Question::ModuleAndOffset)]);
    assert_eq!(found, [0x1000 + OFFSET, 0x1000 + OFFSET + 5]);
}
