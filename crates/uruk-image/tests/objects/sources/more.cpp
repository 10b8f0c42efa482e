#include <cstdio>
#include "inline.hpp"

static struct Said {
    int number;
    Said() : number(counter()) { std::printf("said %d\n", number); }
    ~Said() { std::printf("unsaid %d\n", number); }
} said;

int again(int x) {
    Square<3> square;
    const Shape &shape = square;
    struct Noisy {
        ~Noisy() { std::printf("unwound\n"); }
    } noisy;
    if (const auto *found = dynamic_cast<const Square<3> *>(&shape)) counter() += found->area();
    return throwing(x) + shape.area();
}
