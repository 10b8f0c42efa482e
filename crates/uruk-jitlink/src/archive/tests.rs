//! Archives made by the `ar` programs of GNU and LLVM, archives broken by hand, and many mutations of the former.

use super::*;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

const LONG: &str = "a_member_with_a_rather_long_name.o";

/// A folder with `one.o`, `two.o` and the long-named member, each defining `f_…` and `v_…`, and archives of them.
struct Samples {
    folder: tempfile::TempDir,
}

impl Samples {
    fn get() -> &'static Samples {
        static SAMPLES: OnceLock<Samples> = OnceLock::new();
        SAMPLES.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            for name in ["one", "two", LONG.trim_end_matches(".o")] {
                let source = format!("int f_{0}(void) {{ return 1; }}\nint v_{0} = 2;\n", &name[..3]);
                std::fs::write(folder.path().join("source.c"), source).unwrap();
                run(folder.path(), &["cc", "-c", "-o", &format!("{name}.o"), "source.c"]);
            }
            Samples { folder }
        })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs an `ar` that makes `archive` of the three objects, and gives its bytes.
    fn make(&self, ar: &[&str], archive: &str) -> Vec<u8> {
        run(self.path(), &[ar, &[archive, "one.o", "two.o", LONG]].concat());
        std::fs::read(self.path().join(archive)).unwrap()
    }
}

fn run(folder: &Path, command: &[&str]) {
    let status = Command::new(command[0]).args(&command[1..]).current_dir(folder).status().unwrap();
    assert!(status.success(), "{command:?}");
}

/// LLVM's `ar`, which alone writes the formats of other systems.
fn llvm_ar() -> Option<&'static str> {
    ["llvm-ar-22", "llvm-ar"].into_iter().find(|name| Command::new(name).arg("--version").output().is_ok())
}

/// All that an archive says, one line a member and a symbol; the first error ends it.
fn describe(bytes: &[u8]) -> Result<String, ArchiveError> {
    let archive = Archive::parse(bytes)?;
    let mut text = String::new();
    for member in archive.members()? {
        let member = member?;
        let place = match member.data {
            MemberData::Inline { offset, bytes: content } => {
                assert_eq!(&bytes[offset as usize..][..content.len()], content);
                format!("{}", content.starts_with(b"\x7fELF"))
            }
            MemberData::External { path, origin, .. } => {
                format!("in {}{}", lossy(path), if origin.is_some() { ", nested" } else { "" })
            }
        };
        text += &format!("{} {}: {place}\n", member.position, lossy(member.name));
    }
    for symbol in archive.symbols() {
        let (name, id) = symbol?;
        text += &format!("{} in {}\n", lossy(name), archive.member(id)?.position);
    }
    Ok(text)
}

const SYMBOLS: &str = "f_one in 0\nv_one in 0\nf_two in 1\nv_two in 1\nf_a_m in 2\nv_a_m in 2\n";

/// What each writer's archive of the three objects must say, but for the order of symbols.
fn check_inline(bytes: &[u8], symbols: &str) {
    let members = format!("0 one.o: true\n1 two.o: true\n2 {LONG}: true\n");
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&describe(bytes).unwrap()), sorted(&(members + symbols)));
    let archive = Archive::parse(bytes).unwrap();
    assert_eq!(archive.has_index(), !symbols.is_empty());
    assert_eq!(archive.symbol_count(), symbols.lines().count());
}

#[test]
fn gnu_archives_are_read_with_and_without_index() {
    let samples = Samples::get();
    check_inline(&samples.make(&["ar", "rcs"], "gnu.a"), SYMBOLS);
    check_inline(&samples.make(&["ar", "rcS"], "gnu-plain.a"), "");
}

#[test]
fn every_format_of_llvm_is_read() {
    let Some(ar) = llvm_ar() else { return };
    let samples = Samples::get();
    for format in ["gnu", "bsd", "darwin", "coff"] {
        let archive = format!("llvm-{format}.a");
        check_inline(&samples.make(&[ar, &format!("--format={format}"), "rcs"], &archive), SYMBOLS);
        let archive = format!("llvm-{format}-plain.a");
        check_inline(&samples.make(&[ar, &format!("--format={format}"), "rcS"], &archive), "");
    }
}

#[test]
fn wide_indices_are_read() {
    let Some(ar) = llvm_ar() else { return };
    // The writer changes to 8-byte numbers where a place exceeds this bound, which it takes from the environment.
    for (format, name) in [("gnu", &b"/SYM64/"[..]), ("darwin", b"__.SYMDEF_64")] {
        let samples = Samples::get();
        let archive = format!("wide-{format}.a");
        let mut command = Command::new(ar);
        command.env("SYM64_THRESHOLD", "1").current_dir(samples.path());
        assert!(command.args([&format!("--format={format}"), "rcs", &archive, "one.o"]).status().unwrap().success());
        let bytes = std::fs::read(samples.path().join(archive)).unwrap();
        assert!(bytes[8..].windows(name.len()).any(|window| window == name), "{format}");
        assert_eq!(describe(&bytes).unwrap(), "0 one.o: true\nf_one in 0\nv_one in 0\n");
    }
}

