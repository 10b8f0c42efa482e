// operator new and delete replaced for the whole program, with a header in front: libstdc++'s own strings and streams must
// use them too, else one side frees what the other side made.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <new>
#include <sstream>
#include <string>
#include <vector>

static long live = 0;
static const std::uint64_t MAGIC = 0x5bd1e995cafef00d;

void *operator new(std::size_t size) {
    auto *block = static_cast<std::uint64_t *>(std::malloc(size + 16));
    if (!block) throw std::bad_alloc();
    block[0] = MAGIC;
    block[1] = size;
    live++;
    return block + 2;
}
void operator delete(void *pointer) noexcept {
    if (!pointer) return;
    auto *block = static_cast<std::uint64_t *>(pointer) - 2;
    if (block[0] != MAGIC) {
        std::puts("foreign block");
        std::_Exit(50);
    }
    block[0] = 0;
    live--;
    std::free(block);
}
void operator delete(void *pointer, std::size_t) noexcept { operator delete(pointer); }

int main() {
    long before = live;
    {
        std::string text(100, 'x');
        text += std::string(5000, 'y'); // grows inside libstdc++
        text.insert(50, "in the middle of a long string, so that it is allocated anew");
        std::ostringstream stream;
        for (int i = 0; i < 2000; i++) stream << i << ' ';
        std::vector<std::string> parts;
        std::istringstream in(stream.str());
        for (std::string part; in >> part;) parts.push_back(part + " is a number with a tail that does not fit inside");
        std::locale copy = std::locale::classic();
        std::ifstream self("/dev/null");
        std::string line;
        std::getline(self, line);
        std::cout << text.size() << ' ' << parts.size() << ' ' << parts.back().size() << std::endl;
        try { throw std::runtime_error(std::string(300, 'e')); } catch (std::exception &e) { std::cout << std::string(e.what()).size() << std::endl; }
    }
    std::cout << "balanced " << (live == before) << std::endl;
    return 0;
}
