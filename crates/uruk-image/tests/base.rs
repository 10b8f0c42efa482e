//! Images that build on others: what has changed since one was loaded, and what has been added.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::{Compiled, HERE};
use uruk::Jit;
use uruk_executor::in_process::InProcess;
use uruk_executor::memory::Options;
use uruk_image::mapped::{Base, LoadOptions, Mapped, MappedOptions, Problem, write_mapped};
use uruk_image::{Error, External, Freeze, Pointer, PointerEntry, Summary, Type, TypeId, World, write_elf};

/// The first image: a list, which is empty, functions of its nodes, and variables of all kinds.
const FIRST: &str = r#"
#include <stdio.h>
struct node { struct node *next; long (*function)(long); long value; FILE **input; };
struct node *head;
struct node first = {0, 0, 5, 0};
static long hidden = 1;
static long zeroes[100];
static long *inner = &hidden;
FILE **standard = &stdin;
void *leak;
FILE **unset;
long is_set(void) { return unset && *unset == stdin; }
long twice(long value) { return 2 * value; }
static long thrice(long value) { return 3 * value; }
long (*select(int which))(long) { return which ? thrice : twice; }
void prepend(struct node *node) { node->next = head; head = node; }
void bump(void) { *inner += 6; zeroes[50] = 7; }
void spill(void *address) { leak = address; }
long sum(void) {
    long sum = 0;
    for (struct node *node = head; node; node = node->next)
        sum += node->function(node->value) + (node->input && *node->input == stdin ? 1000 : 0);
    return sum;
}
long state(void) { return hidden * 100 + zeroes[50] + (*standard == stdin ? 10000 : 0); }
"#;

/// What is linked once that is loaded.
const SECOND: &str = r#"
extern long twice(long);
static long calls = 100;
long plus(long value) { return twice(value) + ++calls; }
"#;

fn executor() -> Arc<InProcess> {
    Arc::new(InProcess::new(Options::default()))
}

fn load(path: &Path, base: Option<&Mapped>) -> Result<Mapped, Problem> {
    Mapped::load(path, &LoadOptions { base, ..LoadOptions::default() }, &executor()).map_err(|error| error.problem)
}

/// A function of an image, with this many words as arguments.
fn call(image: &Mapped, name: &str, argument: u64) -> u64 {
    let address = image.address(name).unwrap_or_else(|| panic!("the image has `{name}`"));
    // SAFETY: the images of these tests define such functions; those without an argument do not look at it.
    let function: extern "C" fn(u64) -> u64 = unsafe { std::mem::transmute(address as *const ()) };
    function(argument)
}

/// The first image, loaded, with a world of its cells.
struct Run {
    files: Compiled,
    path: PathBuf,
    image: Mapped,
    world: World,
    node: TypeId,
}

impl Run {
    fn new() -> Run {
        let files = Compiled::new(&[("first.c", FIRST), ("second.c", SECOND)], &["-O1", "-fPIC"]);
        let libraries = HERE.libraries(&["libc.so.6"]);
        let options = MappedOptions { libraries: &libraries, ..MappedOptions::default() };
        let path = files.write("first", &write_mapped(files.graphs()[..1].to_vec(), &options).unwrap());
        let image = load(&path, None).unwrap();
        let mut world = World::new();
        let node =
            Type::new("node", 32, 8).field(0, Pointer::Reference).field(8, Pointer::Code).field(24, Pointer::Data);
        let node = world.add_type(node).unwrap();
        let cell = world.add_type(Type::new("cell", 8, 8).field(0, Pointer::Reference)).unwrap();
        world.add_cell("head", image.address("head").unwrap(), cell).unwrap();
        world.add_object(image.address("first").unwrap(), node).unwrap();
        Run { files, path, image, world, node }
    }

    /// Adds a node of this process's heap.
    fn prepend(&mut self, function: u64, value: u64) {
        let node: &'static mut [u64] = Vec::leak(vec![0, function, value, 0]);
        let address = node.as_ptr().expose_provenance() as u64;
        self.world.add_object(address, self.node).unwrap();
        self.world.add_pointer(address + 24, PointerEntry::Symbol(External::new("stdin"))).unwrap();
        call(&self.image, "prepend", address);
    }

