// What the other file refers to.
extern "C" int other_values[3];
int other_values[3] = {10, 20, 30};
inline int &counter() {
    static int count = 100;
    return ++count;
}
extern "C" int other_function(int x) { return x + counter() + other_values[2]; }
int again(int x) {
    if (x) throw 17;
    return x + 1;
}
