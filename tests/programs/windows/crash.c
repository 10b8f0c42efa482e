// A fault that nobody handles, in a function that the report has to name.
static int *volatile nowhere;
__attribute__((noinline)) int writes_nowhere(void) { return *nowhere = 1; }
int main(void) { return writes_nowhere() + 1; }
