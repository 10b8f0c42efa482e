// The second file of the C++ program: throws, defines classes, has initialisers of its own.
#include "cxx.h"
#include <cstdio>
#include <iostream>

Shape::~Shape() = default;
double Square::area() const { return side * side; }
void note(const char *what) { std::puts(what); }
void fail(int code) { throw Failure("from the other file", code); }
Shape *make_square(double side) { return new Square(side); }
int next_id() {
    static int id = 40;
    return ++id;
}

struct PerThread {
    int value = 5;
    PerThread() { note("thread-local made"); }
    ~PerThread() { note("thread-local gone"); }
};
static thread_local PerThread slot;
int &per_thread() { return slot.value; }

int *address_of_shared_static() { return &shared_static(); }
int add_in_other() { return Registry<int>::add(); }

struct Global {
    std::ios_base::Init streams; // those of a priority come before the streams' own
    const char *name;
    explicit Global(const char *name) : name(name) { std::cout << "made " << name << std::endl; }
    ~Global() { std::cout << "gone " << name << std::endl; }
};
__attribute__((init_priority(300))) static Global late("other 300");
__attribute__((init_priority(150))) static Global early("other 150");
static Global plain("other plain");
