//! The execution session: JIT dylibs, queries, materialization, the object-linking layer.
