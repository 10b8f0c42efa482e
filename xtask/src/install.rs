//! The task `install-c`: the library for C as other projects find it, with headers, and files for pkg-config and CMake.
//!
//! The files say where things are from their own places on, so that the folder may be moved.

mod shared;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::count::Count;
use crate::paths;
use crate::test::MOST;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What Rust's library needs of the system.
const SYSTEM: &[&str] = &["gcc_s", "util", "rt", "pthread", "m", "dl"];

const PKG_CONFIG: &str = "\
prefix=${pcfiledir}/../..
includedir=${prefix}/include
libdir=${prefix}/lib

Name: @NAME@
Description: A JIT linker: objects, archives and sources in, callable code out
Version: @VERSION@
Cflags: -I${includedir}
Libs: @LIBS@
";

const CMAKE: &str = "\
get_filename_component(_uruk_prefix \"${CMAKE_CURRENT_LIST_DIR}/../../..\" ABSOLUTE)
if(NOT TARGET Uruk::uruk)
  add_library(Uruk::uruk SHARED IMPORTED)
  set_target_properties(Uruk::uruk PROPERTIES
    IMPORTED_LOCATION \"${_uruk_prefix}/lib/liburuk_c.so.0\"
    IMPORTED_SONAME liburuk_c.so.0
    INTERFACE_INCLUDE_DIRECTORIES \"${_uruk_prefix}/include\")
  add_library(Uruk::uruk_static STATIC IMPORTED)
  set_target_properties(Uruk::uruk_static PROPERTIES
    IMPORTED_LOCATION \"${_uruk_prefix}/lib/liburuk_c.a\"
    INTERFACE_LINK_LIBRARIES \"@SYSTEM@\"
    INTERFACE_INCLUDE_DIRECTORIES \"${_uruk_prefix}/include\")
endif()
unset(_uruk_prefix)
";

/// Versions that begin with 0 promise nothing to others than themselves.
const CMAKE_VERSION: &str = "\
set(PACKAGE_VERSION @VERSION@)
if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
  set(PACKAGE_VERSION_EXACT TRUE)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
elseif(PACKAGE_FIND_VERSION VERSION_LESS PACKAGE_VERSION AND
       \"${PACKAGE_FIND_VERSION_MAJOR}.${PACKAGE_FIND_VERSION_MINOR}\" STREQUAL \"@SERIES@\")
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
";

/// Installs under the prefix that the arguments name.
pub fn run(arguments: &[String]) -> Result<bool> {
    let (mut prefix, mut profile) = (None, "release");
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = rest.next().with_context(|| format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--prefix" => prefix = Some(PathBuf::from(value)),
            "--profile" => profile = value,
            _ => bail!("usage: cargo xtask install-c --prefix DIR [--profile NAME]"),
        }
    }
    let prefix = prefix.context("usage: cargo xtask install-c --prefix DIR [--profile NAME]")?;
    install(&prefix, profile)?;
    println!("installed under {}", prefix.display());
    Ok(true)
}

fn install(prefix: &Path, profile: &str) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    // Tests have built the rest already.
    let selection = if profile == "dev" { MOST } else { &["--package=uruk-capi"] };
    cargo.arg("build").args(selection).args(["--lib", "--profile", profile]).current_dir(paths::root());
    ensure!(cargo.status().context("cannot start cargo")?.success(), "the library cannot be built");
    // Cargo calls the folder of one profile otherwise.
    let built = paths::target().join(if profile == "dev" { "debug" } else { profile });
    let headers = paths::root().join("crates/uruk-capi/include");
    let mut files = vec![
        (headers.join("uruk.h"), "include/uruk.h".to_owned()),
        (headers.join("uruk.hpp"), "include/uruk.hpp".to_owned()),
        (headers.join("uruk_llvm.h"), "include/uruk_llvm.h".to_owned()),
        (shared::with_versions(&built)?, "lib/liburuk_c.so.0".to_owned()),
        (built.join("liburuk_c.a"), "lib/liburuk_c.a".to_owned()),
    ];
    for part in fs::read_dir(headers.join("uruk")).context("there are no parts of uruk.hpp")? {
        let part = part.context("cannot list the parts of uruk.hpp")?;
        files.push((part.path(), format!("include/uruk/{}", part.file_name().display())));
    }
    for (file, place) in files {
        // A library that is there may be in use: it is replaced, not written to.
        let partial = paths::partial(&made(prefix, &place)?);
        fs::copy(&file, &partial).with_context(|| format!("cannot copy {}", file.display()))?;
        fs::rename(&partial, prefix.join(&place)).with_context(|| format!("cannot write {place}"))?;
    }
    let link = prefix.join("lib/liburuk_c.so");
    let _ = fs::remove_file(&link);
    symlink("liburuk_c.so.0", &link).with_context(|| format!("cannot make {}", link.display()))?;
    for (place, text) in descriptions() {
        paths::write_whole(&made(prefix, place)?, text.as_bytes())?;
    }
    Ok(())
}

/// A place under the prefix, with the folders that it lies in.
fn made(prefix: &Path, place: &str) -> Result<PathBuf> {
    let path = prefix.join(place);
    let folder = path.parent().context("a place has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(path)
}

/// What pkg-config and CMake read.
fn descriptions() -> [(&'static str, String); 4] {
    let system: Vec<String> = SYSTEM.iter().map(|library| format!("-l{library}")).collect();
    let package = |name: &str, libraries: String| PKG_CONFIG.replace("@NAME@", name).replace("@LIBS@", &libraries);
    let shared = format!("-L${{libdir}} -luruk_c\nLibs.private: {}", system.join(" "));
    // With both kinds of libraries in a folder, linkers take the shared one, whatever pkg-config is told.
    let whole = format!("${{libdir}}/liburuk_c.a {}", system.join(" "));
    let series = VERSION.rsplit_once('.').map_or(VERSION, |(series, _)| series);
    let texts = [
        ("lib/pkgconfig/uruk.pc", package("uruk", shared)),
        ("lib/pkgconfig/uruk-static.pc", package("uruk-static", whole)),
        ("lib/cmake/Uruk/UrukConfig.cmake", CMAKE.replace("@SYSTEM@", &SYSTEM.join(";"))),
        ("lib/cmake/Uruk/UrukConfigVersion.cmake", CMAKE_VERSION.replace("@SERIES@", series)),
    ];
    texts.map(|(place, text)| (place, text.replace("@VERSION@", VERSION)))
}

/// Installs, and builds and runs programs with what was installed, in each way.
pub fn test() -> Result<Count> {
    let prefix = paths::target_folder("install-c")?;
    install(&prefix, "dev")?;
    let mut count = Count::default();
    for right in shared::test(&paths::target().join("debug"), &prefix)? {
        count += Count::of(right);
    }
    for package in ["uruk", "uruk-static"] {
        for program in [IN_C, IN_CPP] {
            count += Count::of(with_pkg_config(&prefix, package, program)?);
        }
    }
    for target in ["uruk", "uruk_static"] {
        count += Count::of(with_cmake(&prefix, target)?);
    }
    Ok(count)
}

/// A program of the library's tests.
#[derive(Clone, Copy)]
struct Program {
    compiler: &'static str,
    path: &'static str,
    prints: &'static str,
}

const IN_C: Program = Program { compiler: "gcc", path: "tests/c/arena.c", prints: "arena: ok\n" };

const IN_CPP: Program = Program { compiler: "g++", path: "tests/cpp/own_memory.cpp", prints: "own_memory: ok\n" };

impl Program {
    fn source(self) -> PathBuf {
        paths::root().join("crates/uruk-capi").join(self.path)
    }

    /// Whether it has found nothing wrong.
    fn runs(self, command: &mut Command) -> Result<bool> {
        Ok(succeeds(command)? == self.prints)
    }
}

/// An object for the programs to link.
fn object(folder: &Path) -> Result<PathBuf> {
    let (source, object) = (folder.join("compute.c"), folder.join("compute.o"));
    let text = "static int two = 2; const char *name = \"x\"; int zeros[999]; int compute(int a) { return a + two + zeros[7]; }\n";
    paths::write_whole(&source, text.as_bytes())?;
    succeeds(Command::new("gcc").arg("-c").arg(&source).arg("-o").arg(&object))?;
    Ok(object)
}

fn with_pkg_config(prefix: &Path, package: &str, program: Program) -> Result<bool> {
    let folder = paths::target_folder("install-c-programs")?;
    let object = object(&folder)?;
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.args(["--static", "--cflags", "--libs", package]).env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"));
    let flags = succeeds(&mut pkg_config)?;
    let built = folder.join(format!("{package}-{}", program.compiler));
    let mut compiler = Command::new(program.compiler);
    succeeds(compiler.arg(program.source()).arg("-o").arg(&built).args(flags.split_whitespace()))?;
    program.runs(Command::new(built).arg(object).env("LD_LIBRARY_PATH", prefix.join("lib")))
}

fn with_cmake(prefix: &Path, target: &str) -> Result<bool> {
    let folder = paths::target_folder(&format!("install-c-programs/cmake-{target}"))?;
    let object = object(&folder)?;
    let text = format!(
        "cmake_minimum_required(VERSION 3.10)\nproject(test C)\nfind_package(Uruk {VERSION} REQUIRED CONFIG)\nadd_executable(test \"{}\")\ntarget_link_libraries(test Uruk::{target})\n",
        IN_C.source().display()
    );
    paths::write_whole(&folder.join("CMakeLists.txt"), text.as_bytes())?;
    let build = folder.join("build");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&folder).arg("-B").arg(&build).arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    succeeds(&mut configure)?;
    succeeds(Command::new("cmake").arg("--build").arg(&build))?;
    IN_C.runs(Command::new(build.join("test")).arg(object))
}

/// What a command prints that ends well.
fn succeeds(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {text}", command.get_program().display());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
