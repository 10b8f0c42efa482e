//! Programs that use all that is hard to compile or divide, and what makes modules of them.

use std::process::Command;
use uruk_llvm::ThreadSafeModule;

/// A module that clang makes of a source.
pub fn clang(name: &str, source: &str, flags: &[&str]) -> ThreadSafeModule {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, source).unwrap();
    let output = path.with_extension("bc");
    let mut command = Command::new("clang-22");
    command.args(["-emit-llvm", "-c"]).args(flags).arg(&path).arg("-o").arg(&output);
    assert!(command.status().unwrap().success());
    ThreadSafeModule::parse(name, &std::fs::read(output).unwrap()).unwrap()
}

/// Everything of C that is hard to divide by function; `test` returns 0 if it works.
pub const C: &str = r#"
    #include <stdio.h>
    #include <string.h>
    static int counter;
    static _Thread_local int per_thread = 3;
    static const char *const names[] = { "zero", "one", "two" };
    static int local(int x) { static int calls; calls++; per_thread++; return x + calls; }
    int shared(int x) { return local(x) * 2; }
    int renamed(int) __attribute__((alias("shared")));
    extern int maybe(void) __attribute__((weak));
    static int (*table[])(int) = { local, shared };
    static int interpret(const char *code) {
        static void *const labels[] = { &&add, &&twice, &&end };
        int value = 1;
        goto *labels[*code++ - 'a'];
    add: value += 1; goto *labels[*code++ - 'a'];
    twice: value *= 2; goto *labels[*code++ - 'a'];
    end: return value;
    }
    static int fast(void) { return 11; }
    static int slow(void) { return 12; }
    static int (*choose(void))(void) { return counter < 100 ? fast : slow; }
    int chosen(void) __attribute__((ifunc("choose")));
    __attribute__((constructor)) static void first(void) { counter += 10; }
    struct pair { int (*f)(int); const char *name; } pairs[] = { { shared, "shared" }, { local, "local" } };
    int self(int (*f)(int (*)()), int n) { return (void *)f == (void *)self ? 1 : n; }
    int test(void) {
        int failed = 0;
        if (local(1) != 2 || shared(1) != 6 || renamed(1) != 8) failed |= 1;
        if (table[0](1) != 5 || table[0] != local || table[1] != renamed) failed |= 2;
        if (per_thread != 7) failed |= 4;
        if (interpret("abbac") != 9) failed |= 8;
        if (chosen() != 11) failed |= 16;
        if (counter != 10) failed |= 32;
        if (strcmp(names[2], "two") || strcmp(pairs[1].name, "local") || pairs[0].f != shared) failed |= 64;
        if (maybe) failed |= 128;
        char text[32];
        snprintf(text, sizeof text, "%s %d", names[1], counter);
        if (strcmp(text, "one 10")) failed |= 256;
        return failed;
    }
"#;

const CXX_HEAD: &str = "
    #include <stdexcept>
    #include <string>
    #include <vector>
    template <class T> struct Counter { static inline T count = T(20); static T next() { static T own = count; return own++; } };
    struct Shape { virtual ~Shape() = default; virtual int area() const = 0; };
    Shape *square(int);
    extern thread_local int per_thread;
    int thrower(int);
";

/// Two sources of C++; `test` of the second returns [`CXX_RESULT`].
pub fn cxx() -> [String; 2] {
    let one = "
        struct Global { std::string text; Global() : text(\"made before main\") {} ~Global() {} };
        static Global global;
        thread_local int per_thread = 5;
        struct Square : Shape { int side; Square(int side) : side(side) {} int area() const override { return side * side; } };
        Shape *square(int side) { return new Square(side); }
        int thrower(int x) { if (2 < x) throw std::runtime_error(global.text); return Counter<int>::next(); }";
    let two = "
        extern \"C\" int test() {
          per_thread += 1;
          int sum = per_thread + Counter<int>::next() + thrower(1); // 6 + 20 + 21
          try { thrower(3); } catch (const std::exception &e) { sum += (int)std::string(e.what()).size(); } // 16
          std::vector<Shape *> shapes;
          for (int i = 1; i < 4; i++) shapes.push_back(square(i));
          for (Shape *shape : shapes) { if (dynamic_cast<Shape *>(shape)) sum += shape->area(); delete shape; } // 14
          return sum;
        }";
    [CXX_HEAD.to_owned() + one, CXX_HEAD.to_owned() + two]
}

/// What C++'s `test` returns.
pub const CXX_RESULT: i32 = 6 + 20 + 21 + 16 + 14;

/// Levels and forms of code for each program.
pub const FLAGS: [&[&str]; 4] = [&["-O0"], &["-O2"], &["-O0", "-g"], &["-flto", "-O1"]];
