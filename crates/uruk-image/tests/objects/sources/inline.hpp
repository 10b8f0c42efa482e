#include <stdexcept>
#include <string>
#include <typeinfo>
#include <vector>
#include "shared.h"

struct Shape {
    virtual ~Shape() {}
    virtual int area() const = 0;
};
template <int SIDE> struct Square : Shape {
    int area() const override { return SIDE * SIDE; }
};
// One for the program, whoever asks.
inline int &counter() {
    static int count = common_one + 100;
    return ++count;
}
struct Local {
    std::string text = "local";
    ~Local();
};
extern thread_local Local local;
