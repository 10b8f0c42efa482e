//! A JIT linker and a framework for JIT compilers: add objects and archives, look up typed symbols.
