/* Definitions that other files refer to, and some that win over theirs. */
#include "shared.h"

/* Stays where it was aligned, whatever a linker shortens before. */
__attribute__((aligned(64), noinline)) int aligned_function(void) { return 64; }
__attribute__((common)) int common_one;
int weak_value = 2;
int other_values[3] = {10, 20, 30};
__thread int other_thread = 33;
extern __attribute__((visibility("hidden"))) int hidden_value;
static int twice(int x) { return 20 * x + hidden_value; }
int other_function(int x) { return twice(x) + common_one; }
