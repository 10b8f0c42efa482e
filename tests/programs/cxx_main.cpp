// iostream, exceptions across objects and through the host's frames, threads, call_once, thread_local, RTTI, COMDATs.
#include "cxx.h"
#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>
#include <typeinfo>
#include <vector>

struct Global {
    std::ios_base::Init streams; // those of a priority come before the streams' own
    const char *name;
    explicit Global(const char *name) : name(name) { std::cout << "made " << name << std::endl; }
    ~Global() { std::cout << "gone " << name << std::endl; }
};
namespace {
struct Guard {
    ~Guard() { std::cout << "unwound" << std::endl; }
};
__attribute__((init_priority(200))) Global second("main 200");
__attribute__((init_priority(101))) Global first("main 101");
Global plain("main plain");
std::once_flag flag;
std::mutex lock;
} // namespace

extern "C" int compare(const void *, const void *) { throw 42; }

static void exceptions() {
    try {
        Guard guard;
        fail(17);
    } catch (const Failure &failure) {
        std::cout << "caught " << failure.what() << ' ' << failure.code << std::endl;
    }
    int pair[2] = {2, 1};
    try {
        qsort(pair, 2, sizeof pair[0], compare); // through a frame of libc
    } catch (int value) {
        std::cout << "through qsort " << value << std::endl;
    }
    try {
        (void)std::string("abc").at(5); // out of libstdc++
    } catch (const std::exception &) {
        std::cout << "out_of_range" << std::endl;
    }
    std::exception_ptr kept;
    std::thread([&] {
        try { fail(3); } catch (...) { kept = std::current_exception(); }
    }).join();
    try { std::rethrow_exception(kept); } catch (const std::runtime_error &e) { std::cout << "rethrown " << e.what() << std::endl; }
}

int main(int argc, char **argv) {
    exceptions();
    std::unique_ptr<Shape> shape(make_square(1.5));
    std::cout << "area " << std::fixed << std::setprecision(3) << shape->area() << ", square "
              << (dynamic_cast<Square *>(shape.get()) != nullptr) << ", same type " << (typeid(*shape) == typeid(Square)) << std::endl;

    for (int i = 0; i < 2; i++) { // one after the other: what they print is in order
        std::thread([&] {
            std::call_once(flag, [] { note("once"); });
            per_thread() += 1;
            std::lock_guard<std::mutex> held(lock);
            std::cout << "in thread " << per_thread() << std::endl;
        }).join();
    }
    std::vector<std::thread> threads;
    long total = 0;
    for (int i = 1; i <= 8; i++)
        threads.emplace_back([&, i] {
            std::lock_guard<std::mutex> held(lock);
            total += i;
        });
    for (auto &thread : threads) thread.join();
    std::cout << "total " << total << ", once in main: " << per_thread() << std::endl;

    std::cout << "one static " << (&shared_static() == address_of_shared_static()) << ' ' << shared_static() << std::endl;
    add_in_other();
    std::cout << "registry " << Registry<int>::add() << std::endl;
    std::map<std::string, int> words;
    std::istringstream text("to be or not to be");
    for (std::string word; text >> word;) words[word]++;
    for (auto &[word, count] : words) std::cout << word << '=' << count << ' ';
    std::cout << std::endl;
    std::string line;
    std::getline(std::cin, line);
    std::cout << "input " << line << ", argument " << (argc > 1 ? argv[1] : "none") << std::endl;
    return 9;
}
