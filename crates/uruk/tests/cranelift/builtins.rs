//! What Cranelift calls by itself and no library has.

use std::thread;
use uruk::Jit;
use uruk::uruk_cranelift::Options;

/// A JIT with these of Cranelift's settings.
fn jit(settings: &[(&str, &str)]) -> Jit {
    let settings = settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Jit::builder().cranelift_options(Options { settings, ..Options::default() }).build().unwrap()
}

#[test]
fn bytes_are_chosen_without_the_instruction() {
    const TEXT: &str = "
        function %choose(i64, i64) {
        block0(v0: i64, v1: i64):
            v2 = load.i8x16 v0
            v3 = load.i8x16 v1
            v4 = swizzle v2, v3
            store v4, v1
            return
        }
    ";
    // All that build on the one that matters.
    let without = ["has_avx2", "has_avx", "has_sse42", "has_sse41", "has_ssse3"].map(|feature| (feature, "false"));
    let jit = jit(&without);
    jit.main().add_clif("choose.clif", TEXT).unwrap();
    // SAFETY: as declared.
    let choose = unsafe { jit.main().function::<extern "C" fn(*const u8, *mut u8)>("choose") }.unwrap();
    assert!(jit.main().find("__cranelift_x86_pshufb").is_ok());
    let from: [u8; 16] = std::array::from_fn(|index| 100 + index as u8);
    let choice = [0, 15, 16, 31, 127, 128, 255, 0x8f, 3, 3, 3, 14, 1, 2, 64, 0x70];
    let mut chosen = choice;
    choose(from.as_ptr(), chosen.as_mut_ptr());
    assert_eq!(chosen, choice.map(|index| from.get(index as usize).copied().unwrap_or(0)));
}

/// How many of the pages below an address have memory.
fn resident(below: usize, pages: usize) -> usize {
    let mut present = vec![0; pages];
    let start = (below & !4095) - pages * 4096;
    // SAFETY: pages of this thread's stack, and room for a byte for each.
    let result = unsafe { libc::mincore(start as *mut libc::c_void, pages * 4096, present.as_mut_ptr()) };
    assert_eq!(result, 0);
    present.iter().filter(|page| **page & 1 == 1).count()
}

#[test]
fn large_frames_are_touched_page_by_page() {
    const PAGES: usize = 1000;
    // Frames of less than a page, of whole pages, and of a part more.
    for bytes in [64, 4096, 8192, 20_000, PAGES * 4096] {
        let text = format!(
            "function %frame(i64, f64, i64) -> i64 {{
                ss0 = explicit_slot {bytes}
            block0(v0: i64, v1: f64, v2: i64):
                v3 = stack_addr.i64 ss0
                store v0, v3
                v4 = fcvt_to_sint.i64 v1
                v5 = iadd v4, v2
                v6 = load.i64 v3
                v7 = iadd v5, v6
                return v7
            }}"
        );
        let jit = jit(&[("enable_probestack", "true"), ("probestack_strategy", "outline")]);
        jit.main().add_clif("frame.clif", &text).unwrap();
        // SAFETY: as declared.
        let frame = unsafe { jit.main().function::<extern "C" fn(i64, f64, i64) -> i64>("frame") }.unwrap();
        let touched = move || {
            let here = 0u8;
            // Arguments survive.
            assert_eq!(frame(40, 2.0, 300), 342, "{bytes}");
            resident(&raw const here as usize, PAGES)
        };
        // A stack that nobody has used.
        let thread = thread::Builder::new().stack_size((PAGES + 100) * 4096).spawn(touched).unwrap();
        let touched = thread.join().unwrap();
        assert!(bytes.div_ceil(4096) <= touched + 1, "{touched} pages of {bytes} bytes");
    }
}
