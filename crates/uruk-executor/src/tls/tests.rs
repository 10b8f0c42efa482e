//! Every access sequence a compiler emits, in a thread that was there before, one that came later,
//! and the main one.

#[cfg_attr(target_arch = "x86_64", path = "tests/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "tests/aarch64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "tests/riscv64.rs")]
mod arch;

use std::ffi::{c_int, c_void};
use std::sync::mpsc;
use std::thread;

use super::*;
use crate::testing::{build_library, in_child, run_in_child};

unsafe extern "C" {
    fn __tls_get_addr(index: *const [u64; 2]) -> *mut u8;
    fn __errno_location() -> *mut u8;
}

/// The address in the calling thread, by the code sequence of the slot's kind.
fn address(kind: TlsSlotKind, value: &[u64; 2]) -> *mut u8 {
    match kind {
        // General dynamic: psABI TLS §3.4.6; the pair is the argument.
        // SAFETY: the pair was filled by the loader for a loaded module.
        TlsSlotKind::ModuleAndOffset => unsafe { __tls_get_addr(value) },
        // Initial exec, and local exec where the offset is in the instruction.
        TlsSlotKind::ThreadOffset => arch::thread_pointer().wrapping_add(value[0] as usize),
        TlsSlotKind::Descriptor => {
            // A copy: code finds descriptors in the batch's own GOT.
            let copy = Box::new(*value);
            // SAFETY: a descriptor of a loaded module.
            let offset = unsafe { arch::call_descriptor(&copy) };
            arch::thread_pointer().wrapping_add(offset)
        }
    }
}

const KINDS: [TlsSlotKind; 3] = [TlsSlotKind::ModuleAndOffset, TlsSlotKind::ThreadOffset, TlsSlotKind::Descriptor];

fn own(offset: u64, kind: TlsSlotKind) -> TlsSlot<'static> {
    TlsSlot { target: TlsTarget::Own(offset), kind }
}

/// A thread that exists now and runs `closure` when told.
fn prepared<R: Send + 'static>(
    closure: impl FnOnce(Vec<[u64; 2]>) -> R + Send + 'static,
) -> impl FnOnce(Vec<[u64; 2]>) -> R {
    let (sender, receiver) = mpsc::channel();
    let (ready, is_ready) = mpsc::channel();
    let thread = thread::spawn(move || {
        ready.send(()).unwrap();
        closure(receiver.recv().unwrap())
    });
    is_ready.recv().unwrap();
    move |values| {
        sender.send(values).unwrap();
        thread.join().unwrap()
    }
}

/// Reads the whole block by each slot, checks it, writes to it, and returns its address.
fn check_block(slots: &[TlsSlot<'_>], values: &[[u64; 2]], image: &[u8], mem_size: usize, align: usize) -> usize {
    let blocks: Vec<*mut u8> = slots.iter().zip(values).map(|(slot, value)| address(slot.kind, value)).collect();
    let block = blocks[0];
    assert!(blocks.iter().all(|&other| other == block), "{blocks:?}");
    assert_eq!(block as usize % align, 0);
    // SAFETY: the loader gave this thread a block of that size; only this thread uses it.
    let bytes = unsafe { std::slice::from_raw_parts_mut(block, mem_size) };
    assert_eq!(&bytes[..image.len()], image);
    assert!(bytes[image.len()..].iter().all(|&byte| byte == 0));
    bytes.fill(0xee);
    block as usize
}

/// Loads a block with slots of these kinds at offset 0 and looks at it from three threads.
fn check(kinds: &[TlsSlotKind], image: &'static [u8], mem_size: usize, align: usize) {
    let slots: &'static [TlsSlot<'_>] = kinds.iter().map(|&kind| own(0, kind)).collect::<Vec<_>>().leak();
    let look = move |values: Vec<[u64; 2]>| check_block(slots, &values, image, mem_size, align);
    let (earlier, another) = (prepared(look), prepared(look));
    let request = TlsRequest { image, mem_size: mem_size as u64, align: align as u64, slots };
    let module = TlsModule::load(&request).unwrap();
    let values = module.values().to_vec();
    let here = look(values.clone());
    let others =
        [earlier(values.clone()), another(values.clone()), thread::spawn(move || look(values)).join().unwrap()];
    assert!(!others.contains(&here));
}

#[test]
fn a_dynamic_block_is_every_threads_own() {
    check(&[TlsSlotKind::ModuleAndOffset], b"general dynamic", 40, 8);
    check(&[TlsSlotKind::Descriptor], b"descriptor", 40, 8);
    check(&[TlsSlotKind::ModuleAndOffset, TlsSlotKind::Descriptor], b"both", 64, 16);
}

#[test]
fn a_static_block_is_every_threads_own_and_all_models_agree() {
    check(&KINDS, b"static", 40, 8);
}

