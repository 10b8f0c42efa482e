//! Real libraries, rebound and put back.

use std::ffi::c_void;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::testing::{build_cxx_library, build_library, in_child, run_in_child};

/// Rebinding is for the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

static NEWS: AtomicUsize = AtomicUsize::new(0);
static DELETES: AtomicUsize = AtomicUsize::new(0);

/// Not called from where it must not: other tests' threads may allocate while it is in force.
extern "C" fn counting_new(size: usize) -> *mut c_void {
    NEWS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: no obligations.
    unsafe { libc::malloc(size) }
}

extern "C" fn counting_delete(block: *mut c_void) {
    DELETES.fetch_add(1, Ordering::Relaxed);
    // SAFETY: blocks of `operator new` are `malloc`'s, before and after rebinding.
    unsafe { libc::free(block) }
}

fn function<F: Copy>(library: &libraries::Library, name: &str) -> F {
    let address = library.find(name.as_bytes()).unwrap().address as *const c_void;
    assert_eq!(size_of::<F>(), size_of_val(&address));
    // SAFETY: the tests name the functions' types as their source has them.
    unsafe { std::mem::transmute_copy(&address) }
}

/// Which library's name contains this.
fn only(part: &'static str) -> impl Fn(&Importer) -> bool {
    move |importer| !String::from_utf8_lossy(&importer.path).contains(part)
}

#[test]
fn libstdcxx_allocates_with_the_programs_operator_new() {
    let _alone = ALONE.lock();
    let source = "#include <string>
        extern \"C\" int uruk_strings(int count) {
            // Both are instantiated in libstdc++: it allocates, not this library.
            std::string text(\"a text that is too long to be kept in the object itself\");
            for (int i = 0; i < count; i++) text.append(text);
            return text.size();
        }";
    let library = build_cxx_library("interpose_strings", source, &["-O0"]);
    let library = libraries::load(library.to_str().unwrap()).unwrap();
    let strings: extern "C" fn(i32) -> i32 = function(&library, "uruk_strings");
    let counts = || (NEWS.load(Ordering::Relaxed), DELETES.load(Ordering::Relaxed));
    let lookup = |name: &[u8]| match name {
        b"_Znwm" => Some(counting_new as *const () as u64),
        b"_ZdlPv" => Some(counting_delete as *const () as u64),
        _ => None,
    };
    let size = strings(3);
    assert_eq!(counts(), (0, 0));

    let before = maps::parse(&Native.maps().unwrap());
    // SAFETY: the replacements do what the originals do.
    let rebinding = unsafe { rebind(&lookup, &only("libstdc++")) }.unwrap();
    assert!(2 <= rebinding.len());
    assert_eq!(strings(3), size);
    let after_use = counts();
    assert!(3 <= after_use.0 && after_use.0 == after_use.1, "{after_use:?}");
    // Again: all is done already, and nothing would be undone twice.
    // SAFETY: as above.
    assert!(unsafe { rebind(&lookup, &only("libstdc++")) }.unwrap().is_empty());

    rebinding.undo().unwrap();
    assert_eq!(strings(3), size);
    assert_eq!(counts(), after_use);
    // Import tables are read-only as they were.
    let tables =
        |maps: Vec<Entry>| maps.into_iter().filter(|mapping| mapping.name.contains("libstdc++")).collect::<Vec<_>>();
    assert_eq!(tables(maps::parse(&Native.maps().unwrap())), tables(before));
}

