/* Executors: this program, as a child and behind a socket, runs what it links itself. */

#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program, *own_path;

/* Runs the object in an executor, twice, and ends that. */
static void run(uruk_executor *executor, int status) {
  uruk_options options;
  uruk_jit *jit;
  uruk_dylib *dylib;
  uint64_t arguments[1] = {40}, result;
  uint32_t process;
  char triple[64];
  int32_t returned, ended;
  CHECK(uruk_executor_triple(executor, triple, sizeof triple) == strlen(triple));
  CHECK(strstr(triple, "-linux-gnu") != NULL);
  OK(uruk_executor_process(executor, &process));
  CHECK(process != (uint32_t)getpid());
  OK(uruk_options_init(&options, sizeof options));
  options.executor = executor;
  OK(uruk_jit_create(&options, &jit));
  OK(uruk_jit_main(jit, &dylib));
  OK(uruk_dylib_add_object_files(dylib, NULL, &program, 1));
  OK(uruk_dylib_call(dylib, "compute", arguments, 1, &result));
  CHECK((int)result == 42);
  OK(uruk_dylib_call(dylib, "process", NULL, 0, &result));
  CHECK((uint32_t)result == process);
  OK(uruk_dylib_run(dylib, NULL, &returned));
  CHECK(returned == 3);
  OK(uruk_executor_exit(executor, status, &ended));
  CHECK(ended == status);
  FAILS(URUK_EXECUTOR, "executor", uruk_dylib_call(dylib, "compute", arguments, 1, &result));
  OK(uruk_jit_destroy(jit));
  OK(uruk_executor_dispose(executor));
  CHECK(uruk_executor_process(executor, &process) == URUK_GONE);
}

static void starts(void) {
  const char *arguments[] = {"serve"}, *wrong[] = {"serve", "--nonsense"};
  uruk_executor_options options;
  uruk_executor *executor = NULL;
  OK(uruk_executor_start(own_path, arguments, 1, NULL, &executor));
  run(executor, 5);
  OK(uruk_executor_options_init(&options, sizeof options));
  options.flags = URUK_EXECUTOR_NO_SHARED_MEMORY;
  options.patience = 60000, options.run_limit = 60000;
  OK(uruk_executor_start(own_path, arguments, 1, &options, &executor));
  run(executor, 0);
  options.flags = 128;
  FAILS(URUK_INVALID, "unknown flags", uruk_executor_start(own_path, arguments, 1, &options, &executor));
  FAILS(URUK_EXECUTOR, "/nowhere", uruk_executor_start("/nowhere", NULL, 0, NULL, &executor));
  CHECK(uruk_executor_start(own_path, wrong, 2, NULL, &executor) == URUK_EXECUTOR);
  CHECK(uruk_executor_start(NULL, NULL, 0, NULL, &executor) == URUK_NULL);
  CHECK(uruk_executor_start(own_path, NULL, 1, NULL, &executor) == URUK_NULL);
}

/* Connects to an executor that listens at a socket of its own, and has a secret. */
static void connects(void) {
  int pipes[2], status;
  char address[128] = "";
  uruk_executor_options options;
  uruk_executor *executor;
  pid_t child;
  FILE *output;
  CHECK(pipe(pipes) == 0);
  child = fork();
  CHECK(0 <= child);
  if (child == 0) {
    dup2(pipes[1], 1);
    close(pipes[0]);
    setenv("URUK_SECRET", "mellon", 1);
    execl(own_path, "executor", "serve", "--listen", "tcp::0", (char *)NULL);
    _exit(127);
  }
  close(pipes[1]);
  output = fdopen(pipes[0], "r");
  CHECK(output != NULL && fgets(address, sizeof address, output) != NULL);
  address[strcspn(address, "\n")] = 0;
  CHECK(strncmp(address, "tcp:", 4) == 0);
  OK(uruk_executor_options_init(&options, sizeof options));
  options.secret = (const uint8_t *)"balrog", options.secret_size = 6;
  CHECK(uruk_executor_connect(address, &options, &executor) == URUK_EXECUTOR);
  options.secret = (const uint8_t *)"mellon";
  OK(uruk_executor_connect(address, &options, &executor));
  run(executor, 9);
  FAILS(URUK_INVALID, "no address", uruk_executor_connect("somewhere", NULL, &executor));
  CHECK(uruk_executor_connect("unix:/nowhere/socket", NULL, &executor) == URUK_EXECUTOR);
  CHECK(uruk_executor_connect(NULL, NULL, &executor) == URUK_NULL);
  CHECK(kill(child, SIGTERM) == 0 && waitpid(child, &status, 0) == child);
  fclose(output);
}

static void refuses(void) {
  const char *arguments[] = {"serve"};
  uruk_options options;
  uruk_memory_manager *manager;
  uruk_executor *executor;
  uruk_jit *jit;
  char triple[8];
  OK(uruk_options_init(&options, sizeof options));
  OK(uruk_executor_start(own_path, arguments, 1, NULL, &executor));
  OK(uruk_memory_manager_create_stock(NULL, &manager));
  options.executor = executor, options.memory_manager = manager;
  FAILS(URUK_INVALID, "memory of its own", uruk_jit_create(&options, &jit));
  OK(uruk_memory_manager_dispose(manager));
  OK(uruk_executor_dispose(executor));
  options.memory_manager = NULL;
  FAILS(URUK_GONE, "uruk_executor is gone", uruk_jit_create(&options, &jit));
  CHECK(uruk_executor_triple(NULL, triple, sizeof triple) == 0);
  CHECK(uruk_executor_exit(NULL, 0, NULL) == URUK_NULL);
  OK(uruk_executor_dispose(NULL));
}

int main(int argc, char **argv) {
  if (1 < argc && strcmp(argv[1], "serve") == 0) {
    return uruk_executor_serve((const char *const *)&argv[2], (size_t)argc - 2) == URUK_OK ? 0 : 1;
  }
  CHECK(argc == 2);
  own_path = argv[0];
  program = argv[1];
  starts();
  connects();
  refuses();
  puts("executor: ok");
  return 0;
}
