// The second definition.
int defined_twice(void) { return 2; }
