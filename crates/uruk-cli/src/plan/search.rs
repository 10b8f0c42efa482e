//! Where libraries are: the folders of `-L`, then the system's. In each folder a shared library goes before an archive;
//! libraries for other machines are passed over, as linkers do.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::detect::{Machine, detect};
use crate::{Error, near, text};

/// What the file of `-l NAME` is called, in the order in which linkers try: what stands before the name and behind it.
const NAMES: &[(&str, &str)] = if cfg!(windows) {
    &[("lib", ".dll.a"), ("", ".dll.a"), ("lib", ".a"), ("", ".lib")]
} else {
    &[("lib", ".so"), ("lib", ".a")]
};

/// Where Debian, Fedora and the file system standard keep libraries, in the order in which gcc looks.
/// Windows has no such place.
const SYSTEM: &[&str] = if cfg!(windows) {
    &[]
} else {
    &[
        "/usr/local/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/lib/x86_64-linux-gnu",
        "/usr/lib64",
        "/lib64",
        "/usr/lib",
        "/lib",
    ]
};

/// Where gcc keeps its own libraries (`libstdc++`, `libgcc`, `libgfortran`), a folder each version.
const GCC: &[&str] = if cfg!(windows) {
    &[]
} else {
    &["/usr/lib/gcc/x86_64-linux-gnu", "/usr/lib/gcc/x86_64-redhat-linux", "/usr/lib/gcc/x86_64-pc-linux-gnu"]
};

/// The folders in which libraries are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    folders: Vec<PathBuf>,
}

impl Search {
    /// The given folders, then those of the system that exist.
    pub fn new(first: &[PathBuf]) -> Search {
        let mut folders = first.to_vec();
        // On many systems /lib is another name of /usr/lib; nobody wants to read both in a message.
        let mut seen = Vec::new();
        for folder in SYSTEM.iter().map(PathBuf::from).chain(gcc_folder()) {
            let Ok(real) = folder.canonicalize() else { continue };
            if !seen.contains(&real) {
                seen.push(real);
                folders.push(folder);
            }
        }
        Search { folders }
    }

    /// The folders, in order.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The file of `-l NAME` or `-l :FILE`. Errors if no folder has it, with what else is there.
    pub fn library(&self, name: &OsStr) -> Result<PathBuf, Error> {
        let names = match name.as_encoded_bytes().strip_prefix(b":") {
            Some(file) => vec![text::from_bytes(file.to_vec())],
            None => NAMES.iter().map(|around| file_name(name, *around)).collect(),
        };
        let candidates = self.folders.iter().flat_map(|folder| names.iter().map(move |name| folder.join(name)));
        candidates.into_iter().find(|path| is_usable(path)).ok_or_else(|| self.missing(name, &names))
    }

    /// A file by its name alone, as linker scripts give it.
    pub fn file(&self, name: &Path) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }

    fn missing(&self, name: &OsStr, names: &[OsString]) -> Error {
        let files = names.iter().map(|name| name.display().to_string()).collect::<Vec<_>>().join(" or ");
        let wanted = format!("-l{} ({files})", name.display());
        Error::NoLibrary { wanted, hint: self.hint(&name.to_string_lossy()), searched: self.folders.clone() }
    }

    /// A library that is there without the link that `-l` needs, or one with a near name.
    fn hint(&self, name: &str) -> String {
        let versioned = format!("lib{name}.so.");
        let mut stems: Vec<String> = Vec::new();
        for file in self.folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten() {
            let Ok(file) = file.file_name().into_string() else { continue };
            if file.starts_with(&versioned) {
                return format!(
                    "\n  `{file}` is there without `lib{name}.so`: use `--dylib {file}`, or install its development package"
                );
            }
            let stem = NAMES.iter().find_map(|(before, after)| file.strip_prefix(before)?.strip_suffix(after));
            stems.extend(stem.map(str::to_owned));
        }
        match &near::nearest(name.as_bytes(), stems, 3)[..] {
            [] => String::new(),
            near => format!(
                "\n  did you mean {}?",
                near.iter().map(|near| format!("-l{near}")).collect::<Vec<_>>().join(" or ")
            ),
        }
    }
}

fn file_name(name: &OsStr, (before, after): (&str, &str)) -> OsString {
    let mut file = OsString::from(before);
    file.push(name);
    file.push(after);
    file
}

/// Whether a file exists and is not for another machine. A damaged one is usable: its error is to be seen.
fn is_usable(path: &Path) -> bool {
    path.is_file() && !matches!(detect(path), Ok((_, Some(machine))) if machine != Machine::HOST)
}

/// The folder of the newest gcc.
fn gcc_folder() -> Option<PathBuf> {
    let versions = GCC.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let number = |path: &PathBuf| -> Option<u32> { path.file_name()?.to_str()?.split('.').next()?.parse().ok() };
    versions.map(|version| version.path()).filter(|path| number(path).is_some()).max_by_key(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_goes_first_and_other_machines_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        for made in [&one, &two] {
            std::fs::create_dir(made).unwrap();
        }
        let elf = |class: u8| [&b"\x7fELF"[..], &[class], &b"\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0"[..]].concat();
        std::fs::write(one.join("libfoo.so"), elf(1)).unwrap();
        std::fs::write(two.join("libfoo.so"), elf(2)).unwrap();
        std::fs::write(two.join("libfoo.a"), "!<arch>\n").unwrap();
        std::fs::write(two.join("libzork.so.3"), elf(2)).unwrap();
        let search = Search::new(&[one, two.clone()]);
        assert_eq!(search.library(OsStr::new("foo")).unwrap(), two.join("libfoo.so"));
        assert_eq!(search.library(OsStr::new(":libfoo.a")).unwrap(), two.join("libfoo.a"));
        let missing = |name: &str| search.library(OsStr::new(name)).unwrap_err().to_string();
        assert!(
            missing("fooo")
                .starts_with("cannot find the library -lfooo (libfooo.so or libfooo.a)\n  did you mean -lfoo")
        );
        assert!(missing("zork").contains("`libzork.so.3` is there without `libzork.so`"));
        assert!(missing("x").contains(&format!("looked in: {}", folder.path().display())));
    }
}
