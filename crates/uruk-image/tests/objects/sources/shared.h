#ifdef __cplusplus
extern "C" {
#endif
extern int other_values[3];
extern __thread int other_thread;
extern int common_one;
int other_function(int x);
int aligned_function(void);
int plain(void);
int throwing(int x);
int run(void);
#ifdef __cplusplus
}
#endif
