#include <cstdio>
#include <memory>
#include <thread>
#include "inline.hpp"

Local::~Local() { std::printf("%s goes\n", text.c_str()); }
thread_local Local local;
static std::vector<std::string> list = {"a", "b", "c"};
static const std::unique_ptr<Shape> shape{new Square<3>};

extern "C" int throwing(int x) {
    if (x < 0) throw std::out_of_range("below");
    if (x == 0) throw 17;
    return x;
}

int again(int x);

extern "C" int run(void) {
    int sum = plain();
    for (int x : {-1, 0, 1}) {
        try {
            std::string kept = "kept";
            sum += again(x) + (int)kept.size();
        } catch (const std::logic_error &error) {
            std::printf("caught %s\n", error.what());
        } catch (int number) {
            std::printf("caught %d\n", number);
        }
    }
    std::thread([] {
        local.text += ", elsewhere";
        std::printf("%d\n", plain() == 0);
    }).join();
    std::printf("%d %d %zu %d\n", counter(), counter(), list.size(), shape->area());
    std::printf("%s %s\n", typeid(*shape).name(), local.text.c_str());
    return sum;
}
