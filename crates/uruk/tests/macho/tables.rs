//! Names for symbols of other objects, and initialisers as offsets in an image.

use crate::{call, darwin, linked};
use uruk::Input;

#[test]
fn names_for_symbols_of_other_objects() {
    let names = "
        .globl _function, _variable, _hidden, _unused
        _function = _elsewhere
        _variable = _number
        .private_extern _hidden
        _hidden = _elsewhere
        _unused = _elsewhere";
    let elsewhere = "int number = 30; int elsewhere(int n) { return n + 1; }";
    let user = "extern int variable; int function(int), hidden(int);
        int all(int n) { variable += 2; return function(n) + hidden(n) + variable; }
        int same(int n) { extern int number; int *volatile one = &variable, *volatile other = &number; return one == other; }";
    let objects =
        [darwin("names.s", names, &[]), darwin("elsewhere.c", elsewhere, &["-O1"]), darwin("user.c", user, &["-O1"])];
    let jit = linked(&objects);
    assert_eq!(call(&jit, "all", 100), 101 + 101 + 32);
    assert_eq!((call(&jit, "same", 0), call(&jit, "unused", 4)), (1, 5));
    let other = jit.create_dylib("other").unwrap();
    let users =
        ["hidden", "function"].map(|name| format!("int {name}(int); int of_{name}(int n) {{ return {name}(n); }}"));
    other.add_objects(&users.map(|source| darwin("other.c", &source, &[]))).unwrap();
    other.link_against(&[jit.main()]);
    assert!(other.find("of_function").is_ok());
    assert_eq!(other.find("of_hidden").unwrap_err().missing().unwrap().0[0].symbol, "hidden");
    let again = jit.main().add_objects(&[darwin("again.c", "int function(int n) { return 0; }", &[])]).unwrap_err();
    assert!(again.to_string().contains("names.s and again.c both define it"), "{again}");
}

/// An object with initialisers as offsets. No assembler knows the section's type.
fn with_offsets(source: &str) -> Input {
    const TYPE: usize = 64;
    let object = darwin("offsets.s", source, &[]);
    let mut bytes = object.to_vec();
    let section = bytes.windows(16).position(|name| name == b"__init_offsets\0\0").unwrap();
    bytes[section + TYPE] = 0x16;
    Input::from_bytes("offsets.s", bytes)
}

#[test]
fn initialisers_as_offsets_run_in_order() {
    let functions = "
        _first: movl $1, %eax; jmp append
        .globl _second, _last
        _second: movl $2, %eax; jmp append
        _third: movl $3, %eax; jmp append
        _last: movl $4, %eax; jmp append
        append: imull $10, _order(%rip), %ecx; addl %eax, %ecx; movl %ecx, _order(%rip); ret
        .globl _order_so_far
        _order_so_far: movl _order(%rip), %eax; ret
        .zerofill __DATA,__bss,_order,4,2";
    let source = format!(
        "{functions}
        .section __TEXT,__init_offsets
        .p2align 2
        .long _first - _image, _second - _image, _third
        .long 0x1e ## the fourth, without a relocation
        .section __TEXT,__const
        _image: .quad 0
        .subsections_via_symbols"
    );
    let jit = linked(&[with_offsets(&source)]);
    assert_eq!(call(&jit, "order_so_far", 0), 1234);
}
