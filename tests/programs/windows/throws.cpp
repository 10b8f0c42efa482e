// What is thrown is caught further up, or, with an argument, nowhere.
#include <iostream>
#include <stdexcept>
#include <string>

struct Named {
    const char *name;
    ~Named() { std::cout << "gone " << name << std::endl; }
};
static Named at_the_end{"static"};
static thread_local int per_thread = 5;

static int deep(int n) {
    Named frame{"frame"};
    if (n == 0) throw std::runtime_error("from below");
    return deep(n - 1) + 1;
}

int main(int argc, char **) {
    per_thread += argc;
    try {
        deep(3);
    } catch (const std::exception &error) {
        std::cout << "caught " << error.what() << ' ' << per_thread << std::endl;
    }
    try {
        std::cout << std::string("abc").at(5);
    } catch (const std::out_of_range &) {
        std::cout << "out of range" << std::endl;
    }
    if (argc > 1) throw 42;
    return 3;
}
