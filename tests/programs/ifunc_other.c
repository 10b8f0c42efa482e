// Uses an IFUNC that another object defines.
int chosen(int);
int (*volatile kept)(int) = chosen;
int call_from_other(int x) { return chosen(x) + kept(x); }
int (*address_from_other(void))(int) { return chosen; }
