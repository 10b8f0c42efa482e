//! Objects loaded step by step: any bytes, any addresses.

use super::parts::{Choices, split};
use uruk_jitlink::input::Input;
use uruk_jitlink::loader::{Loader, SectionView};

/// Loads the bytes, one object or several, maps sections here and there, and resolves each time.
pub fn load_by_hand(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut loader = Loader::new();
    let mut objects = Vec::new();
    for (number, bytes) in split(data).into_iter().enumerate() {
        let name = format!("fuzz{number}.o");
        match loader.load(&Input::from_bytes(name.clone(), bytes.to_vec())) {
            Ok(object) => objects.push(object),
            Err(error) => assert!(error.to_string().contains(&name), "an error that does not name the file: {error}"),
        }
    }
    let mut last = None;
    for base in [0x10_0000, choices.next(), 0x10_0000] {
        let sections: Vec<SectionView> = loader.sections().collect();
        let mut at = base;
        for section in sections {
            let Some(start) = at.checked_next_multiple_of(section.align) else { break };
            match loader.map_section(section.key, start) {
                Ok(()) => at = start + section.size,
                Err(error) => assert!(error.to_string().contains(&section.name), "{error}"),
            }
        }
        let external = choices.below(1 << 32);
        let resolved = loader.resolve(|names| vec![Some(external); names.len()]);
        last = resolved.map(|()| (external, bytes_of(&loader, &objects))).map_err(|error| error.to_string()).ok();
    }
    if let Some((external, bytes)) = last {
        // Once more makes no difference.
        loader.resolve(|names| vec![Some(external); names.len()]).expect("it has been resolved so");
        assert!(bytes == bytes_of(&loader, &objects));
    }
    match loader.finalize() {
        Ok(finalized) => assert!(finalized.segments.is_empty(), "nothing was allocated"),
        Err(error) => drop(error.to_string()),
    }
}

/// All bytes, as far as they are resolved.
fn bytes_of(loader: &Loader, objects: &[uruk_jitlink::loader::ObjectId]) -> Vec<(u64, Vec<u8>)> {
    let images = objects.iter().filter_map(|object| loader.images(*object).ok()).flatten();
    images.map(|image| (image.address, image.bytes.to_vec())).collect()
}
