//! What a static link finds without being told: `__dso_handle`, `atexit` and the other contents of
//! `libc_nonshared.a`, and the compiler's own support archives.

use crate::error::Error;
use crate::generator::{ArchiveMembers, DefinitionGenerator, ReadFile, Wanted};
use crate::session::Session;
use crate::state::DylibId;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Name;

/// Defines, in a dylib's own support dylib, what neither its objects nor the process define.
pub struct SupportSymbols {
    /// Objects in memory that have not been added yet.
    objects: Mutex<HashMap<Name, Input>>,
    /// Finds the archives; asked once, since it looks through folders.
    archives: fn() -> Vec<PathBuf>,
    read: Arc<ReadFile>,
    /// The archives, once something was missing for which they may help.
    opened: OnceLock<Vec<ArchiveMembers>>,
}

impl SupportSymbols {
    /// The executor's support objects, then these archives, which are looked for when first needed.
    pub fn new(session: &Session, archives: fn() -> Vec<PathBuf>, read: Arc<ReadFile>) -> SupportSymbols {
        let objects = session.executor().support_objects().into_iter();
        let objects = objects.map(|(name, bytes)| {
            let input = Input::from_bytes(format!("{name} (built in)"), bytes);
            (session.names().intern(name.as_bytes()), input)
        });
        SupportSymbols { objects: Mutex::new(objects.collect()), archives, read, opened: OnceLock::new() }
    }

    fn archives(&self, session: &Session) -> &[ArchiveMembers] {
        self.opened.get_or_init(|| {
            let archives = (self.archives)().into_iter().filter_map(|path| {
                let members =
                    (self.read)(&path).and_then(|input| ArchiveMembers::new(session, input, self.read.clone()));
                members.map_err(|error| session.report(error)).ok()
            });
            archives.collect()
        })
    }
}

impl DefinitionGenerator for SupportSymbols {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: Wanted<'_>) -> Result<(), Error> {
        let mut missing = Vec::new();
        let mut inputs = Vec::new();
        {
            let mut objects = self.objects.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            for (name, required) in wanted.names {
                match objects.remove(name) {
                    Some(input) => inputs.push(input),
                    None if *required => missing.push((*name, true)),
                    None => {}
                }
            }
        }
        session.add_members(dylib, &inputs)?;
        missing.retain(|(name, _)| !crate::objects::is_linker_defined(&session.names().bytes(*name)));
        if missing.is_empty() {
            return Ok(());
        }
        for archive in self.archives(session) {
            archive.generate(session, dylib, Wanted { names: &missing, ..wanted })?;
        }
        Ok(())
    }

    fn name(&self) -> String {
        "the compiler's support libraries".into()
    }
}
