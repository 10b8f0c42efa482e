/* Dispatchers, which say where and when the tasks of a JIT run. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_DISPATCHER_HPP
#define URUK_DISPATCHER_HPP

#include "base.hpp"

#include <cstdint>
#include <memory>

namespace uruk {

/// Something to be run once, on any thread. One that is let go is run by whoever waits for its result.
class Task : public detail::Owner<uruk_task, uruk_task_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  /// Runs it, unless somebody who waited for it has.
  Result<void> run() { return detail::checked(uruk_task_run(take())); }
};

/// Where tasks run: see `uruk_dispatcher_callbacks`. Several threads may call it at once.
class Dispatcher {
 public:
  virtual ~Dispatcher() = default;

  /// Has a task run, now or later, on this thread or another. `priority` is `URUK_PRIORITY_…`.
  virtual void dispatch(Task task, std::uint32_t priority) noexcept = 0;

  /// A thread that runs a task begins to wait for others: another thread may be started in its place.
  virtual void blocked() noexcept {}

  /// It goes on.
  virtual void unblocked() noexcept {}

  Dispatcher(const Dispatcher &) = delete;
  Dispatcher &operator=(const Dispatcher &) = delete;

 protected:
  Dispatcher() = default;
};

namespace detail {

/// The callbacks of the library, whose context is a part of a dispatcher.
struct DispatcherCallbacks {
  using Context = std::shared_ptr<Dispatcher>;

  static Dispatcher &dispatcher(void *context) { return **static_cast<Context *>(context); }

  static void dispatch(void *context, uruk_task *task, std::uint32_t priority) noexcept {
    dispatcher(context).dispatch(Task(task), priority);
  }

  static void blocked(void *context) noexcept { dispatcher(context).blocked(); }

  static void unblocked(void *context) noexcept { dispatcher(context).unblocked(); }

  static Result<uruk_dispatcher_callbacks> table(Context *context) {
    uruk_dispatcher_callbacks table;
    if (uruk_dispatcher_callbacks_init(&table, sizeof table) != URUK_OK) return Error::last();
    table.context = context;
    table.dispatch = dispatch;
    table.blocked = blocked;
    table.unblocked = unblocked;
    table.destroy = destroy<Context>;
    return table;
  }
};

}  // namespace detail

}  // namespace uruk

#endif  // URUK_DISPATCHER_HPP
