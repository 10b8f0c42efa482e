//! The system, in memory and frozen.

use crate::support::{Compiled, Machine, run};
use crate::{compiler, forms, world};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use uruk::Jit;
use uruk_image::{Code, ElfKind, ElfOptions, Mappings, Memory, write_elf, write_object};

const HEADER: &str = include_str!("runtime.h");
const HEAP: &str = include_str!("heap.c");
const SCHEME: &str = include_str!("scheme.c");
const PRELUDE: &str = include_str!("prelude.scm");
const SCRIPT: &str = include_str!("script.scm");
const EXPECTED: &str = include_str!("expected.txt");

/// The system with its prelude, wherever it runs.
pub struct Scheme {
    compiled: Compiled,
    jit: Jit,
    machine: Machine,
    folder: tempfile::TempDir,
}

impl Scheme {
    pub fn start(machine: Machine, jit: Jit) -> Scheme {
        let folder = tempfile::tempdir().unwrap();
        let [script, output] = ["script", "output"].map(|name| folder.path().join(name));
        fs::write(&script, SCRIPT).unwrap();
        let forms = forms::read(PRELUDE);
        let forms: Vec<_> = forms.iter().enumerate().map(|(number, form)| compiler::compile(number, form)).collect();
        let constants: String = forms.iter().map(|form| form.constants.clone() + " ").collect();
        let texts = format!(
            "const char constants[] = {constants:?}, script_file[] = {script:?}, output_file[] = {output:?};\n"
        );
        let source = |text: &str| text.replace("#include \"runtime.h\"", HEADER);
        let sources = [("heap.c", &*source(HEAP)), ("scheme.c", &*source(SCHEME)), ("texts.c", &*texts)];
        let flags = ["-O1", "-fPIC", "-ffunction-sections", "-fdata-sections"];
        let compiled = Compiled::for_machine(machine, &sources, &flags);
        jit.main().add_objects(&compiled.inputs()).unwrap();
        let scheme = Scheme { compiled, jit, machine, folder };
        scheme.call("scheme_start", &[]);
        for (number, form) in forms.iter().enumerate() {
            let name = format!("form_{number}");
            scheme.jit.main().add_clif(&name, &form.clif).unwrap_or_else(|error| panic!("{error}\n{}", form.clif));
            let function = scheme.jit.main().address(&name).unwrap();
            assert_eq!(scheme.call("scheme_run", &[number as u64, function]), 1, "{name}");
        }
        scheme
    }

    fn call(&self, name: &str, arguments: &[u64]) -> u64 {
        // SAFETY: the runtime's functions take and return what the tests give them and ask for.
        unsafe { self.jit.main().call(name, arguments).unwrap_or_else(|error| panic!("{name}: {error}")) }
    }

    /// Where the latest symbol is.
    pub fn first_object(&self, memory: &dyn Memory) -> u64 {
        world::word(memory, self.jit.main().find("symbols").unwrap())
    }

    /// What the system answers in memory. It goes on from there.
    fn answer(&self) -> String {
        self.call("scheme_answer", &[]);
        fs::read_to_string(self.folder.path().join("output")).unwrap()
    }

    /// Freezes the system as programs: one that lies wherever it is put, one with an address of its own, and one that the compiler's linker
    /// makes of an object.
    pub fn freeze(&self, memory: &dyn Memory, mappings: &Mappings) -> Vec<PathBuf> {
        let world = world::describe(&self.jit, memory);
        let closure = world.trace(&["symbols", "machine"], memory, None).unwrap();
        let mut code = Code::of(self.jit.session(), &[self.jit.main().id()]).unwrap();
        code.connect(&closure).unwrap();
        assert_eq!(closure.prove(&world, &code, mappings), []);
        assert_eq!(code.take_values(memory, mappings).unwrap(), []);
        let data = closure.to_graph(&world, "the data", self.machine.format, &code).unwrap();
        let graphs = [code.into_graphs(), vec![data]].concat();
        let libraries = self.machine.libraries(&["libc.so.6"]);
        let roots = ["main".to_owned()];
        let write = |address: Option<u64>| {
            let kind = ElfKind::Executable { main: "main".into(), address };
            let options = ElfOptions { kind, roots: Some(&roots), ..ElfOptions::executable("main", &libraries) };
            let image = write_elf(graphs.clone(), &options).unwrap();
            let has = |text: &str| image.windows(text.len()).any(|bytes| bytes == text.as_bytes());
            assert!(has("hello, world") && has("add-seven-twice") && !has("a string that nobody keeps"));
            self.compiled.write(if address.is_some() { "fixed" } else { "program" }, &image)
        };
        let object = write_object(&graphs.iter().collect::<Vec<_>>()).unwrap();
        let linked = self.machine.link(&self.compiled.write("program.o", &object));
        vec![write(None), write(Some(0x80_0000)), linked]
    }

    /// The system frozen, and what it then does.
    pub fn check(&self, memory: &dyn Memory, mappings: &Mappings) {
        let programs = self.freeze(memory, mappings);
        assert_eq!(self.answer(), EXPECTED, "in memory");
        for program in programs {
            let script = File::open(self.folder.path().join("script")).unwrap();
            let output = run(self.machine.program(&program).stdin(script));
            assert_eq!((output.text.as_str(), output.status), (EXPECTED, Some(0)), "{program:?}: {}", output.errors);
            assert_eq!(needed(&program), ["libc.so.6"]);
        }
    }
}

/// The libraries that a program asks for.
fn needed(program: &Path) -> Vec<String> {
    let output = run(Command::new("readelf").arg("-dW").arg(program));
    let needed = output.text.lines().filter(|line| line.contains("(NEEDED)"));
    needed.filter_map(|line| Some(line.split_once('[')?.1.trim_end_matches(']').to_owned())).collect()
}
