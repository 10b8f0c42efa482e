// Two names that nobody defines: both must be in one report.
extern int first_missing_name(void), second_missing_name;
int main(void) { return first_missing_name() + second_missing_name; }
