//! Empty: this package only names the source packages whose C files the tests compile.
