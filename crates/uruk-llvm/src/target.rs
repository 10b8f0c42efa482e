//! What is compiled for, and how: triple, processor, code model, passes.

use crate::error::Error;
use crate::mangling::Mangling;
use crate::native;
use crate::{ThreadSafeModule, values};
use inkwell::targets::{InitializationConfig, Target as Backend, TargetMachine, TargetTriple};
use std::sync::OnceLock;
use uruk_orc::executor::Processor;

/// The processor whose instructions may be used.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub enum Cpu {
    /// That of this machine, with all that it can do.
    #[default]
    Host,
    /// The oldest of its kind.
    Generic,
    /// One that LLVM knows by this name.
    Named(String),
}

/// How far apart code and data may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum CodeModel {
    /// The target's usual one: 32-bit distances. Uruk places memory so, and mends what is out of reach.
    #[default]
    Default,
    /// 32-bit distances.
    Small,
    /// The low or the high 2 GiB, as in a kernel.
    Kernel,
    /// Large data may be far.
    Medium,
    /// Everything may be far.
    Large,
}

/// How much the code generator does for fast code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Level {
    /// As `-O0`.
    None,
    /// As `-O1`.
    Less,
    /// As `-O2`.
    #[default]
    Default,
    /// As `-O3`.
    Aggressive,
}

/// How modules are compiled. The default is what LLVM's own JIT does: for this machine, without passes over the IR.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Options {
    /// The target, this process's own if not said.
    pub triple: Option<String>,
    /// The processor.
    pub cpu: Cpu,
    /// More features of the processor, or fewer: `+avx2,-bmi`.
    pub features: String,
    /// How far apart code and data may lie.
    pub code_model: CodeModel,
    /// What the code generator does.
    pub level: Level,
    /// Passes over the IR that come before, in the form of `opt -passes`: `default<O2>`.
    pub passes: Option<String>,
}

impl Options {
    /// What a compiler driver does for `-O0`, `-O1`, `-O2`, `-O3`, `-Os` and `-Oz`, given by their last letter.
    pub fn optimized(letter: char) -> Option<Options> {
        let level = match letter {
            '0' => return Some(Options { level: Level::None, ..Options::default() }),
            '1' => Level::Less,
            '2' | 's' | 'z' => Level::Default,
            '3' => Level::Aggressive,
            _ => return None,
        };
        Some(Options { level, passes: Some(format!("default<O{letter}>")), ..Options::default() })
    }

    /// The same for another machine, with all that it can do.
    pub fn for_processor(self, processor: &Processor) -> Options {
        // Where LLVM has another name than Rust.
        let name = |feature| match feature {
            "bmi1" => "bmi",
            "cmpxchg16b" => "cx16",
            "pclmulqdq" => "pclmul",
            "fp16" => "fullfp16",
            "paca" => "pauth",
            feature => feature,
        };
        let features =
            processor.features.iter().map(|feature| format!("+{}", name(feature))).collect::<Vec<_>>().join(",");
        Options { triple: Some(processor.triple()), cpu: Cpu::Generic, features, ..self }
    }
}

/// A target that LLVM can compile for, with how it lays out data.
#[derive(Clone, Debug)]
pub struct Target {
    options: Options,
    triple: String,
    cpu: String,
    features: String,
    layout: String,
}

/// LLVM's back ends have to be registered once in a process.
fn initialize() -> Result<(), String> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    DONE.get_or_init(|| {
        let all = InitializationConfig::default();
        Backend::initialize_x86(&all);
        Backend::initialize_aarch64(&all);
        Backend::initialize_riscv(&all);
        Backend::initialize_native(&all)
    })
    .clone()
}

