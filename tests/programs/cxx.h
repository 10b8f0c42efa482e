// What the two files of the C++ program share.
#pragma once
#include <stdexcept>
#include <string>

struct Shape {
    virtual ~Shape();
    virtual double area() const = 0;
};
struct Square : Shape {
    double side;
    explicit Square(double side) : side(side) {}
    double area() const override;
};
struct Failure : std::runtime_error {
    int code;
    Failure(const std::string &what, int code) : std::runtime_error(what), code(code) {}
};

void note(const char *what);
[[noreturn]] void fail(int code);
Shape *make_square(double side);
int next_id();
int &per_thread();

// One copy in the whole program (COMDAT; STB_GNU_UNIQUE with gcc).
template <class T> struct Registry {
    static int count;
    static int add() { return ++count; }
};
template <class T> int Registry<T>::count = 100;
inline int &shared_static() {
    static int value = next_id();
    return value;
}
int *address_of_shared_static();
int add_in_other();
