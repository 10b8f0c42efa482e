//! What a static link finds without being told: `__dso_handle`, `atexit` and the other contents of
//! `libc_nonshared.a`, and the compiler's own support archives.

use crate::claims::Claims;
use crate::error::Error;
use crate::generator::{ArchiveMembers, DefinitionGenerator, ReadFile, Wanted};
use crate::session::Session;
use crate::state::DylibId;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use uruk_executor::at_fork;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Name;

/// Defines, in a dylib's own support dylib, what neither its objects nor the process define.
pub struct SupportSymbols {
    /// Names whose objects in memory have been added.
    added: Arc<Claims<Name>>,
    /// Finds the archives; asked once, since it looks through folders.
    archives: fn() -> Vec<PathBuf>,
    read: Arc<ReadFile>,
    /// The archives, once something was missing for which they may help.
    opened: Arc<Mutex<Option<Arc<[ArchiveMembers]>>>>,
}

impl SupportSymbols {
    /// The executor's support objects, then these archives, which are looked for when first needed.
    pub fn new(archives: fn() -> Vec<PathBuf>, read: Arc<ReadFile>) -> SupportSymbols {
        let opened = at_fork::hold_while_alive(Mutex::default());
        SupportSymbols { added: Claims::new(), archives, read, opened }
    }

    fn archives(&self, session: &Session) -> Arc<[ArchiveMembers]> {
        let opened = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(archives) = &*opened() {
            return archives.clone();
        }
        let archives = (self.archives)().into_iter().filter_map(|path| {
            let members = (self.read)(&path).and_then(|input| ArchiveMembers::new(session, input, self.read.clone()));
            members.map_err(|error| session.report(error)).ok()
        });
        let archives = archives.collect();
        // Another thread may have been faster; its archives count then.
        opened().get_or_insert(archives).clone()
    }
}

impl DefinitionGenerator for SupportSymbols {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        let mut missing = Vec::new();
        let (mut claimed, mut inputs) = (Vec::new(), Vec::new());
        for (name, required) in wanted.names {
            let text = session.names().bytes(*name);
            match session.executor().support_object(&text).filter(|_| self.added.claim(*name)) {
                Some(bytes) => {
                    claimed.push(*name);
                    inputs.push(Input::from_bytes(format!("{} (built in)", String::from_utf8_lossy(&text)), bytes));
                }
                None if *required => missing.push((*name, true)),
                None => {}
            }
        }
        let added = session.add_members(dylib, &inputs);
        self.added.settle(claimed);
        added?;
        missing.retain(|(name, _)| !crate::objects::is_linker_defined(&session.names().bytes(*name)));
        if missing.is_empty() {
            return Ok(());
        }
        for archive in &*self.archives(session) {
            archive.generate(session, dylib, Wanted { names: &missing, ..wanted })?;
        }
        Ok(())
    }

    fn name(&self) -> String {
        "the compiler's support libraries".into()
    }
}