impl Target {
    /// Errors if LLVM cannot compile for what the options say.
    pub fn new(options: Options) -> Result<Target, Error> {
        let host = TargetMachine::get_default_triple().as_str().to_string_lossy().into_owned();
        let triple = options.triple.clone().unwrap_or(host);
        let refuse = |message| Error::Target { triple: triple.clone(), message };
        initialize().map_err(refuse)?;
        let (cpu, mut features) = match &options.cpu {
            Cpu::Host => {
                (TargetMachine::get_host_cpu_name().to_string(), TargetMachine::get_host_cpu_features().to_string())
            }
            Cpu::Generic => (String::new(), String::new()),
            Cpu::Named(name) => (name.clone(), String::new()),
        };
        if !options.features.is_empty() {
            features = [features, options.features.clone()].join(",").trim_start_matches(',').to_owned();
        }
        let mut target = Target { options, triple, cpu, features, layout: String::new() };
        let data = target.machine()?.get_target_data();
        target.layout = data.get_data_layout().as_str().to_string_lossy().into_owned();
        Ok(target)
    }

    /// What it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Its triple.
    pub fn triple(&self) -> &str {
        &self.triple
    }

    /// Its data layout.
    pub fn layout(&self) -> &str {
        &self.layout
    }

    /// How it spells names.
    pub fn mangling(&self) -> Mangling {
        Mangling::of(&self.layout)
    }

    /// All that decides what an object looks like, for the keys of caches.
    pub fn fingerprint(&self) -> String {
        let Options { code_model, level, passes, .. } = &self.options;
        let (triple, cpu, features) = (&self.triple, &self.cpu, &self.features);
        format!("llvm {} {triple} {cpu} {features} {code_model:?} {level:?} {passes:?}", crate::version())
    }

    /// A code generator for it, to be used by one thread at a time.
    pub(crate) fn machine(&self) -> Result<TargetMachine, Error> {
        let refuse = |message| Error::Target { triple: self.triple.clone(), message };
        // As `llvm::CodeModel::Model` counts them.
        let code_model = match self.options.code_model {
            CodeModel::Default => None,
            CodeModel::Small => Some(1),
            CodeModel::Kernel => Some(2),
            CodeModel::Medium => Some(3),
            CodeModel::Large => Some(4),
        };
        native::machine(&self.triple, &self.cpu, &self.features, code_model, self.options.level as i32).map_err(refuse)
    }

    /// Gives a module this target if it has none. Errors if it has another one.
    #[allow(unsafe_code)]
    pub fn prepare(&self, module: &ThreadSafeModule) -> Result<(), Error> {
        let (triple, layout) = module.inspect(|ir| {
            // SAFETY: the module is locked while this runs.
            unsafe { values::default_target(ir.as_mut_ptr(), &self.triple, &self.layout) }
        });
        let module = || module.name().to_owned();
        if !same_target(&triple, &self.triple) {
            return Err(Error::WrongTriple { module: module(), found: triple, wanted: self.triple.clone() });
        }
        if layout != self.layout {
            let (triple, wanted) = (self.triple.clone(), self.layout.clone());
            return Err(Error::WrongLayout { module: module(), found: layout, triple, wanted });
        }
        Ok(())
    }
}

/// Whether code for one triple runs on the other: their machines and systems are the same, whatever the vendor and the
/// environment (`x86_64-pc-linux-gnu`, `x86_64-unknown-linux-musl`).
fn same_target(one: &str, other: &str) -> bool {
    let parts = |triple: &str| {
        let normal = TargetMachine::normalize_triple(&TargetTriple::create(triple));
        let normal = normal.as_str().to_string_lossy().into_owned();
        let mut parts = normal.split('-').map(str::to_owned);
        let (machine, _vendor, system) = (parts.next(), parts.next(), parts.next());
        // The version of a system, as in `macosx14.0`, decides nothing here.
        (machine, system.map(|system| system.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned()))
    };
    parts(one) == parts(other)
}

#[cfg(test)]
mod tests {
    use super::same_target;

    #[test]
    fn machine_and_system_decide() {
        assert!(same_target("x86_64-pc-linux-gnu", "x86_64-unknown-linux-musl"));
        assert!(same_target("x86_64-linux-gnu", "x86_64-pc-linux-gnu"));
        assert!(same_target("arm64-apple-macosx14.0.0", "arm64-apple-macosx"));
        assert!(!same_target("aarch64-unknown-linux-gnu", "x86_64-pc-linux-gnu"));
        assert!(!same_target("x86_64-pc-windows-msvc", "x86_64-pc-linux-gnu"));
    }
}
