//! How an image is written: what options say of each kind of file.

use super::{
    URUK_IMAGE_EXECUTABLE, URUK_IMAGE_LONG_RELOCATIONS, URUK_IMAGE_MAPPED, URUK_IMAGE_OBJECT, URUK_IMAGE_SAME_BUILDS,
    URUK_IMAGE_SHARED_OBJECT, URUK_IMAGE_STAMP_LAYOUT, URUK_IMAGE_STRIP, owned, texts, uruk_image_options,
};
use crate::error::Failure;
use crate::raw::Text;
use crate::world::lock;
use ::uruk_image::mapped::{Base, MappedOptions, write_mapped};
use ::uruk_image::{ElfKind, ElfOptions, Frozen, Library, write_elf, write_object};
use std::path::Path;

/// How an image is written.
pub struct Output {
    form: Form,
    libraries: Vec<Library>,
    keep: Option<Vec<String>>,
    run_path: Option<String>,
    flags: u32,
}

/// What differs between kinds of files.
enum Form {
    Object,
    Elf { kind: ElfKind, interpreter: Option<String> },
    Mapped { main: Option<String>, address: Option<u64>, stamp: String, layout: Option<[u8; 32]> },
}

impl Output {
    pub fn new(options: &uruk_image_options, base: Option<&Base<'_>>) -> Result<Output, Failure> {
        let text = |text: Text, what: &str| Ok::<_, Failure>(text.get_if_any(what)?.map(str::to_owned));
        let (main, name, stamp) =
            (text(options.main, "main")?, text(options.name, "name")?, text(options.stamp, "stamp")?);
        let (interpreter, run_path) = (text(options.interpreter, "interpreter")?, text(options.run_path, "run_path")?);
        let keep = owned(options.keep, options.keep_count, "keep")?;
        let keep = (!keep.is_empty()).then_some(keep);
        let paths = texts(options.libraries, options.library_count, "libraries")?;
        const FLAGS: u32 = 2 * URUK_IMAGE_STAMP_LAYOUT - 1;
        if options.flags & !FLAGS != 0 {
            return Err(Failure::invalid(format!("uruk_image_options: {:#x} has unknown flags", options.flags)));
        }
        let given = [
            ("main", main.is_some()),
            ("address", options.address != 0),
            ("name", name.is_some()),
            ("interpreter", interpreter.is_some()),
            ("run_path", run_path.is_some()),
            ("keep", keep.is_some()),
            ("libraries", !paths.is_empty()),
            ("stamp", stamp.is_some()),
            ("base", base.is_some()),
        ];
        let elf = URUK_IMAGE_LONG_RELOCATIONS | URUK_IMAGE_STRIP;
        let (fields, flags): (&[&str], u32) = match options.kind {
            URUK_IMAGE_EXECUTABLE => (&["main", "address", "interpreter", "run_path", "keep", "libraries"], elf),
            URUK_IMAGE_SHARED_OBJECT => (&["name", "interpreter", "run_path", "keep", "libraries"], elf),
            URUK_IMAGE_OBJECT => (&[], 0),
            URUK_IMAGE_MAPPED => (
                &["main", "address", "run_path", "keep", "libraries", "stamp", "base"],
                URUK_IMAGE_STRIP | URUK_IMAGE_SAME_BUILDS | URUK_IMAGE_STAMP_LAYOUT,
            ),
            kind => return Err(Failure::invalid(format!("uruk_image_options: {kind} is no kind of image"))),
        };
        let other = given.iter().find(|(field, given)| *given && !fields.contains(field)).map(|(field, _)| *field);
        if let Some(field) = other.or((options.flags & !flags != 0).then_some("flags")) {
            return Err(Failure::invalid(format!("uruk_image_options: `{field}` has no meaning for this kind")));
        }
        let address = (options.address != 0).then_some(options.address);
        let form = match options.kind {
            URUK_IMAGE_OBJECT => Form::Object,
            URUK_IMAGE_MAPPED => {
                Form::Mapped { main, address, stamp: stamp.unwrap_or_default(), layout: layout(options)? }
            }
            URUK_IMAGE_SHARED_OBJECT => Form::Elf { kind: ElfKind::SharedObject { name }, interpreter },
            _ => {
                let kind = ElfKind::Executable { main: main.unwrap_or_else(|| "main".into()), address };
                Form::Elf { kind, interpreter }
            }
        };
        let mut libraries = match (&form, paths.as_slice()) {
            (Form::Object, _) => Vec::new(),
            (Form::Elf { .. }, []) => Library::of_this_process()?,
            // Some of them may be such as nobody finds by name.
            (Form::Mapped { .. }, []) => Library::of_this_process()?.into_iter().map(Library::already_there).collect(),
            (_, paths) => paths.iter().map(|path| Library::open(Path::new(path))).collect::<Result<_, _>>()?,
        };
        libraries.extend(base.map(Base::library));
        Ok(Output { form, libraries, keep, run_path, flags: options.flags })
    }

    pub fn write(self, frozen: Frozen) -> Result<Vec<u8>, Failure> {
        let has = |flag| self.flags & flag != 0;
        let (libraries, roots, run_path) = (self.libraries.as_slice(), self.keep.as_deref(), self.run_path.as_deref());
        let (shares, strip) = (frozen.shares.as_slice(), has(URUK_IMAGE_STRIP));
        Ok(match self.form {
            Form::Object => write_object(&frozen.graphs.iter().collect::<Vec<_>>())?,
            Form::Elf { kind, interpreter } => {
                let options = ElfOptions {
                    kind,
                    libraries,
                    roots,
                    short_relocations: !has(URUK_IMAGE_LONG_RELOCATIONS),
                    interpreter: interpreter.as_deref(),
                    run_path,
                    shares,
                    strip,
                };
                write_elf(frozen.graphs, &options)?
            }
            Form::Mapped { main, address, stamp, layout } => {
                let options = MappedOptions {
                    main: main.as_deref(),
                    libraries,
                    roots,
                    run_path,
                    address,
                    stamp: &stamp,
                    layout,
                    same_builds: has(URUK_IMAGE_SAME_BUILDS),
                    shares,
                    changes: &frozen.changes,
                    strip,
                };
                write_mapped(frozen.graphs, &options)?
            }
        })
    }
}

/// The layout of the types of the world whose data an image has, if it is stamped with that.
fn layout(options: &uruk_image_options) -> Result<Option<[u8; 32]>, Failure> {
    if options.flags & URUK_IMAGE_STAMP_LAYOUT == 0 {
        return Ok(None);
    }
    let world = options.world.get_if_any()?;
    let world = world.ok_or_else(|| Failure::invalid("uruk_image_options: a layout is a world's; give one"))?;
    Ok(Some(lock(&world).layout()))
}
