// The strong definitions, and a second weak one.
extern int absent_data __attribute__((weak));
int replaced(void) { return 2; }
__attribute__((weak)) int first_wins(void) { return 20; }
int weak_data = 200;
int from_other(void) { return replaced() + first_wins() + weak_data + (&absent_data != 0); }
