// Defines what duplicate_other.c defines too.
int defined_twice(void) { return 1; }
int main(void) { return defined_twice(); }
