// Throws through functions of another compiler: each call goes through one, and so does the exception.
extern "C" int through(int (*next)(int), int count);

static int next(int count) {
    if (count == 0) throw 42;
    return through(next, count - 1) + 1;
}

int main() {
    try {
        return through(next, 5);
    } catch (int thrown) {
        return thrown;
    }
}
