//! The names that a module's declarations have for the linker.

use cranelift_module::{DataId, FuncId, Linkage, ModuleDeclarations};

/// The symbol of a function. What only its module knows has the module's suffix, since other modules of the dylib may
/// have the name, too.
pub fn function(declarations: &ModuleDeclarations, suffix: &str, id: FuncId) -> String {
    let declared = declarations.get_function_decl(id);
    with_suffix(declared.linkage_name(id).into_owned(), declared.linkage, suffix)
}

/// The symbol of data.
pub fn data(declarations: &ModuleDeclarations, suffix: &str, id: DataId) -> String {
    let declared = declarations.get_data_decl(id);
    with_suffix(declared.linkage_name(id).into_owned(), declared.linkage, suffix)
}

/// The symbol of a name space, 0 for functions and 1 for data, and an index.
pub fn user(declarations: &ModuleDeclarations, suffix: &str, namespace: u32, index: u32) -> String {
    match namespace {
        0 => function(declarations, suffix, FuncId::from_u32(index)),
        1 => data(declarations, suffix, DataId::from_u32(index)),
        _ => format!("u{namespace}:{index}"),
    }
}

fn with_suffix(name: String, linkage: Linkage, suffix: &str) -> String {
    if linkage == Linkage::Local { name + suffix } else { name }
}
