// A caller that catches what its callee throws, and handlers that throw.
#include <stdexcept>
#include <string>
#include <cstring>

extern "C" int call_and_catch(int (*function)(int, double), char *message) {
    std::string on_the_way = "destroyed";
    try {
        return function(7, 0.5);
    } catch (const std::runtime_error &error) {
        std::strcpy(message, error.what());
        return -1;
    }
}

// Entered with the arguments of the call that failed.
extern "C" int throwing_handler(int number, double fraction) {
    throw std::runtime_error("no function for " + std::to_string(number) + " and " + std::to_string(fraction));
}

extern "C" int body(int number, double fraction) { return number + (int)(fraction * 100); }