#[test]
fn a_block_too_large_to_be_static_has_dynamic_descriptors() {
    check(&[TlsSlotKind::Descriptor, TlsSlotKind::ModuleAndOffset], b"large", 1 << 20, 8);
}

#[test]
fn blocks_are_aligned_as_asked() {
    for align in [1, 2, 16, 64, 256, 4096] {
        check(&[TlsSlotKind::ModuleAndOffset, TlsSlotKind::Descriptor], b"aligned", 5000, align);
    }
    check(&KINDS, b"", 64, static_alignment() as usize);
}

#[test]
fn offsets_and_empty_images() {
    let image: Vec<u8> = (0..=255).collect();
    let slots: Vec<TlsSlot<'_>> =
        KINDS.iter().flat_map(|&kind| [own(0, kind), own(200, kind), own(300, kind)]).collect();
    let module = TlsModule::load(&TlsRequest { image: &image, mem_size: 304, align: 8, slots: &slots }).unwrap();
    for (slot, value) in slots.iter().zip(module.values()) {
        let TlsTarget::Own(offset) = slot.target else { unreachable!() };
        // SAFETY: inside the block of this thread.
        assert_eq!(unsafe { *address(slot.kind, value) }, if offset < 256 { offset as u8 } else { 0 });
    }
    check(&KINDS, b"", 16, 4);
}

#[test]
fn local_exec_code_with_the_offset_in_the_instruction() {
    let slots = [own(4, TlsSlotKind::ThreadOffset)];
    let module =
        TlsModule::load(&TlsRequest { image: &[1, 0, 0, 0, 7, 0, 0, 0], mem_size: 8, align: 4, slots: &slots })
            .unwrap();
    let code = crate::testing::Code::new(&arch::count_up(module.values()[0][0]));
    // SAFETY: the bytes are a function of this type.
    let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(code.address()) };
    assert_eq!((function(), function()), (7, 8));
    assert_eq!(thread::spawn(move || (function(), function())).join().unwrap(), (7, 8));
}

#[test]
fn the_executables_block_is_where_gdb_is_told() {
    // The executable comes first.
    unsafe extern "C" fn first(info: *mut libc::dl_phdr_info, _size: usize, block: *mut c_void) -> c_int {
        // SAFETY: the variable below; the loader's description.
        unsafe { *block.cast::<*mut u8>() = (*info).dlpi_tls_data.cast() };
        1
    }
    let mut block: *mut u8 = std::ptr::null_mut();
    // SAFETY: the callback gets what it expects.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut block).cast()) };
    assert_eq!(arch::thread_pointer().wrapping_add(crate::gdb::thread_base().unwrap() as usize), block);
}

#[test]
fn native_variables_are_the_libraries_own() {
    let slots: Vec<TlsSlot<'_>> =
        KINDS.iter().map(|&kind| TlsSlot { target: TlsTarget::Native(b"errno"), kind }).collect();
    let module = TlsModule::load(&TlsRequest { image: &[], mem_size: 0, align: 1, slots: &slots }).unwrap();
    let values = module.values().to_vec();
    let same = move || {
        for (slot, value) in slots.iter().zip(&values) {
            // SAFETY: no obligations.
            assert_eq!(address(slot.kind, value), unsafe { __errno_location() }, "{:?}", slot.kind);
        }
    };
    same();
    thread::spawn(same).join().unwrap();
}

#[test]
fn a_variable_of_libstdcxx_is_bound_statically_after_it_was_found() {
    let _library = libraries::load("libstdc++.so.6").unwrap();
    let name = b"_ZSt15__once_callable@GLIBCXX_3.4.11";
    assert_eq!(libraries::find(name).unwrap().kind, SymbolKind::ThreadLocal);
    let slots: Vec<TlsSlot<'_>> = KINDS.iter().map(|&kind| TlsSlot { target: TlsTarget::Native(name), kind }).collect();
    let module = TlsModule::load(&TlsRequest { image: &[], mem_size: 0, align: 1, slots: &slots }).unwrap();
    let addresses: Vec<*mut u8> =
        slots.iter().zip(module.values()).map(|(slot, value)| address(slot.kind, value)).collect();
    assert!(addresses.iter().all(|&other| other == addresses[0]), "{addresses:?}");
}

#[test]
fn own_and_native_variables_in_one_request() {
    let library = build_library(
        "tls_native",
        "__thread long uruk_native_variable = 77; long uruk_read(void) { return uruk_native_variable; }",
        &[],
    );
    let library = libraries::load(library.to_str().unwrap()).unwrap();
    let native = TlsSlot { target: TlsTarget::Native(b"uruk_native_variable"), kind: TlsSlotKind::ModuleAndOffset };
    let slots = [native, own(0, TlsSlotKind::Descriptor), native];
    let module = TlsModule::load(&TlsRequest { image: &[5], mem_size: 1, align: 1, slots: &slots }).unwrap();
    assert_eq!(module.values()[0], module.values()[2]);
    let variable = address(native.kind, &module.values()[0]).cast::<i64>();
    // SAFETY: this thread's variable, and a function of the library, which is loaded.
    unsafe {
        assert_eq!(*variable, 77);
        *variable = 78;
        let read: extern "C" fn() -> i64 = std::mem::transmute(library.find(b"uruk_read").unwrap().address);
        assert_eq!(read(), 78);
        assert_eq!(*address(TlsSlotKind::Descriptor, &module.values()[1]), 5);
    }
}

