//! One text, run with `cranelift-jit` and with Uruk: only the `use` line differs.

/// A program for a module of `cranelift-jit`'s kind.
macro_rules! program {
    ($name:ident, $($module:tt)*) => {
        mod $name {
            use $($module)*;
            use crate::build::{Unary, call, declare, define};
            use cranelift_module::{DataDescription, Linkage, Module, default_libcall_names};
            use uruk_cranelift::cranelift_module;

            extern "C-unwind" fn triple(n: i64) -> i64 {
                3 * n
            }

            #[test]
            fn functions_and_data_are_found_where_they_were_declared() {
                let mut builder = JITBuilder::new(default_libcall_names()).unwrap();
                builder.symbol("triple", triple as Unary as *const u8);
                builder.symbol_lookup_fn(Box::new(|name| (name == "looked_up").then_some(triple as Unary as *const u8)));
                let mut module = JITModule::new(builder);
                let triple = declare(&mut module, "triple", Linkage::Import);
                let looked_up = declare(&mut module, "looked_up", Linkage::Import);
                let inner = declare(&mut module, "inner", Linkage::Local);
                let outer = declare(&mut module, "outer", Linkage::Export);
                define(&mut module, outer, Some(inner), 1);
                define(&mut module, inner, Some(triple), 10);
                let other = declare(&mut module, "other", Linkage::Export);
                define(&mut module, other, Some(looked_up), 0);
                // A table of a function's and its own address.
                let table = module.declare_data("table", Linkage::Export, true, false).unwrap();
                let mut data = DataDescription::new();
                data.define(vec![0; 24].into());
                let function = module.declare_func_in_data(outer, &mut data);
                data.write_function_addr(8, function);
                let own = module.declare_data_in_data(table, &mut data);
                data.write_data_addr(16, own, 4);
                module.define_data(table, &data).unwrap();
                let zeros = module.declare_data("zeros", Linkage::Local, true, false).unwrap();
                data.clear();
                data.define_zeroinit(100);
                data.set_align(64);
                module.define_data(zeros, &data).unwrap();
                module.finalize_definitions().unwrap();
                assert_eq!(call(module.get_finalized_function(outer), 5), 26);
                assert_eq!(call(module.get_finalized_function(other), 5), 15);
                let (address, size) = module.get_finalized_data(table);
                assert_eq!(size, 24);
                // SAFETY: the table has three words.
                let words = unsafe { address.cast::<[u64; 3]>().read() };
                assert_eq!(words, [0, module.get_finalized_function(outer) as u64, address as u64 + 4]);
                let (address, size) = module.get_finalized_data(zeros);
                assert_eq!((address as usize % 64, size), (0, 100));
                // SAFETY: as long as was declared.
                assert!(unsafe { std::slice::from_raw_parts(address, size) }.iter().all(|byte| *byte == 0));
                // More may follow.
                let late = declare(&mut module, "late", Linkage::Export);
                define(&mut module, late, Some(outer), 100);
                module.finalize_definitions().unwrap();
                assert_eq!(call(module.get_finalized_function(late), 0), 111);
                // SAFETY: nothing of it is used any more.
                unsafe { module.free_memory() };
            }

            #[test]
            fn what_may_not_be_defined_is_refused() {
                let mut module = JITModule::new(JITBuilder::new(default_libcall_names()).unwrap());
                let imported = declare(&mut module, "imported", Linkage::Import);
                let twice = declare(&mut module, "twice", Linkage::Export);
                define(&mut module, twice, None, 1);
                let message = |result: cranelift_module::ModuleResult<()>| result.unwrap_err().to_string();
                let bytes = module.define_function_bytes(imported, 1, &[0xc3], &[]);
                assert_eq!(message(bytes), "Invalid to define identifier declared as an import: imported");
                let bytes = module.define_function_bytes(twice, 1, &[0xc3], &[]);
                assert_eq!(message(bytes), "Duplicate definition of identifier: twice");
                let anonymous = crate::build::signature(&module);
                let anonymous = module.declare_anonymous_function(&anonymous).unwrap();
                // lea 1(%rdi), %rax; ret
                module.define_function_bytes(anonymous, 16, &[0x48, 0x8d, 0x47, 1, 0xc3], &[]).unwrap();
                module.finalize_definitions().unwrap();
                assert_eq!(call(module.get_finalized_function(anonymous), 41), 42);
            }

            #[test]
            fn code_stays_when_its_module_is_dropped() {
                let mut module = JITModule::new(JITBuilder::new(default_libcall_names()).unwrap());
                let f = declare(&mut module, "f", Linkage::Export);
                define(&mut module, f, None, 7);
                module.finalize_definitions().unwrap();
                let f = module.get_finalized_function(f);
                drop(module);
                assert_eq!(call(f, 1), 8);
            }
        }
    };
}

program!(with_cranelift_jit, cranelift_jit::{JITBuilder, JITModule});
program!(with_uruk, uruk_cranelift::{JITBuilder, JITModule});
