//! Keeps a process that runs code which nobody trusts from everything but computing: it reads the system's libraries, has the
//! standard streams and the connection that it was given, and nothing else.
//!
//! Data flow: [`enter`] → no new privileges → Landlock (files, ports, signals and sockets of others) → seccomp (system calls);
//! then the connection is served. Each layer alone refuses writing files and reaching other processes.
//! Invariant: what is in force counts for all threads and children of this one, for good; it is set up before others exist.
//! A system that cannot do all of it refuses the sandbox, and the executor does not start.
//! Sources: landlock(7), seccomp(2), prctl(2).

mod calls;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, apply_filter};
use std::collections::BTreeMap;
use std::path::Path;

/// The interface of Landlock with all that is used here; Linux 6.12 has it.
const NEEDED: ABI = ABI::V6;

/// What programs and the loader read and execute.
const LIBRARIES: [&str; 4] = ["/usr", "/lib", "/lib64", "/etc/alternatives"];

/// What else they read: where libraries are, what time it is here, and what this process is.
const FILES: [&str; 5] = ["/etc/ld.so.cache", "/etc/localtime", "/dev/urandom", "/dev/random", "/proc/self"];

/// What they also write.
const SINKS: [&str; 2] = ["/dev/null", "/dev/zero"];

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The files and ports could not be restricted.
    #[error("cannot restrict files and ports; the system needs Landlock of Linux 6.12: {0}")]
    Landlock(#[from] landlock::RulesetError),
    /// The system calls could not be.
    #[error("cannot restrict system calls: {0}")]
    Calls(#[from] seccompiler::Error),
}

impl From<seccompiler::BackendError> for SandboxError {
    fn from(error: seccompiler::BackendError) -> Self {
        SandboxError::Calls(error.into())
    }
}

/// Restricts this thread, and all that it starts from now on.
pub(super) fn enter() -> Result<(), SandboxError> {
    restrict_files()?;
    let error = |number: i32| SeccompAction::Errno(number as u32);
    // What this call is told is in memory, where no filter sees it. Without it the C library makes threads by an older one,
    // but only if it seems not to exist: so the second filter allows it.
    filter(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), SeccompAction::Allow, error(libc::ENOSYS))?;
    filter(calls::allowed()?, error(libc::EPERM), SeccompAction::Allow)
}

fn filter(
    calls: BTreeMap<i64, Vec<SeccompRule>>,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<(), SandboxError> {
    let filter = SeccompFilter::new(calls, others, these, std::env::consts::ARCH.try_into()?)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(apply_filter(&program)?)
}

fn restrict_files() -> Result<(), SandboxError> {
    let reading = AccessFs::from_read(NEEDED);
    let of_file = AccessFs::ReadFile | AccessFs::WriteFile;
    let rules = LIBRARIES.map(|path| (path, reading)).into_iter();
    let rules = rules.chain(FILES.map(|path| (path, AccessFs::ReadFile | AccessFs::ReadDir)));
    let rules = rules.chain(SINKS.map(|path| (path, of_file)));
    // What is not there need not be allowed; a file is not read as a folder.
    let rules = rules.filter_map(|(path, access)| {
        let folder = Path::new(path).is_dir();
        let access = if folder { access } else { access & AccessFs::from_file(NEEDED) };
        Some(Ok::<_, landlock::RulesetError>(PathBeneath::new(PathFd::new(path).ok()?, access)))
    });
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(NEEDED))?
        .handle_access(AccessNet::from_all(NEEDED))?
        .scope(Scope::from_all(NEEDED))?
        .create()?
        .add_rules(rules)?
        .restrict_self()?;
    Ok(())
}
