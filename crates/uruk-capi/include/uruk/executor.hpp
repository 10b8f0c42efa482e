/* Executors: processes where code runs. Part of `uruk.hpp`, which is to be included. */

#ifndef URUK_EXECUTOR_HPP
#define URUK_EXECUTOR_HPP

#include "base.hpp"

#include <cstddef>
#include <cstdint>
#include <string>

namespace uruk {

/// What is expected of an executor: see `uruk_executor_options`.
struct ExecutorOptions {
  /// `URUK_EXECUTOR_…`, joined by `|`.
  std::uint32_t flags = 0;
  /// What both sides have to know.
  std::string secret;
  /// In milliseconds, how long it may take to answer what runs no code of the program; 0: a minute.
  std::uint64_t patience = 0;
  /// In milliseconds, how long code may run that is called; 0: as long as it wants.
  std::uint64_t run_limit = 0;
};

/// A process where code runs, perhaps on another machine. The JIT that has it keeps it: it may be let go before.
class Executor : public detail::Owner<uruk_executor, uruk_executor_dispose> {
 public:
  /// Takes a handle over.
  using Owner::Owner;

  /// Starts one as a child: `uruk-executor`, or another program that takes `--pipes IN,OUT` behind these arguments.
  static Result<Executor> start(Text program, const Texts &arguments = {}, const ExecutorOptions &wanted = {}) {
    Result<uruk_executor_options> options = plain(wanted);
    if (!options) return options.error();
    uruk_executor *handle = nullptr;
    if (uruk_executor_start(program, arguments.data(), arguments.size(), &*options, &handle) != URUK_OK) return Error::last();
    return Executor(handle);
  }

  /// Connects to one that listens, at `tcp:HOST:PORT` or `unix:PATH`.
  static Result<Executor> connect(Text address, const ExecutorOptions &wanted = {}) {
    Result<uruk_executor_options> options = plain(wanted);
    if (!options) return options.error();
    uruk_executor *handle = nullptr;
    if (uruk_executor_connect(address, &*options, &handle) != URUK_OK) return Error::last();
    return Executor(handle);
  }

  /// Makes this process an executor until its controller is done, with the arguments of the program `uruk-executor`. To be called first in
  /// `main`, before there are other threads: the environment is changed.
  static Result<void> serve(const Texts &arguments) { return detail::checked(uruk_executor_serve(arguments.data(), arguments.size())); }

  /// What compilers call its machine, as `x86_64-unknown-linux-gnu`.
  std::string triple() const {
    return detail::text([this](char *buffer, std::size_t size) { return uruk_executor_triple(handle(), buffer, size); });
  }

  /// The number of its process, in the system where it runs.
  Result<std::uint32_t> process() const {
    std::uint32_t process = 0;
    return detail::checked(uruk_executor_process(handle(), &process), process);
  }

  /// Ends the process as `exit` does, waits for the rest of its output, and says with which status it ended.
  Result<std::int32_t> exit(std::int32_t status) const {
    std::int32_t ended = 0;
    return detail::checked(uruk_executor_exit(handle(), status, &ended), ended);
  }

 private:
  static Result<uruk_executor_options> plain(const ExecutorOptions &wanted) {
    uruk_executor_options options;
    if (uruk_executor_options_init(&options, sizeof options) != URUK_OK) return Error::last();
    Bytes secret(wanted.secret);
    options.flags = wanted.flags;
    options.secret = secret.data();
    options.secret_size = secret.size();
    options.patience = wanted.patience;
    options.run_limit = wanted.run_limit;
    return options;
  }
};

}  // namespace uruk

#endif  // URUK_EXECUTOR_HPP