#[test]
fn static_room_comes_back_when_a_module_goes() {
    // Alone in a process: what other tests place in between would keep the room.
    if in_child() {
        let slots = [own(0, TlsSlotKind::ThreadOffset)];
        for _ in 0..100 {
            TlsModule::load(&TlsRequest { image: &[1], mem_size: 256, align: 8, slots: &slots }).unwrap();
        }
        println!("it came back");
        return;
    }
    let output = run_in_child("tls::tests::static_room_comes_back_when_a_module_goes", &[]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("it came back"), "{output:?}");
}

/// The test harness keeps the main thread to itself, so this runs before `main`, in a child.
extern "C" fn on_the_main_thread() {
    if std::env::var_os("URUK_TEST_MAIN_THREAD").is_some() {
        check(&KINDS, b"main thread", 40, 8);
        check(&[TlsSlotKind::Descriptor, TlsSlotKind::ModuleAndOffset], b"main thread", 1 << 20, 8);
        std::process::exit(77);
    }
}

// SAFETY: the section holds functions that the C library calls before `main`; Rust's standard
// library can be used by then.
#[used]
#[unsafe(link_section = ".init_array")]
static ON_THE_MAIN_THREAD: extern "C" fn() = on_the_main_thread;

#[test]
fn the_main_thread_has_its_copy() {
    let output = run_in_child("no test", &[("URUK_TEST_MAIN_THREAD", "1")]);
    assert_eq!(output.status.code(), Some(77), "{output:?}");
}

fn large_static_block() -> Result<TlsModule, TlsError> {
    let slots = [own(0, TlsSlotKind::ThreadOffset)];
    TlsModule::load(&TlsRequest { image: b"static", mem_size: 64 << 10, align: 16, slots: &slots })
}

#[test]
fn a_process_started_with_the_tunable_has_room_for_a_large_static_block() {
    const TEST: &str = "tls::tests::a_process_started_with_the_tunable_has_room_for_a_large_static_block";
    if in_child() {
        check(&KINDS, b"static", 64 << 10, 16);
        println!("it has room");
        return;
    }
    let TlsError::StaticExhausted { needed } = large_static_block().unwrap_err() else { panic!("not exhausted") };
    assert!(64 << 10 <= needed);
    let tunables = tunables_with_static_tls(None, needed);
    let output = run_in_child(TEST, &[("GLIBC_TUNABLES", tunables.to_str().unwrap())]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("it has room"), "{output:?}");
}

#[test]
fn tunables_are_merged() {
    let merged = |present: Option<&str>, needed| {
        tunables_with_static_tls(present.map(OsStr::new), needed).into_string().unwrap()
    };
    assert_eq!(merged(None, 100), "glibc.rtld.optional_static_tls=640");
    assert_eq!(
        merged(Some("glibc.malloc.arena_max=1:glibc.rtld.optional_static_tls=1024"), 64),
        "glibc.malloc.arena_max=1:glibc.rtld.optional_static_tls=1088"
    );
    assert_eq!(merged(Some("glibc.rtld.optional_static_tls=x"), 64), "glibc.rtld.optional_static_tls=576");
}

#[test]
fn refusals() {
    let load = |image: &[u8], mem_size, align, slots: &[TlsSlot<'_>]| {
        TlsModule::load(&TlsRequest { image, mem_size, align, slots }).unwrap_err().to_string()
    };
    let native = |name| [TlsSlot { target: TlsTarget::Native(name), kind: TlsSlotKind::ThreadOffset }];
    assert!(load(&[0; 9], 8, 8, &[]).contains("cannot hold 9 initial bytes"));
    assert!(load(&[], 8, 3, &[]).contains("power of two"));
    assert!(load(&[], 8, 0, &[]).contains("power of two"));
    assert!(load(&[], 8, 8, &[own(9, TlsSlotKind::Descriptor)]).contains("offset 9 is outside a block of 8 bytes"));
    assert!(load(&[], 0, 1, &[own(0, TlsSlotKind::Descriptor)]).contains("offset 0 is outside a block of 0 bytes"));
    assert!(load(&[], 0, 1, &native(b"uruk_no_such_variable")).contains("`uruk_no_such_variable` is not defined"));
    assert!(load(&[], 0, 1, &native(b"environ")).contains("`environ` is Object"));
    let expected = format!("{} bytes at most, and 4096 are wanted", static_alignment());
    assert!(load(&[], 8, 4096, &[own(0, TlsSlotKind::ThreadOffset)]).contains(&expected));
}
