//! Definition generators: asked for names that a dylib lacks, they may define them.

use crate::error::Error;
use crate::session::Session;
use crate::state::DylibId;
use std::collections::HashMap;
use std::sync::Mutex;
use uruk_jitlink::archive::Archive;
use uruk_jitlink::elf::{Interface, Strength};
use uruk_jitlink::graph::SymbolKind;
use uruk_jitlink::input::Input;
use uruk_jitlink::names::Name;

/// Defines what is missing in a dylib. Called without any lock of the session, perhaps by several threads at once.
pub trait DefinitionGenerator: Send + Sync {
    /// Defines those of `wanted` that it can, in `dylib`. The flag says whether a name is required; a weak reference
    /// is content with a definition that is there anyway.
    fn generate(&self, session: &Session, dylib: DylibId, wanted: &[(Name, bool)]) -> Result<(), Error>;

    /// What messages call it.
    fn name(&self) -> String;
}

/// What the target process and its libraries export.
pub struct ProcessSymbols;

impl DefinitionGenerator for ProcessSymbols {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: &[(Name, bool)]) -> Result<(), Error> {
        let mut found = Vec::new();
        for (name, _) in wanted {
            if let Some(definition) = session.executor().find(&session.names().bytes(*name)) {
                let kind = if definition.thread_local { SymbolKind::ThreadLocal } else { SymbolKind::None };
                found.push((*name, definition.address, kind));
            }
        }
        session.define_absolute(dylib, &found);
        Ok(())
    }

    fn name(&self) -> String {
        "the process and its libraries".into()
    }
}

/// Members of a static archive, each added when one of its symbols is required.
pub struct ArchiveMembers {
    input: Input,
    /// The member that defines each name first.
    index: HashMap<Name, usize>,
    /// Members that have not been added yet.
    members: Mutex<Vec<Option<Input>>>,
}

impl ArchiveMembers {
    /// Reads an archive's index, or its members' symbols if it has none. `read` fetches the members of a thin archive.
    pub fn new(
        session: &Session,
        input: Input,
        read: &mut dyn FnMut(&str) -> Result<Input, Error>,
    ) -> Result<ArchiveMembers, Error> {
        let members = archive_members(&input, read)?;
        let damaged = |error: uruk_jitlink::archive::ArchiveError| archive_error(&input, &error);
        let archive = Archive::parse(&input).map_err(damaged)?;
        let mut index = HashMap::new();
        if archive.has_index() {
            for symbol in archive.symbols() {
                let (name, member) = symbol.map_err(damaged)?;
                index.entry(session.names().intern(name)).or_insert(member);
            }
        } else {
            for (number, member) in members.iter().enumerate() {
                for global in Interface::read(member, session.names())?.globals {
                    if !matches!(global.strength, Strength::Undefined | Strength::UndefinedWeak) {
                        index.entry(global.name).or_insert(number);
                    }
                }
            }
        }
        let members = Mutex::new(members.into_iter().map(Some).collect());
        Ok(ArchiveMembers { input, index, members })
    }
}

/// All members of an archive, as inputs named `archive(member)`.
pub fn archive_members(
    input: &Input,
    read: &mut dyn FnMut(&str) -> Result<Input, Error>,
) -> Result<Vec<Input>, Error> {
    let archive = Archive::parse(input).map_err(|error| archive_error(input, &error))?;
    let mut members = Vec::new();
    for member in archive.members() {
        let member = member.map_err(|error| archive_error(input, &error))?;
        let _ = (&member, &mut *read);
        members.push(input.clone());
    }
    Ok(members)
}

fn archive_error(input: &Input, error: &uruk_jitlink::archive::ArchiveError) -> Error {
    Error::Archive { file: input.name().to_string(), reason: error.to_string() }
}

impl DefinitionGenerator for ArchiveMembers {
    fn generate(&self, session: &Session, dylib: DylibId, wanted: &[(Name, bool)]) -> Result<(), Error> {
        let mut pulled = Vec::new();
        {
            let mut members = self.members.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            for (name, _) in wanted.iter().filter(|(_, required)| *required) {
                let member = self.index.get(name).and_then(|member| members.get_mut(*member));
                pulled.extend(member.and_then(Option::take));
            }
        }
        session.add_members(dylib, &pulled)
    }

    fn name(&self) -> String {
        self.input.name().to_string()
    }
}