#[test]
fn every_form_of_reference_is_rebound_and_put_back() {
    extern "C" fn fourteen() -> i32 {
        14
    }
    static VARIABLE: [i32; 3] = [0, 0, 500];
    let _alone = ALONE.lock();
    let defining = "int uruk_seven(void) { return 7; } int uruk_variable[3] = { 1, 2, 3 };
        static int own(void) { return 1; }
        extern int uruk_protected(void) __attribute__((visibility(\"protected\")));
        int uruk_protected(void) { return own(); }
        int uruk_use_protected(void) { return uruk_protected(); }";
    let defining_path = build_library("interpose_defining", defining, &[]);
    let using = "extern int uruk_seven(void), uruk_variable[3];
        int (*uruk_pointer)(void) = uruk_seven;          // a pointer
        int *uruk_element = &uruk_variable[2];           // a pointer with an addend
        int uruk_call(void) { return uruk_seven(); }     // an entry of the procedure linkage table
        int uruk_read(void) { return uruk_variable[2]; } // an entry of the global offset table
        int uruk_call_pointer(void) { return uruk_pointer(); }
        int uruk_read_element(void) { return *uruk_element; }";
    for (name, flags) in [("interpose_lazy", "-Wl,-z,lazy"), ("interpose_now", "-Wl,-z,now,-z,relro")] {
        let defining = libraries::load(defining_path.to_str().unwrap()).unwrap();
        let path = build_library(name, using, &[flags]);
        let using = libraries::load(path.to_str().unwrap()).unwrap();
        let names = ["uruk_call", "uruk_read", "uruk_call_pointer", "uruk_read_element"];
        let results = || names.map(|name| function::<extern "C" fn() -> i32>(&using, name)());
        assert_eq!(results(), [7, 3, 7, 3]);
        let lookup = |name: &[u8]| match name {
            b"uruk_seven" | b"uruk_protected" => Some(fourteen as *const () as u64),
            b"uruk_variable" => Some(VARIABLE.as_ptr() as u64),
            _ => None,
        };
        // SAFETY: replacements of the same types.
        let rebinding = unsafe { rebind(&lookup, &|importer| importer.is_executable) }.unwrap();
        assert_eq!(results(), [14, 500, 14, 500]);
        assert_eq!(function::<extern "C" fn() -> i32>(&defining, "uruk_use_protected")(), 1);
        drop(rebinding);
        assert_eq!(results(), [7, 3, 7, 3]);
        // SAFETY: as above.
        assert!(unsafe { rebind(&lookup, &|_| true) }.unwrap().is_empty());
    }
}

#[test]
fn a_library_that_is_gone_is_not_touched_when_undoing() {
    let _alone = ALONE.lock();
    let source = "extern int getppid(void); int uruk_parent(void) { return getppid(); }";
    let path = build_library("interpose_gone", source, &[]);
    let library = libraries::load(path.to_str().unwrap()).unwrap();
    extern "C" fn nobody() -> i32 {
        -5
    }
    let lookup = |name: &[u8]| (name == b"getppid").then_some(nobody as *const () as u64);
    // SAFETY: a replacement of the same type.
    let rebinding = unsafe { rebind(&lookup, &only("interpose_gone")) }.unwrap();
    assert_eq!(function::<extern "C" fn() -> i32>(&library, "uruk_parent")(), -5);
    assert_eq!(rebinding.len(), 1);
    drop(library);
    rebinding.undo().unwrap();
}

/// An allocator in the way of small programs: a header, an arena, nothing freed. A block that is
/// not its own makes it abort.
const ALLOCATOR: &str = r#"
    #include <stddef.h>
    #include <string.h>
    #include <stdlib.h>
    static char arena[64 << 20] __attribute__((aligned(16)));
    static size_t top;
    size_t uruk_mallocs, uruk_frees;
    struct header { size_t size, magic; };
    void *uruk_malloc(size_t size) {
        size_t need = (sizeof(struct header) + size + 15) & ~(size_t)15;
        size_t at = __atomic_fetch_add(&top, need, __ATOMIC_RELAXED);
        if (sizeof arena < at + need) return 0;
        struct header *header = (void *)(arena + at);
        header->size = size;
        header->magic = 0x5ca1ab1e;
        __atomic_fetch_add(&uruk_mallocs, 1, __ATOMIC_RELAXED);
        return header + 1;
    }
    static struct header *check(void *block) {
        struct header *header = (struct header *)block - 1;
        if ((char *)block < arena || arena + sizeof arena <= (char *)block || header->magic != 0x5ca1ab1e) abort();
        return header;
    }
    void uruk_free(void *block) {
        if (!block) return;
        check(block)->magic = 0;
        __atomic_fetch_add(&uruk_frees, 1, __ATOMIC_RELAXED);
    }
    void *uruk_calloc(size_t count, size_t size) {
        void *block = uruk_malloc(count * size);
        return block ? memset(block, 0, count * size) : 0;
    }
    void *uruk_realloc(void *block, size_t size) {
        void *new = uruk_malloc(size);
        if (new && block) { size_t old = check(block)->size; memcpy(new, block, old < size ? old : size); uruk_free(block); }
        return new;
    }
    size_t uruk_usable(void *block) { return check(block)->size; }
"#;

#[test]
fn a_whole_process_changes_its_malloc() {
    if !in_child() {
        let output = run_in_child("interpose::tests::a_whole_process_changes_its_malloc", &[]);
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("all is well"), "{output:?}");
        return;
    }
    let path = build_library("interpose_allocator", ALLOCATOR, &[]);
    let library = libraries::load(path.to_str().unwrap()).unwrap();
    let counter = |name: &str| {
        // SAFETY: the library's counters, which it changes atomically.
        unsafe { read(library.find(name.as_bytes()).unwrap().address) }
    };
    let names = ["malloc", "free", "calloc", "realloc"];
    let mut table: Vec<(&str, u64)> =
        names.iter().map(|&name| (name, library.find(format!("uruk_{name}").as_bytes()).unwrap().address)).collect();
    table.push(("malloc_usable_size", library.find(b"uruk_usable").unwrap().address));
    let arena = with_objects(|objects| {
        let object = objects.iter().find(|object| object.path().ends_with(b"interpose_allocator.so")).unwrap();
        object
            .segments()
            .iter()
            .filter(|segment| segment.writable)
            .map(|segment| segment.range.clone())
            .collect::<Vec<_>>()
    });

    // Old blocks of each kind: in the heap, of their own mapping, and of another thread's arena.
    let old: Vec<Vec<u8>> = vec![vec![1; 100], vec![2; 1 << 20], std::thread::spawn(|| vec![3; 1000]).join().unwrap()];
    let mut grown = vec![vec![4u8; 10], vec![5; 1 << 20]];
    // SAFETY: the functions of the source above; its arena is excluded.
    let guard = unsafe { MallocGuard::install(&table, &arena) }.unwrap();
    // SAFETY: an allocator and wrappers for what came before it; for the life of the process.
    unsafe { rebind(&|name| guard.lookup(name), &only_not("interpose_allocator")) }.unwrap().keep();

    let mallocs = counter("uruk_mallocs");
    // The host's own allocations, through its imports.
    drop(old);
    for block in &mut grown {
        let (first, len) = (block[0], block.len());
        block.resize(len * 3, first);
        assert!(block.iter().all(|&byte| byte == first));
    }
    drop(grown);
    assert!(mallocs < counter("uruk_mallocs"));
    // libc's: `strdup` allocates inside of it, `fopen` and `fclose` both allocate and free there.
    let before = (counter("uruk_mallocs"), counter("uruk_frees"));
    // SAFETY: C strings; the block is freed once; the stream is closed once.
    unsafe {
        let copy = libc::strdup(c"a string".as_ptr());
        libc::free(copy.cast());
        let file = libc::fopen(c"/proc/self/status".as_ptr(), c"r".as_ptr());
        libc::fclose(file);
    }
    let after = (counter("uruk_mallocs"), counter("uruk_frees"));
    assert!(before.0 + 2 <= after.0 && before.1 + 2 <= after.1, "{before:?} {after:?}");
    // The loader's, which are not imports: with an error text, a library, and a thread's storage.
    let before = counter("uruk_mallocs");
    assert!(libraries::load("libdoes-not-exist.so.3").is_err());
    assert!(before < counter("uruk_mallocs"));
    let loaded = build_library(
        "interpose_loaded",
        "__thread char uruk_large[100000]; char *uruk_l(void) { return uruk_large; }",
        &[],
    );
    let before = counter("uruk_mallocs");
    let loaded = libraries::load(loaded.to_str().unwrap()).unwrap();
    let large: extern "C" fn() -> *mut u8 = function(&loaded, "uruk_l");
    // SAFETY: this thread's own array.
    std::thread::spawn(move || unsafe { *large() = 1 }).join().unwrap();
    drop(loaded);
    assert!(before < counter("uruk_mallocs"));
    // What the program does not define fails rather than mixing heaps.
    // SAFETY: no obligations.
    assert!(std::hint::black_box(unsafe { libc::aligned_alloc(64, 64) }).is_null());
    // SAFETY: refused before any address is used.
    assert!(matches!(unsafe { MallocGuard::install(&table, &[]) }, Err(MallocError::Installed)));
    // The allocator must outlive all blocks.
    library.keep();
    println!("all is well");
}

fn only_not(part: &'static str) -> impl Fn(&Importer) -> bool {
    move |importer| String::from_utf8_lossy(&importer.path).contains(part)
}
