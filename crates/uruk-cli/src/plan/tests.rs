//! Plans made from command lines, over files made for the purpose.

use super::*;
use crate::args::{Command, parse};

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let content = content.replace("OBJECT", "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x3e\0");
            let content = content.replace("SHARED", "\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0");
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        Folder(folder)
    }

    /// One line a dylib: name, inputs, links. A `%` in the arguments stands for the folder, and is put back.
    fn plan(&self, line: &str) -> String {
        let root = format!("{}/", self.0.path().display());
        let words = std::iter::once("run").chain(line.split_whitespace());
        let Ok(Command::Run(request)) = parse(words.map(|word| word.replace('%', &root).into()).collect()) else {
            panic!("{line} is not a run")
        };
        let plan = match Plan::build(*request) {
            Ok(plan) => plan,
            Err(error) => return error.to_string().replace(&root, "%"),
        };
        let show = |dylib: &DylibPlan| {
            let inputs: Vec<String> = dylib.inputs.iter().map(describe).collect();
            format!("{}: {} -> {:?}", dylib.name, inputs.join(" "), dylib.links).replace(&root, "%")
        };
        plan.dylibs.iter().map(show).collect::<Vec<_>>().join("; ")
    }
}

fn describe(input: &Input) -> String {
    match input {
        Input::Object(path) => format!("object {}", path.display()),
        Input::Archive { path, whole } => format!("archive{} {}", if *whole { "!" } else { "" }, path.display()),
        Input::Source { path, language } => format!("{language:?} {}", path.display()),
        Input::Clif(path) => format!("clif {}", path.display()),
        Input::Library { library, as_needed } => {
            let mark = if *as_needed { "?" } else { "" };
            match library {
                Library::Path(path) => format!("library{mark} {}", path.display()),
                Library::Soname(name) => format!("soname{mark} {}", name.display()),
            }
        }
    }
}

#[test]
fn files_and_libraries_are_found() {
    let folder = Folder::with(&[
        ("a.o", "OBJECT"),
        ("b.a", "!<arch>\n"),
        ("c.rs", "fn main() {}"),
        ("libz.so", "SHARED"),
        ("libs.so", "/* a script */ GROUP ( b.a AS_NEEDED ( -lz ) )"),
    ]);
    let check = |line: &str, want: &str| assert_eq!(folder.plan(line), want);
    check("%a.o %c.rs --whole-archive %b.a", "main: object %a.o Rust %c.rs archive! %b.a -> []");
    check("%a.o -lz -L % --dylib libx.so.1", "main: object %a.o library %libz.so soname libx.so.1 -> []");
    check("%a.o -ls -L%", "main: object %a.o archive %b.a library? %libz.so -> []");
    check("%none.o", "cannot read `%none.o`: No such file or directory (os error 2)");
    check("%a.o --dylib %none.so", "cannot read `%none.so`: No such file or directory (os error 2)");
}

#[test]
fn dylibs_link_in_the_order_of_mention_or_as_they_say() {
    let folder = Folder::with(&[("a.o", "OBJECT"), ("b.o", "OBJECT"), ("c.o", "OBJECT")]);
    let check = |line: &str, want: &str| assert_eq!(folder.plan(line), want);
    check(
        "%a.o --jd p %b.o --jd q %c.o",
        "main: object %a.o -> [1, 2]; p: object %b.o -> [0, 2]; q: object %c.o -> [0, 1]",
    );
    check(
        "%a.o -lq --jd p %b.o -lmain --jd q %c.o --jd p %c.o",
        "main: object %a.o -> [2]; p: object %b.o object %c.o -> [0]; q: object %c.o -> [0, 1]",
    );
}

#[test]
fn scripts_that_cannot_be_read_are_named() {
    let folder = Folder::with(&[
        ("self.so", "INPUT ( self.so )"),
        ("odd.so", "\nMEMORY { }"),
        ("lost.so", "INPUT ( nowhere.so )"),
    ]);
    let check = |line: &str, want: &str| assert_eq!(folder.plan(line), want);
    check("%self.so", "linker script `%self.so` names itself, directly or through others");
    check(
        "%odd.so",
        "`%odd.so` has no ending of a source that can be compiled, and is no linker script: line 2: `MEMORY` is not understood; GROUP and INPUT are",
    );
    check("%lost.so", "cannot read `nowhere.so`: No such file or directory (os error 2)");
}
