//! Very many batches: each object linked alone costs next to no mappings of the kernel's, and no memory once it is gone.

mod support;

use support::compile;
use uruk::{Input, Jit};

type Number = extern "C" fn() -> i32;

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").expect("this is Linux").lines().count()
}

#[test]
fn ten_thousand_batches_take_few_mappings() {
    const COUNT: usize = 10_000;
    let source = "int variable_0000 = 3; int function_0000(void) { return 0x12345678 + variable_0000; }";
    let template = compile("template.c", source, &["-O1"]).to_vec();
    let jit = Jit::new().unwrap();
    let main = jit.main();
    let tracker = main.add_tracked(&[]).unwrap();
    let mut first = 0;
    for number in 0..COUNT {
        let mut bytes = template.clone();
        let mut replace = |from: &[u8], to: &[u8]| {
            let at = bytes.windows(from.len()).position(|window| window == from).expect("it is there");
            bytes[at..at + from.len()].copy_from_slice(to);
        };
        replace(b"variable_0000", format!("variable_{number:04}").as_bytes());
        replace(b"function_0000", format!("function_{number:04}").as_bytes());
        replace(&0x1234_5678_u32.to_le_bytes(), &(number as u32).to_le_bytes());
        tracker.add_objects(&main, &[Input::from_bytes(format!("{number}.o"), bytes)]).unwrap();
        // SAFETY: as declared, and not called after its removal.
        let function = unsafe { main.function::<Number>(&format!("function_{number:04}")).unwrap() };
        assert_eq!(function(), number as i32 + 3);
        if number == 0 {
            first = mappings();
        }
    }
    let all = mappings();
    assert!(all <= first + 20, "{all} lines in /proc/self/maps, {first} with one object");
    tracker.remove();
    assert_eq!(jit.memory_statistics().live, [0; 3]);
}