#[test]
fn thin_members_are_paths() {
    let samples = Samples::get();
    let thin = samples.make(&["ar", "rcsT"], "thin.a");
    let members = format!("0 one.o: in one.o\n1 two.o: in two.o\n2 {LONG}: in {LONG}\n");
    assert_eq!(describe(&thin).unwrap(), members + SYMBOLS);
    let nesting = Nesting::new(&samples.path().join("thin.a"));
    assert_eq!(nesting.resolve(b"./sub/../one.o"), samples.path().join("one.o"));
}

#[test]
fn an_archive_in_a_thin_one_is_flattened() {
    let samples = Samples::get();
    run(samples.path(), &["ar", "rcs", "inner.a", "two.o", LONG]);
    run(samples.path(), &["ar", "rcsT", "outer.a", "one.o", "inner.a"]);
    let bytes = std::fs::read(samples.path().join("outer.a")).unwrap();
    let outer = Archive::parse(&bytes).unwrap();
    let inner_bytes = std::fs::read(samples.path().join("inner.a")).unwrap();
    let inner = Archive::parse(&inner_bytes).unwrap();
    let mut names = Vec::new();
    for member in outer.members().unwrap() {
        let MemberData::External { path, origin, .. } = member.unwrap().data else { panic!("not thin") };
        names.push(match origin {
            Some(id) => format!("{}({})", lossy(path), lossy(inner.member(id).unwrap().name)),
            None => lossy(path),
        });
    }
    assert_eq!(names, ["one.o", "inner.a(two.o)", &format!("inner.a({LONG})")]);
}

#[test]
fn circles_and_depth_are_refused() {
    let outer = Nesting::new(Path::new("lib/a.a"));
    assert_eq!(
        outer.enter(&outer.resolve(b"a.a")).unwrap_err().to_string(),
        "archive lib/a.a contains itself: lib/a.a -> lib/a.a"
    );
    let inner = outer.enter(&outer.resolve(b"../b.a")).unwrap();
    assert_eq!(
        inner.enter(&inner.resolve(b"./lib/a.a")).unwrap_err().to_string(),
        "archive lib/a.a contains itself: lib/a.a -> b.a -> lib/a.a"
    );
    let mut deep = outer;
    for depth in 1..MAX_NESTING {
        deep = deep.enter(Path::new(&format!("{depth}.a"))).unwrap();
    }
    assert!(matches!(deep.enter(Path::new("last.a")), Err(ArchiveError::TooDeep { depth: MAX_NESTING, .. })));
}

/// A member: header fields as given, content, and padding.
fn member(name: &str, size: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644).into_bytes();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    bytes
}

fn archive(magic: &[u8], members: &[Vec<u8>]) -> Vec<u8> {
    [magic, &members.concat()].concat()
}

#[test]
fn odd_but_valid_archives() {
    let check = |bytes: Vec<u8>, want: &str| assert_eq!(describe(&bytes).unwrap(), want);
    check(MAGIC.to_vec(), "");
    check(archive(MAGIC, &[member("a.o/", "1", b"x")]), "0 a.o: false\n");
    // The padding of the last member may be missing, and an empty member is one.
    let mut unpadded = archive(MAGIC, &[member("e/", "0", b""), member("a.o/", "1", b"x")]);
    unpadded.pop();
    check(unpadded, "0 e: false\n1 a.o: false\n");
    check(archive(MAGIC, &[member("/", "0", b""), member("a.o/", "1", b"x")]), "0 a.o: false\n");
    check(archive(MAGIC, &[member("//", "6", b"lib/x\n"), member("/4", "0", b"")]), "0 x: false\n");
    check(archive(MAGIC, &[member("__.SYMDEF SORTED", "8", &[0; 8]), member("a.o", "0", b"")]), "0 a.o: false\n");
    // An archive as a member of an ordinary one is a member like any other.
    let nested = archive(MAGIC, &[member("a.o/", "1", b"x")]);
    check(archive(MAGIC, &[member("n.a/", &nested.len().to_string(), &nested)]), "0 n.a: false\n");
}

