//! Reports, word for word.

use super::*;

fn missing(name: &str, places: &[(&str, &str)]) -> Missing {
    let reference = |(object, place): &(&str, &str)| Reference { object: (*object).into(), place: (*place).into() };
    Missing { name: name.into(), references: places.iter().map(reference).collect() }
}

#[test]
fn one_name_with_its_references() {
    let places =
        [("a.o", ".text+0x2a"), ("libx.a(b.o)", ".data"), ("c.o", ".text"), ("d.o", ".text"), ("e.o", ".text")];
    let text =
        report(&[missing("helo", &places)], "main", &["main".into(), "libc.so.6".into()], ["hello", "help", "x"]);
    let want = "nothing defines a name that `main` needs:
  helo
    needed by a.o(.text+0x2a)
    needed by libx.a(b.o)(.data)
    needed by c.o(.text)
    and by 2 more
    defined is `hello`, `help`
  looked in: main, libc.so.6";
    assert_eq!(text, want);
}

#[test]
fn names_are_written_as_their_authors_did() {
    let check = |name: &str, want: Option<&str>| assert_eq!(demangle(name).as_deref(), want);
    check("_ZN3foo3barEi", Some("foo::bar(int)"));
    check("_ZN4core9panicking5panic17h0123456789abcdefE", Some("core::panicking::panic"));
    check("_RNvNtCsgEmfK2I1SDS_4core9panicking5panic", Some("core::panicking::panic"));
    check("puts", None);
    check("_Z", None);
    check(&format!("_Z1f{}i", "P".repeat(100_000)), None);
}

#[test]
fn overloads_and_c_names_are_near() {
    let known = ["_ZN1a4workEl", "_ZN1a4workEv", "unrelated"];
    let text =
        report(&[missing("_ZN1a4workEi", &[]), missing("_Z4initv", &[])], "p", &[], known.into_iter().chain(["init"]));
    let want = "nothing defines 2 names that `p` needs:
  a::work(int) [_ZN1a4workEi]
    defined is `a::work(long)` [_ZN1a4workEl], `a::work()` [_ZN1a4workEv]
  init() [_Z4initv]
    defined is `init`";
    assert_eq!(text, want);
}

#[test]
fn hints_are_grouped() {
    let names = ["sinf", "pow", "cos", "tan", "deflate", "my_own"].map(|name| missing(name, &[]));
    let text = report(&names, "main", &[], []);
    assert!(text.ends_with(
        "\n  my_own\n  the mathematics library defines this: -lm (for sinf, pow, cos, …)\n  zlib defines this: -lz (for deflate)"
    ), "{text}");
    assert_eq!(
        hints::hint("_ZTV5Shape").unwrap().split(',').next(),
        Some("the class's first virtual function is defined nowhere")
    );
    assert_eq!(hints::hint("floor").unwrap(), hints::hint("floorl").unwrap());
    assert_eq!(hints::hint("fool"), None);
}

#[test]
fn long_reports_are_cut() {
    let names: Vec<Missing> = (0..50).map(|n| missing(&format!("name_{n}"), &[("a.o", ".text")])).collect();
    let text = report(&names, "main", &[], []);
    assert!(text.starts_with("nothing defines 50 names that `main` needs:"));
    assert!(text.contains("name_19") && !text.contains("name_20"));
    assert!(text.ends_with("… and 30 more"));
}