    /// What has changed since, as an image that builds on the first one.
    fn freeze(&self, jit: Option<&Jit>, allowed: &[String]) -> Result<Vec<u8>, Error> {
        self.freeze_roots(&["head"], jit, allowed)
    }

    fn freeze_roots(&self, roots: &[&str], jit: Option<&Jit>, allowed: &[String]) -> Result<Vec<u8>, Error> {
        let base = Base::new(&self.image, &std::fs::read(&self.path).unwrap())?;
        let dylib = jit.map(|jit| jit.main().id());
        let code = jit.zip(dylib.as_ref()).map(|(jit, dylib)| (jit.session(), std::slice::from_ref(dylib)));
        let data = Some((&self.world, roots));
        let frozen = Freeze { code, data, base: Some(&base), allowed, ..Freeze::default() }.freeze()?;
        let mut libraries = HERE.libraries(&["libc.so.6"]);
        libraries.push(base.library());
        let options = MappedOptions { libraries: &libraries, changes: &frozen.changes, ..MappedOptions::default() };
        if !frozen.graphs.is_empty() {
            let refused = write_elf(frozen.graphs.clone(), &uruk_image::ElfOptions::shared_object(&libraries));
            assert!(matches!(refused, Err(Error::Option(_))), "ELF files build on nothing");
        }
        write_mapped(frozen.graphs, &options)
    }
}

#[test]
fn what_has_changed_and_what_was_added_is_in_a_second_image() {
    let mut run = Run::new();
    let first_node = run.image.address("first").unwrap();
    let jit = Jit::builder().retain_graphs(true).build().unwrap();
    run.image.definitions().for_each(|(export, address)| jit.main().define(&export.name, address));
    jit.main().add_objects(&run.files.inputs()[1..]).unwrap();
    let plus = jit.main().find("plus").unwrap();
    // An object of the image itself, with a function of it that has no name; then two of the heap.
    // SAFETY: the node is the image's, and nobody else uses it.
    unsafe { *std::ptr::with_exposed_provenance_mut::<u64>(first_node as usize + 8) = call(&run.image, "select", 1) };
    call(&run.image, "prepend", first_node);
    run.prepend(call(&run.image, "select", 0), 20);
    run.prepend(plus, 100);
    call(&run.image, "bump", 0);
    assert_eq!(call(&run.image, "sum", 0), 15 + 40 + 301);
    let bytes = run.freeze(Some(&jit), &[]).unwrap();
    assert_eq!(bytes, run.freeze(Some(&jit), &[]).unwrap(), "the same state gives the same bytes");
    let second = run.files.write("second", &bytes);
    assert!(matches!(load(&second, None), Err(Problem::Base { .. })));
    // Another copy of the first one, in which nothing has happened yet.
    let fresh = load(&run.path, None).unwrap();
    assert_eq!((call(&fresh, "sum", 0), call(&fresh, "state", 0)), (0, 10100));
    let added = load(&second, Some(&fresh)).unwrap();
    // The values of now, with the pointers to `stdin` that nobody had set before; `plus` counts on.
    assert_eq!(call(&fresh, "sum", 0), 15 + 40 + 302 + 2000);
    assert_eq!(call(&fresh, "state", 0), 10707);
    assert_eq!(call(&added, "plus", 1), 105);
    let wrong = load(&second, Some(&added)).err().unwrap();
    assert!(matches!(wrong, Problem::Base { .. }), "{wrong}");
    let chain = Base::new(&added, &std::fs::read(&second).unwrap()).err().unwrap();
    assert!(matches!(chain.problem, Problem::Chain), "{chain}");
    let other = Base::new(&fresh, &std::fs::read(&second).unwrap()).err().unwrap();
    assert!(matches!(other.problem, Problem::Altered), "{other}");
}

/// An entry changes nothing in the running program, and yet the image.
#[test]
fn entries_count_where_nothing_has_changed() {
    let mut run = Run::new();
    let pointer = run.world.add_type(Type::new("pointer", 8, 8).field(0, Pointer::Data)).unwrap();
    let unset = run.image.address("unset").unwrap();
    run.world.add_cell("unset", unset, pointer).unwrap();
    run.world.add_pointer(unset, PointerEntry::Symbol(External::new("stdin"))).unwrap();
    let second = run.files.write("second", &run.freeze_roots(&["head", "unset"], None, &[]).unwrap());
    let fresh = load(&run.path, None).unwrap();
    assert_eq!(call(&fresh, "is_set", 0), 0);
    let _added = load(&second, Some(&fresh)).unwrap();
    assert_eq!((call(&run.image, "is_set", 0), call(&fresh, "is_set", 0)), (0, 1));
}

