//! Textual CLIF: a file of functions, as Cranelift's own tests have them.
//!
//! Functions are `function %name(…) … { … }`; `test` and `set` commands and comments say nothing here. A file with
//! `target` lines is for one of these targets. Instructions without source locations get their lines, so that
//! debuggers show the text.

use crate::error::Error;
use crate::function::{Function, Source};
use cranelift_codegen::ir::entities::AnyEntity;
use cranelift_codegen::ir::{self, SourceLoc, UserFuncName};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use cranelift_reader::{Details, IsaSpec, ParseOptions, TestFile};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Reads the functions of a text, which messages call `file`, to be compiled for `isa`.
pub fn read(file: &str, text: &str, isa: &dyn TargetIsa) -> Result<Vec<Function>, Error> {
    check_architecture(file, text, isa)?;
    let options =
        ParseOptions { default_calling_convention: CallConv::triple_default(isa.triple()), ..ParseOptions::default() };
    // The parser was made for tests of Cranelift, and takes some mistakes for its own.
    let parsed = catch_unwind(AssertUnwindSafe(|| cranelift_reader::parse_test(text, options)));
    let syntax = |line, message| Error::Syntax { file: file.into(), line, message };
    let TestFile { functions, isa_spec, .. } = match parsed {
        Ok(parsed) => parsed.map_err(|error| syntax(error.location.line_number, error.message))?,
        Err(_) => return Err(syntax(0, "Cranelift's parser panicked".into())),
    };
    check_features(file, &isa_spec, isa)?;
    let shared: Arc<str> = file.into();
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut read = Vec::with_capacity(functions.len());
    for (body, details) in functions {
        let line = details.location.line_number;
        let function = function(body, &details, &shared);
        if let Some(first) = first.insert(function.name.clone(), line) {
            return Err(Error::Twice { file: file.into(), line, function: function.name, first });
        }
        read.push(function);
    }
    Ok(read)
}

fn function(mut body: ir::Function, details: &Details<'_>, file: &Arc<str>) -> Function {
    let name = match &body.name {
        UserFuncName::Testcase(name) => String::from_utf8_lossy(name.raw()).into_owned(),
        UserFuncName::User(name) => format!("u{}:{}", name.namespace, name.index),
    };
    let instructions: Vec<_> = body.layout.blocks().flat_map(|block| body.layout.block_insts(block)).collect();
    let lines = instructions.iter().all(|instruction| body.srcloc(*instruction).is_default());
    for instruction in instructions.into_iter().filter(|_| lines) {
        if let Some(location) = details.map.location(AnyEntity::Inst(instruction)) {
            body.set_srcloc(instruction, SourceLoc::new(location.line_number as u32));
        }
    }
    let source = Source { file: file.clone(), line: details.location.line_number as u32, lines };
    Function { source: Some(source), ..Function::new(name, body) }
}

/// Errors if the text has `target` lines and none of them is for this architecture.
fn check_architecture(file: &str, text: &str, isa: &dyn TargetIsa) -> Result<(), Error> {
    let commands = text.lines().take_while(|line| !line.trim_start().starts_with("function"));
    let targets: Vec<&str> = commands.filter_map(|line| line.trim_start().strip_prefix("target ")).collect();
    let own = isa.triple().architecture.to_string();
    let matches = |target: &&str| {
        let triple = target.split_whitespace().next().unwrap_or_default();
        triple.split('-').next() == Some(own.as_str())
    };
    match targets.first() {
        Some(first) if !targets.iter().any(matches) => Err(Error::Target {
            file: file.into(),
            wanted: first.trim().into(),
            host: isa.triple().to_string(),
            hint: "add a `target` line for this machine, or leave them all out",
        }),
        _ => Ok(()),
    }
}

/// Errors if the text has `target` lines and each asks for something that this machine lacks.
fn check_features(file: &str, wanted: &IsaSpec, isa: &dyn TargetIsa) -> Result<(), Error> {
    let IsaSpec::Some(wanted) = wanted else { return Ok(()) };
    let enabled = |isa: &dyn TargetIsa| -> Vec<&'static str> {
        let flags = isa.isa_flags();
        let enabled = flags.iter().filter(|flag| flag.as_bool() == Some(true) && flag.name.starts_with("has_"));
        enabled.map(|flag| flag.name).collect()
    };
    let own = enabled(isa);
    let missing = |wanted: &dyn TargetIsa| -> Option<&'static str> {
        enabled(wanted).into_iter().find(|feature| !own.contains(feature))
    };
    let mut absent = None;
    for wanted in wanted {
        match missing(&**wanted) {
            None => return Ok(()),
            Some(feature) => absent = Some(feature),
        }
    }
    let Some(feature) = absent else { return Ok(()) };
    Err(Error::Target {
        file: file.into(),
        wanted: format!("a machine with `{feature}`"),
        host: isa.triple().to_string(),
        hint: "this machine lacks it; run it elsewhere, or write another `target` line",
    })
}
