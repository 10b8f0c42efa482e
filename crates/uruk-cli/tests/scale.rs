//! Very many objects: all of them are linked, and they cost next to no mappings of the kernel's.

use std::path::Path;
use std::process::Command;

/// Compiles a source to an object.
fn compile(folder: &Path, name: &str, source: &str) -> Vec<u8> {
    std::fs::write(folder.join("source.c"), source).unwrap();
    let status = Command::new("cc").args(["-c", "-O1", "source.c", "-o", name]).current_dir(folder).status();
    assert!(status.unwrap().success());
    std::fs::read(folder.join(name)).unwrap()
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("what is to be replaced is there");
    bytes[at..at + from.len()].copy_from_slice(to);
}

/// Writes objects that each define one function, which returns its own number, and a variable.
fn write_objects(folder: &Path, count: usize) {
    let source = "int variable_00000 = 3; int function_00000(void) { return 0x12345678 + variable_00000; }";
    let template = compile(folder, "template.o", source);
    for number in 0..count {
        let mut bytes = template.clone();
        for kind in ["variable", "function"] {
            replace(&mut bytes, format!("{kind}_00000\0").as_bytes(), format!("{kind}_{number:05}\0").as_bytes());
        }
        replace(&mut bytes, &0x1234_5678_u32.to_le_bytes(), &(number as u32).to_le_bytes());
        std::fs::write(folder.join(format!("{number}.o")), bytes).unwrap();
    }
}

/// Links so many of the objects and a program that calls them all; gives its mappings.
fn mappings(folder: &Path, count: usize) -> usize {
    let declared: String = (0..count).map(|number| format!("int function_{number:05}(void);\n")).collect();
    let calls: String = (0..count).map(|number| format!("sum += function_{number:05}();\n")).collect();
    let source = format!(
        "#include <stdio.h>\n{declared}int main(void) {{ int character, lines = 0; long sum = 0;\n{calls}\
         FILE *maps = fopen(\"/proc/self/maps\", \"r\");\n\
         while ((character = fgetc(maps)) != EOF) lines += character == '\\n';\n\
         printf(\"%ld %d\", sum, lines); }}"
    );
    compile(folder, "main.o", &source);
    let objects: String = (0..count).map(|number| format!("{number}.o\n")).collect();
    std::fs::write(folder.join("objects"), objects).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_uruk"));
    let output = command.args(["run", "@objects", "main.o"]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    let (sum, lines) = shown.split_once(' ').unwrap();
    assert_eq!(sum, (count * (count - 1) / 2 + 3 * count).to_string());
    lines.parse().unwrap()
}

#[test]
fn ten_thousand_objects_take_few_mappings() {
    let folder = tempfile::tempdir().unwrap();
    write_objects(folder.path(), 10_000);
    let (one, many) = (mappings(folder.path(), 1), mappings(folder.path(), 10_000));
    assert!(many <= one + 20, "{many} lines in /proc/self/maps, {one} with one object");
}
