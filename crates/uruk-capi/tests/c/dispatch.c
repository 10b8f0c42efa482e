/* A dispatcher with a thread of its own: tasks come to it, run there, and are lost without harm. */

#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>

enum { ROOM = 64 };

struct pool {
  pthread_mutex_t lock;
  pthread_cond_t wake;
  uruk_task *tasks[ROOM];
  int first, end, closed, ran, destroyed, loses, lost;
  int blocked, unblocked;
  pthread_t thread, maker;
};

static void dispatch(void *context, uruk_task *task, uint32_t priority) {
  struct pool *pool = context;
  CHECK(priority == URUK_PRIORITY_NORMAL || priority == URUK_PRIORITY_IDLE);
  pthread_mutex_lock(&pool->lock);
  if (pool->loses) {
    pool->lost++;
    pthread_mutex_unlock(&pool->lock);
    OK(uruk_task_dispose(task));
    return;
  }
  CHECK(pool->end < ROOM);
  pool->tasks[pool->end++] = task;
  pthread_cond_signal(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
}

static void *work(void *context) {
  struct pool *pool = context;
  pthread_mutex_lock(&pool->lock);
  for (;;) {
    if (pool->first < pool->end) {
      uruk_task *task = pool->tasks[pool->first++];
      pthread_mutex_unlock(&pool->lock);
      OK(uruk_task_run(task));
      FAILS(URUK_GONE, "uruk_task is gone", uruk_task_run(task));
      pthread_mutex_lock(&pool->lock);
      pool->ran++;
    } else if (pool->closed) {
      break;
    } else {
      pthread_cond_wait(&pool->wake, &pool->lock);
    }
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

static void blocked(void *context) {
  __atomic_add_fetch(&((struct pool *)context)->blocked, 1, __ATOMIC_SEQ_CST);
}

static void unblocked(void *context) {
  __atomic_add_fetch(&((struct pool *)context)->unblocked, 1, __ATOMIC_SEQ_CST);
}

static void destroy(void *context) {
  ((struct pool *)context)->destroyed++;
}

static void make(void *context, uruk_responsibility *responsibility) {
  struct pool *pool = context;
  uruk_resolved resolved = {0, 0, 0x1234};
  size_t count;
  pool->maker = pthread_self();
  OK(uruk_responsibility_owed(responsibility, &resolved.name, 1, &count));
  OK(uruk_responsibility_resolve(responsibility, &resolved, 1));
  OK(uruk_responsibility_emit(responsibility, NULL, 0));
}

static void define(uruk_jit *jit, uruk_dylib *dylib, struct pool *pool, const char *name) {
  uruk_unit unit;
  uruk_definition definition = {0, 0};
  OK(uruk_name_intern(jit, name, &definition.name));
  OK(uruk_unit_init(&unit, sizeof unit));
  unit.context = pool, unit.materialize = make;
  unit.definitions = &definition, unit.definition_count = 1;
  OK(uruk_dylib_define_unit(dylib, NULL, &unit));
}

struct answer {
  pthread_mutex_t lock;
  pthread_cond_t wake;
  int told;
};

static void told(void *context, uruk_status status, const char *message, const uint64_t *addresses, size_t count) {
  struct answer *answer = context;
  CHECK(status == URUK_OK && message == NULL && count == 1 && addresses[0] == 0x1234);
  pthread_mutex_lock(&answer->lock);
  answer->told = 1;
  pthread_cond_signal(&answer->wake);
  pthread_mutex_unlock(&answer->lock);
}

int main(void) {
  static struct pool pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
  static struct answer answer = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};
  uruk_dispatcher_callbacks callbacks;
  uruk_options options;
  uruk_jit *jit = NULL;
  uruk_dylib *dylib;
  uint64_t address;
  const char *name = "made";
  OK(uruk_dispatcher_callbacks_init(&callbacks, sizeof callbacks));
  OK(uruk_options_init(&options, sizeof options));
  callbacks.context = &pool, callbacks.destroy = destroy, options.dispatcher = &callbacks;
  FAILS(URUK_NULL, "`dispatch`", uruk_jit_create(&options, &jit));
  callbacks.dispatch = dispatch, callbacks.blocked = blocked;
  FAILS(URUK_HALF_PAIR, "`unblocked`", uruk_jit_create(&options, &jit));
  CHECK(pool.destroyed == 0);
  callbacks.unblocked = unblocked;
  OK(uruk_jit_create(&options, &jit));
  memset(&callbacks, 0xff, sizeof callbacks);
  OK(uruk_jit_main(jit, &dylib));
  CHECK(pthread_create(&pool.thread, NULL, work, &pool) == 0);
  define(jit, dylib, &pool, name);
  /* Nobody waits, so the task is run by the dispatcher's thread. */
  OK(uruk_lookup_start(dylib, &name, 1, 0, told, &answer));
  pthread_mutex_lock(&answer.lock);
  while (!answer.told) {
    pthread_cond_wait(&answer.wake, &answer.lock);
  }
  pthread_mutex_unlock(&answer.lock);
  CHECK(pthread_equal(pool.maker, pool.thread) && !pthread_equal(pool.maker, pthread_self()));
  pthread_mutex_lock(&pool.lock);
  pool.loses = 1;
  pthread_mutex_unlock(&pool.lock);
  /* What is lost is run by who waits. */
  define(jit, dylib, &pool, "lost");
  OK(uruk_lookup(dylib, "lost", &address));
  CHECK(address == 0x1234 && pool.lost != 0 && pthread_equal(pool.maker, pthread_self()));
  pthread_mutex_lock(&pool.lock);
  pool.closed = 1;
  pthread_cond_signal(&pool.wake);
  pthread_mutex_unlock(&pool.lock);
  CHECK(pthread_join(pool.thread, NULL) == 0);
  CHECK(pool.ran != 0 && pool.blocked == pool.unblocked);
  CHECK(uruk_task_run(NULL) == URUK_NULL && uruk_task_dispose(NULL) == URUK_OK);
  FAILS(URUK_WRONG_KIND, "uruk_dylib", uruk_task_run((uruk_task *)dylib));
  OK(uruk_jit_destroy(jit));
  CHECK(pool.destroyed == 1);
  puts("dispatch: ok");
  return 0;
}
