//! What compilers of a JIT are told, and what they make: objects of sources and of LLVM IR.

use crate::error::{Failure, uruk_status};
use crate::ir::Ir;
use crate::jit::uruk_options;
use std::sync::Arc;
use uruk::Input;
use uruk::cache::ObjectCache;
use uruk::uruk_cc::{self, Flags, Folder, Language, Toolchain};
use uruk::uruk_cranelift::{OptLevel, Options};
use uruk_orc::executor::Processor;

/// Compilers leave code as it is written, as with `-O0`.
pub const URUK_OPTIMIZE_NONE: u32 = 1;

/// Compilers do what takes little time, as with `-O1`.
pub const URUK_OPTIMIZE_LITTLE: u32 = 2;

/// Compilers do what is mostly worth its time, as with `-O2`.
pub const URUK_OPTIMIZE_MUCH: u32 = 3;

/// Compilers do whatever they can, as with `-O3`.
pub const URUK_OPTIMIZE_MOST: u32 = 4;

/// Compilers make small code, as with `-Os`.
pub const URUK_OPTIMIZE_SIZE: u32 = 5;

/// What compiles sources and LLVM IR for a JIT.
#[derive(Default)]
pub(crate) struct Compilers {
    /// The letter behind `-O`, if anything was said.
    optimize: Option<char>,
    toolchain: Toolchain,
    pub ir: Arc<Ir>,
}

impl Compilers {
    /// As options say, for this processor if code runs elsewhere.
    pub fn new(
        options: &uruk_options,
        processor: Option<Processor>,
        cache: Option<Arc<dyn ObjectCache>>,
    ) -> Result<Compilers, Failure> {
        let optimize = letter(options.optimize)?;
        let count = options.compiler_flag_count as usize;
        let flags = options.compiler_flags.get(count, "uruk_options: compiler_flags")?.iter();
        let flags = flags.map(|flag| Ok(flag.get("a compiler flag")?.into()));
        let c = flags.collect::<Result<Vec<_>, Failure>>()?;
        let flags = Flags { optimize: optimize.map(|letter| letter.to_string().into()), c, ..Flags::default() };
        let toolchain = Toolchain { flags, ..Toolchain::default() };
        Ok(Compilers { optimize, toolchain, ir: Arc::new(Ir::new(optimize, processor, cache)) })
    }

    /// The same for a JIT that compiles by itself.
    pub fn tell(&self, builder: uruk::Builder) -> uruk::Builder {
        let builder = builder.toolchain(self.toolchain.clone()).translator(self.ir.clone());
        let opt_level = match self.optimize {
            None => return builder,
            Some('0') => OptLevel::None,
            Some('s') => OptLevel::SpeedAndSize,
            Some(_) => OptLevel::Speed,
        };
        builder.cranelift_options(Options { opt_level, ..Options::default() })
    }

    /// The object of a text in a language, which is called by the ending that files in it have.
    pub fn object(&self, ending: &str, name: &str, text: &[u8]) -> Result<Input, Failure> {
        if let "ll" | "bc" = ending {
            let object = self.ir.object(&Input::from_bytes(name, text.to_vec()))?;
            // By the ending of its name it would be taken for IR once more.
            return Ok(Input::from_bytes(format!("{name}.o"), object.to_vec()));
        }
        let language = Language::of(ending);
        let language = language.ok_or_else(|| Failure::invalid(format!("`{ending}` is no language's ending")))?;
        Ok(Input::from_bytes(name, self.compile(language, ending, name, text)?))
    }

    /// Where the language has a way to say it, compilers and debuggers call the source by its name.
    fn compile(&self, language: Language, ending: &str, name: &str, text: &[u8]) -> Result<Vec<u8>, Failure> {
        let failed = |error: uruk_cc::Error| Failure::new(uruk_status::URUK_COMPILE, error.to_string());
        let folder = Folder::new().map_err(failed)?;
        let source = folder.path().join(format!("source.{ending}"));
        let file =
            |error: std::io::Error| Failure::new(uruk_status::URUK_FILE, format!("{}: {error}", source.display()));
        let line = match ending {
            "c" | "cc" | "cpp" | "cxx" | "C" => format!("#line 1 {name:?}\n"),
            _ => String::new(),
        };
        std::fs::write(&source, [line.as_bytes(), text].concat()).map_err(file)?;
        let job = folder.job(&source, language);
        self.toolchain.compile(&job).map_err(failed)?;
        std::fs::read(&job.object).map_err(file)
    }
}

/// The letter behind `-O`, if anything was said.
fn letter(optimize: u32) -> Result<Option<char>, Failure> {
    Ok(Some(match optimize {
        0 => return Ok(None),
        URUK_OPTIMIZE_NONE => '0',
        URUK_OPTIMIZE_LITTLE => '1',
        URUK_OPTIMIZE_MUCH => '2',
        URUK_OPTIMIZE_MOST => '3',
        URUK_OPTIMIZE_SIZE => 's',
        other => return Err(Failure::invalid(format!("uruk_options: {other} is not how much compilers optimise"))),
    }))
}
