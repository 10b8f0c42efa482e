//! What a static link finds without being told: `__dso_handle`, `atexit` and the other contents of
//! `libc_nonshared.a`, and the compiler's own support archives.

use crate::error::Error;
use crate::generator::{ArchiveMembers, DefinitionGenerator, ReadFile, Wanted};
use crate::session::Session;
use crate::state::DylibId;
use crate::turns::Turns;
use std::path::PathBuf;
use std::sync::Arc;
use uruk_jitlink::input::Input;

/// Defines, in a dylib's own support dylib, what neither its objects nor the process define.
pub struct SupportSymbols {
    /// Finds the archives; asked once, since it looks through folders.
    archives: fn() -> Vec<PathBuf>,
    read: Arc<ReadFile>,
    /// The archives, once something was missing for which they may help. One look-up at a time is served, so that no other
    /// one misses what this one is about to add.
    opened: Turns<Option<Arc<[ArchiveMembers]>>>,
}

impl SupportSymbols {
    /// The executor's support objects, then these archives, which are looked for when first needed.
    pub fn new(archives: fn() -> Vec<PathBuf>, read: Arc<ReadFile>) -> SupportSymbols {
        SupportSymbols { archives, read, opened: Turns::new(None) }
    }

    fn open_archives(&self, session: &Session) -> Arc<[ArchiveMembers]> {
        let archives = (self.archives)().into_iter().filter_map(|path| {
            let members = (self.read)(&path).and_then(|input| ArchiveMembers::new(session, input, self.read.clone()));
            members.map_err(|error| session.report(error)).ok()
        });
        archives.collect()
    }
}

impl DefinitionGenerator for SupportSymbols {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        let turn = self.opened.take();
        let mut missing = Vec::new();
        let mut inputs = Vec::new();
        for (name, required) in wanted.names {
            if session.defines(dylib, *name) {
                continue;
            }
            let text = session.names().bytes(*name);
            match session.executor().support_object(&text)? {
                Some(bytes) => {
                    let name = String::from_utf8_lossy(&text);
                    inputs.push(Input::from_bytes(format!("{name} (built in)"), bytes));
                }
                None if *required => missing.push((*name, true)),
                None => {}
            }
        }
        session.add_members(dylib, &inputs)?;
        missing.retain(|(name, _)| !crate::objects::is_linker_defined(&session.names().bytes(*name)));
        if missing.is_empty() {
            return Ok(());
        }
        let opened = turn.with(|opened| opened.clone()).unwrap_or_else(|| self.open_archives(session));
        turn.with(|known| *known = Some(opened.clone()));
        for archive in &*opened {
            archive.generate(session, dylib, Wanted { names: &missing, ..wanted })?;
        }
        Ok(())
    }

    fn name(&self) -> String {
        "the compiler's support libraries".into()
    }
}
