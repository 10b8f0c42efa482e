//! What Cranelift compiles for: this machine with all its features, if not another one.

use crate::error::Error;
use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable};
use uruk_orc::executor::Processor;

/// How much Cranelift does to make code fast.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum OptLevel {
    /// As little as possible, so that code is there soon.
    None,
    /// What makes code fast.
    #[default]
    Speed,
    /// What makes code fast and small.
    SpeedAndSize,
}

/// Settings of a compiler.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much is optimised.
    pub opt_level: OptLevel,
    /// Functions are checked before they are compiled, and wrong ones are errors. What is not checked and wrong may
    /// make Cranelift panic, which fails the unit.
    pub verify: bool,
    /// Code comes with the lines that its source locations stand for, for debuggers.
    pub debug_info: bool,
    /// Cranelift's own settings, of all machines and of this one, by name.
    pub settings: Vec<(String, String)>,
    /// The machine that code is for, if it is not this one. The feature `cross` has code generators for others.
    pub processor: Option<Processor>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            opt_level: OptLevel::default(),
            verify: true,
            debug_info: false,
            settings: Vec::new(),
            processor: None,
        }
    }
}

impl Options {
    /// The description of the machine that Cranelift compiles for.
    pub fn isa(&self) -> Result<OwnedTargetIsa, Error> {
        let mut flags = settings::builder();
        let opt_level = match self.opt_level {
            OptLevel::None => "none",
            OptLevel::Speed => "speed",
            OptLevel::SpeedAndSize => "speed_and_size",
        };
        let verify = if self.verify { "true" } else { "false" };
        // The linker makes what code needs to reach far, so that the shortest form is right everywhere.
        let code = [("is_pic", "false"), ("probestack_strategy", "inline")];
        for (name, value) in [("opt_level", opt_level), ("enable_verifier", verify)].into_iter().chain(code) {
            set(&mut flags, name, value)?;
        }
        let mut isa = match &self.processor {
            None => cranelift_native::builder().map_err(|error| refused("this machine".into(), error))?,
            Some(processor) => builder(processor)?,
        };
        let is_windows = isa.triple().to_string().contains("windows");
        set(&mut flags, "tls_model", if is_windows { "coff" } else { "elf_gd" })?;
        for (name, value) in &self.settings {
            let known = set(&mut flags, name, value);
            if known.is_err() && set(&mut isa, name, value).is_err() {
                known?;
            }
        }
        let machine = isa.triple().to_string();
        isa.finish(settings::Flags::new(flags)).map_err(|error| refused(machine, error))
    }
}

/// What describes another machine, with all its features that Cranelift has heard of.
fn builder(processor: &Processor) -> Result<isa::Builder, Error> {
    let triple = processor.triple();
    let mut isa = isa::lookup_by_name(&triple).map_err(|error| {
        refused(triple, format!("{error}; the feature `cross` (`cranelift-cross` of `uruk`) adds code generators"))
    })?;
    for feature in &processor.features {
        let name = match &**feature {
            "paca" => "pauth".into(),
            feature => feature.replace('.', ""),
        };
        // Not all that processors can do is of use to it.
        _ = isa.enable(&format!("has_{name}"));
    }
    Ok(isa)
}

fn refused(machine: String, error: impl ToString) -> Error {
    Error::Machine { machine, message: error.to_string() }
}

fn set(flags: &mut impl Configurable, name: &str, value: &str) -> Result<(), Error> {
    flags.set(name, value).map_err(|error| Error::Setting {
        name: name.into(),
        value: value.into(),
        message: error.to_string(),
    })
}