#[test]
fn words_that_would_be_wrong_are_found() {
    let run = Run::new();
    let nothing = run.freeze(None, &[]).unwrap();
    let summary = Summary::read("nothing", &nothing).unwrap().to_string();
    assert!(summary.contains("builds on: ") && !summary.contains("runs of bytes"), "nothing has changed: {summary}");
    call(&run.image, "spill", std::ptr::from_ref(&run).expose_provenance() as u64);
    let Err(Error::Findings { findings }) = run.freeze(None, &[]) else { panic!("no findings") };
    assert_eq!(findings.len(), 1);
    assert!(findings[0].path.starts_with("a variable of the image that this one builds on, at 0x"), "{}", findings[0]);
    // Whoever allows it has the value of now.
    assert!(run.freeze(None, &[findings[0].path.clone()]).is_ok());
}

const SMALL: &str = "
__attribute__((aligned(16))) int pair[2] = {1, 2};
long set(long value) { pair[0] = value; pair[1] = value + 1; return 0; }
long get(void) { return pair[0] * 100 + pair[1]; }
";

/// Variables of four bytes, of which a world describes one, in one word with another.
#[test]
fn a_world_may_describe_half_of_a_word() {
    let files = Compiled::new(&[("small.c", SMALL)], &["-O1", "-fPIC"]);
    let path = files.write("first", &write_mapped(files.graphs(), &MappedOptions::default()).unwrap());
    let image = load(&path, None).unwrap();
    let mut world = World::new();
    let small = world.add_type(Type::new("small", 4, 4)).unwrap();
    let address = image.address("pair").unwrap();
    world.add_cell("left", address, small).unwrap();
    call(&image, "set", 7);
    let base = Base::new(&image, &std::fs::read(&path).unwrap()).unwrap();
    let frozen = Freeze { data: Some((&world, &["left"])), base: Some(&base), ..Freeze::default() }.freeze().unwrap();
    let libraries = [base.library()];
    let options = MappedOptions { libraries: &libraries, changes: &frozen.changes, ..MappedOptions::default() };
    let second = files.write("second", &write_mapped(frozen.graphs, &options).unwrap());
    let fresh = load(&path, None).unwrap();
    let _added = load(&second, Some(&fresh)).unwrap();
    assert_eq!(call(&fresh, "get", 0), 708);
}

/// What nobody can write to is in the first image alone, whatever an entry says.
#[test]
fn entries_for_constants_of_the_first_image_are_refused() {
    let text = "const long word = 5, *const inner = &word; long other = 8;";
    let files = Compiled::new(&[("constant.c", text)], &["-fPIC"]);
    let path = files.write("first", &write_mapped(files.graphs(), &MappedOptions::default()).unwrap());
    let image = load(&path, None).unwrap();
    let base = Base::new(&image, &std::fs::read(&path).unwrap()).unwrap();
    let mut world = World::new();
    let pointer = world.add_type(Type::new("pointer", 8, 8).field(0, Pointer::Data)).unwrap();
    let [word, other] = ["word", "other"].map(|name| image.address(name).unwrap());
    world.add_cell("word", word, pointer).unwrap();
    world.add_cell("other", other, pointer).unwrap();
    let freeze =
        |world: &World| Freeze { data: Some((world, &["word"])), base: Some(&base), ..Freeze::default() }.freeze();
    assert!(freeze(&world).is_ok_and(|frozen| frozen.changes.is_empty()));
    for entry in [PointerEntry::Own(other), PointerEntry::Symbol(External::new("stdin"))] {
        world.add_pointer(word, entry).unwrap();
        let refused = freeze(&world).map(|_| ());
        world.remove_pointer(word);
        assert!(matches!(&refused, Err(Error::Entry { field, .. }) if *field == word), "{refused:?}");
    }
}
