//! What is wrong with functions is an error that names them and their lines, and the JIT goes on.

use uruk::uruk_cranelift::Options;
use uruk::{Error, Jit};

/// The message that adding a text gives.
fn refused(text: &str) -> String {
    let jit = Jit::new().unwrap();
    let error = jit.main().add_clif("wrong.clif", text).unwrap_err();
    assert!(matches!(error, Error::Cranelift(_)));
    error.to_string()
}

/// The message that looking up `f` gives; another function can still be called.
fn failed(text: &str) -> String {
    let jit = Jit::new().unwrap();
    let fine = "\nfunction %fine() -> i32 { block0: v0 = iconst.i32 1 return v0 }\n";
    jit.main().add_clif("wrong.clif", &(text.to_string() + fine)).unwrap();
    let error = jit.main().find("f").unwrap_err().to_string();
    // SAFETY: as declared.
    assert_eq!(unsafe { jit.main().function::<extern "C" fn() -> i32>("fine") }.unwrap()(), 1);
    error
}

#[test]
fn text_that_is_no_clif_is_refused_with_its_line() {
    assert_eq!(refused("function %f() {\nblock0:\n    return v9\n}"), "wrong.clif:3: undefined operand value v9");
    assert_eq!(refused("; nothing\nfunc %f() {}"), "wrong.clif:2: expected 'function'");
    assert_eq!(refused("\nfunction %f(i64) -> i64 {\n"), "wrong.clif:2: expected block header");
    let twice = "function %f() { block0: return }\n\nfunction %f() { block0: return }";
    let expected = "wrong.clif:3: function `f` is defined already in line 1; give one of them another name";
    assert_eq!(refused(twice), expected);
    assert!(refused("\0\u{ff}").starts_with("wrong.clif:"));
}

#[test]
fn text_for_another_machine_is_refused() {
    let text = "target aarch64\nfunction %f() { block0: return }";
    assert_eq!(
        refused(text),
        "wrong.clif is for aarch64, and this is x86_64-unknown-linux-gnu; add a `target` line for this machine, or leave \
         them all out"
    );
    let jit = Jit::new().unwrap();
    let either = "target aarch64\ntarget x86_64\nfunction %f() { block0: return }";
    jit.main().add_clif("either.clif", either).unwrap();
    jit.main().find("f").unwrap();
    let settings = vec![("has_avx".to_string(), "false".to_string()), ("has_avx2".to_string(), "false".to_string())];
    let options = Options { settings, ..Options::default() };
    let jit = Jit::builder().cranelift_options(options).build().unwrap();
    let error = jit.main().add_clif("avx.clif", "target x86_64 has_avx\nfunction %f() { block0: return }").unwrap_err();
    assert!(error.to_string().starts_with("avx.clif is for a machine with `has_avx`, and this is x86_64"), "{error}");
}

#[test]
fn functions_that_break_rules_are_refused_with_their_line() {
    let error = failed("function %f(i64) -> i64 {\nblock0(v0: i64):\n    return v0, v0\n}");
    assert!(error.contains("wrong.clif:3: function `f` breaks a rule of CLIF: arguments of return"), "{error}");
    let error = failed("function %f() {\n    fn0 = %surely_missing()\nblock0:\n    call fn0()\n    return\n}");
    assert!(error.contains("symbol `surely_missing`, which f(.text+0x"), "{error}");
    let data = "function %f() -> i64 {\n    gv0 = symbol %no_such_data\nblock0:\n    v0 = symbol_value.i64 gv0\n    return v0\n}";
    let error = failed(data);
    assert!(error.contains("symbol `no_such_data`, which f(.text+0x"), "{error}");
    let error = failed(
        "function %f() system_v {
            sig0 = () system_v
            fn0 = %g() system_v
        block0:
            try_call fn0(), sig0, block1, [ tag0: block2(exn0) ]
        block1:
            return
        block2(v0: i64):
            return
        }
        function %g() { block0: return }",
    );
    assert!(error.contains("function `f` handles exceptions by tag"), "{error}");
}

#[test]
fn settings_that_do_not_exist_are_refused() {
    let options = |name: &str| Options { settings: vec![(name.into(), "perhaps".into())], ..Options::default() };
    let error = |name: &str| {
        let jit = Jit::builder().cranelift_options(options(name)).build().unwrap();
        jit.main().add_clif("empty.clif", "").unwrap_err().to_string()
    };
    assert!(
        error("no_such").starts_with("Cranelift's setting `no_such` cannot be `perhaps`: "),
        "{}",
        error("no_such")
    );
    assert!(error("opt_level").starts_with("Cranelift's setting `opt_level` cannot be `perhaps`: "));
}
