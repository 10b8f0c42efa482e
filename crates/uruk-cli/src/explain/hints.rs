//! Which library defines a name, or which mistake makes it missing, for names that people miss often. A table, because
//! looking into every library of a system takes far longer than a link.

/// C's mathematics, each also with `f` or `l` at its end.
#[rustfmt::skip]
const MATH: &[&str] = &[
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cbrt", "ceil", "cos", "cosh", "erf", "erfc", "exp",
    "exp10", "exp2", "expm1", "fdim", "floor", "fma", "fmax", "fmin", "fmod", "hypot", "ilogb", "j0", "j1", "jn", "lgamma",
    "llrint", "llround", "log", "log10", "log1p", "log2", "logb", "lrint", "lround", "nearbyint", "nextafter", "pow",
    "remainder", "remquo", "rint", "round", "sin", "sincos", "sinh", "sqrt", "tan", "tanh", "tgamma", "trunc", "y0", "y1",
    "yn", "cexp", "clog", "cpow", "csqrt", "csin", "ccos", "cabs", "carg",
];

/// Whole names.
#[rustfmt::skip]
const NAMES: &[(&[&str], &str)] = &[
    (&["main"], "a program needs a `main`; `--entry NAME` calls another function"),
    (&["deflate", "inflate", "compress", "compress2", "uncompress", "crc32", "adler32", "zlibVersion", "compressBound"],
        "zlib defines this: -lz"),
    (&["dlopen", "dlsym", "dlclose", "dlerror"], "on older systems: -ldl"),
    (&["shm_open", "timer_create", "aio_read", "mq_open"], "on older systems: -lrt"),
    (&["crypt", "crypt_r"], "libcrypt defines this: -lcrypt"),
    (&["initscr", "endwin", "wprintw", "printw", "newwin", "wgetch", "stdscr"], "ncurses defines this: -lncurses"),
    (&["readline", "add_history"], "readline defines this: -lreadline"),
    (&["__rust_alloc", "__rust_dealloc", "rust_eh_personality"], RUST),
    (&["_DYNAMIC"], "only linked files have this"),
];

const CXX: &str = "the C++ library defines this: -lstdc++ (or -lc++ for clang's)";
const RUST: &str = "Rust's library defines this: give the .rs source, or the toolchain's libstd-*.so by --dylib";

/// Beginnings of names.
#[rustfmt::skip]
const PREFIXES: &[(&str, &str)] = &[
    ("__cxa_", CXX), ("__gxx_personality", CXX), ("__dynamic_cast", CXX),
    ("_ZSt", CXX), ("_ZNSt", CXX), ("_ZNKSt", CXX), ("_ZTVSt", CXX), ("_ZTISt", CXX), ("_ZTVN10__cxxabi", CXX),
    ("_ZTIN10__cxxabi", CXX), ("_ZN9__gnu_cxx", CXX), ("_ZnwSt", CXX),
    ("_Znw", CXX), ("_Zna", CXX), ("_Zdl", CXX), ("_Zda", CXX), ("_ZTI", "the class's first virtual function is defined nowhere, so its type information is not either"),
    ("_ZTV", "the class's first virtual function is defined nowhere, so its table is not either"),
    ("_ZN3std", RUST), ("_ZN4core", RUST), ("_ZN5alloc", RUST), ("_RNv", RUST), ("_RIN", RUST),
    ("_gfortran_", "Fortran's library defines this: -lgfortran"),
    ("_Unwind_", "gcc's library defines this: --dylib libgcc_s.so.1"),
    ("__asan_", "objects made with -fsanitize=address need its runtime: --dylib libasan.so.8, or clang's by its path"),
    ("__ubsan_", "objects made with -fsanitize=undefined need its runtime: --dylib libubsan.so.1"),
    ("__tsan_", "objects made with -fsanitize=thread need its runtime: --dylib libtsan.so.2"),
    ("__llvm_profile", "objects made with -fprofile-instr-generate need clang's libclang_rt.profile archive"),
    ("__gcov_", "objects made with --coverage need -lgcov"),
    ("GOMP_", "OpenMP's library defines this: -lgomp"), ("omp_", "OpenMP's library defines this: -lgomp"),
    ("__kmpc_", "OpenMP's library for clang defines this: -lomp"),
    ("__atomic_", "atomic operations on large types: -latomic"),
    ("pthread_", "on older systems: -lpthread"), ("sem_", "on older systems: -lpthread"),
    ("sqlite3_", "SQLite defines this: -lsqlite3"), ("lua_", "Lua defines this: -llua5.4"),
    ("luaL_", "Lua defines this: -llua5.4"), ("ZSTD_", "Zstandard defines this: -lzstd"),
    ("BZ2_", "bzip2 defines this: -lbz2"), ("lzma_", "liblzma defines this: -llzma"), ("LZ4_", "LZ4 defines this: -llz4"),
    ("png_", "libpng defines this: -lpng"), ("jpeg_", "libjpeg defines this: -ljpeg"),
    ("curl_", "libcurl defines this: -lcurl"), ("SSL_", "OpenSSL defines this: -lssl"),
    ("EVP_", "OpenSSL defines this: -lcrypto"), ("SHA256_", "OpenSSL defines this: -lcrypto"),
    ("xml", "libxml2 may define this: -lxml2"), ("Py", "Python may define this: -lpython3"),
    ("SDL_", "SDL defines this: -lSDL2"), ("ffi_", "libffi defines this: -lffi"), ("cblas_", "BLAS defines this: -lblas"),
    ("__gmp", "GMP defines this: -lgmp"), ("uv_", "libuv defines this: -luv"),
];

/// What to do about a missing name, if it is one that people miss often.
pub fn hint(name: &str) -> Option<&'static str> {
    if let Some((_, hint)) = NAMES.iter().find(|(names, _)| names.contains(&name)) {
        return Some(hint);
    }
    if is_math(name) {
        return Some("the mathematics library defines this: -lm");
    }
    PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, hint)| *hint)
}

fn is_math(name: &str) -> bool {
    let shorter = name.strip_suffix(['f', 'l']).unwrap_or(name);
    MATH.contains(&name) || MATH.contains(&shorter)
}