#[test]
fn lies_are_named_with_their_place() {
    let check = |bytes: Vec<u8>, want: &str| assert_eq!(describe(&bytes).unwrap_err().to_string(), want);
    let ordinary = |name: &str, size: &str| archive(MAGIC, &[member(name, size, b"xy")]);
    check(b"!<arch>".to_vec(), "not an archive: it starts neither with `!<arch>` nor with `!<thin>`");
    check(ordinary("a.o/", "2")[..40].to_vec(), "archive is cut at 0x8: a member header needs 60 bytes, 32 are left");
    check(ordinary("a.o/", "3"), "archive member at 0x8: its 3 bytes reach beyond the end of the archive, 2 are left");
    check(
        ordinary("a.o/", "9999999999"),
        "archive member at 0x8: its 9999999999 bytes reach beyond the end of the archive, 2 are left",
    );
    check(ordinary("a.o/", "-2"), "archive member at 0x8: its size `-2` is not a number that fits");
    check(ordinary("a.o/", ""), "archive member at 0x8: its size `` is not a number that fits");
    check(ordinary("a.o/", "1 2"), "archive member at 0x8: its size `1 2` is not a number that fits");
    check(ordinary("#1/3", "2"), "archive member at 0x8: its name of 3 bytes is longer than the member's 2 bytes");
    check(ordinary("#1/", "2"), "archive member at 0x8: its name length `` is not a number that fits");
    check(
        ordinary("/12", "2"),
        "archive member at 0x8: its name is at 12 of the table of long names, which has 0 bytes",
    );
    check(ordinary("/1x", "2"), "archive member at 0x8: its name offset `1x` is not a number that fits");
    check(
        ordinary("/1:2", "2"),
        "archive member at 0x8: its name is at 1 of the table of long names, which has 0 bytes",
    );
    // Headers follow each other: where one does not, the content before it has a wrong size.
    let mut moved = archive(MAGIC, &[member("a.o/", "2", b"xy"), member("b.o/", "0", b"")]);
    moved.insert(70, b'!');
    check(moved, "archive has no member header at 0x46, where the member before it ends: its end mark is missing");
    check(
        archive(MAGIC, &[member("a.o/", "0", b""), member("//", "0", b"")]),
        "archive has a special member `//` at 0x44, where none may be",
    );
    check(
        archive(MAGIC, &[member("//", "2", b"x/"), member("/1", "0", b"")]),
        "archive's table of long names: the name at 0x45 has no end",
    );
    check(
        archive(THIN_MAGIC, &[member("/", "4", b"\0\0\0\0"), member("#1/1", "0", b"")]),
        "archive member at 0x48: it has no usable name",
    );
}

#[test]
fn lying_indices_are_named_with_their_place() {
    let check = |index: &[u8], want: &str| {
        let name = if index[0] == b'B' { "__.SYMDEF" } else { "/" };
        let members = [member(name, &(index.len() - 1).to_string(), &index[1..]), member("a.o/", "2", b"xy")];
        assert_eq!(describe(&archive(MAGIC, &members)).unwrap_err().to_string(), want);
    };
    // GNU: the index's content is at 68.
    check(b"G\0\0", "archive's symbol index at 0x44: its count needs 4 bytes, 2 are left");
    check(
        b"G\xff\xff\xff\xff",
        "archive's symbol index at 0x48: its table of members needs 17179869180 bytes, 0 are left",
    );
    check(
        b"G\0\0\0\x01\0\0\0\x50x",
        "archive's symbol index: the name of entry 0, at 0x4c, is not within the string table",
    );
    check(
        b"G\0\0\0\x01\0\0\xff\0x\0",
        "archive's symbol index: entry 0, at 0x48, gives a member at 0xff00, where none can be",
    );
    check(
        b"G\0\0\0\x01\0\0\0\x08x\0",
        "archive's symbol index: entry 0, at 0x48, gives a member at 0x8, where none can be",
    );
    check(b"G\0\0\0\x01\0\0\0\x51x\0\0", "archive has no member header at 0x51");
    // BSD, little-endian.
    check(b"B\x07\0\0\0", "archive's symbol index at 0x48: its table of 7 bytes does not hold entries of 8 bytes");
    check(b"B\x08\0\0\0", "archive's symbol index at 0x48: its table of symbols needs 8 bytes, 0 are left");
    check(b"B\0\0\0\0\x09\0\0\0", "archive's symbol index at 0x4c: its strings needs 9 bytes, 0 are left");
    check(
        b"B\x08\0\0\0\x02\0\0\0\x58\0\0\0\x02\0\0\0x\0",
        "archive's symbol index: the name of entry 0, at 0x56, is not within the string table",
    );
}

#[test]
fn no_mutation_panics() {
    let samples = Samples::get();
    let mut archives = vec![samples.make(&["ar", "rcs"], "m-gnu.a"), samples.make(&["ar", "rcsT"], "m-thin.a")];
    if let Some(ar) = llvm_ar() {
        for format in ["darwin", "coff"] {
            archives.push(samples.make(&[ar, &format!("--format={format}"), "rcs"], &format!("m-{format}.a")));
        }
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |bound: usize| {
        // xorshift64: the same mutations on every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound as u64) as usize
    };
    let interesting = b"\0\xff/#:09 \n`!1";
    for round in 0..40_000 {
        let mut bytes = archives[round % archives.len()].clone();
        // Headers and tables lie at the front; half of the mutations go there.
        let bound = if next(2) == 0 { bytes.len().min(400) } else { bytes.len() };
        for _ in 0..=next(4) {
            let place = next(bound);
            bytes[place] = if next(2) == 0 { interesting[next(interesting.len())] } else { next(256) as u8 };
        }
        if next(4) == 0 {
            bytes.truncate(next(bytes.len()));
        }
        // Errors are as good as values here; only a panic fails.
        let _ = describe(&bytes);
        if let Ok(archive) = Archive::parse(&bytes) {
            let _ = archive.member(MemberId(next(bytes.len() + 100) as u64));
            assert!(archive.symbols().count() <= archive.symbol_count());
        }
    }
}
