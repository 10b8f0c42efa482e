/* Executors, dispatchers and caches in C++. */

#include "check.hpp"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

const char *own_path;

/* Runs an object in an executor, and ends that. */
void run_in(uruk::Executor executor, const char *object, int status) {
  CHECK(executor.triple().find("-linux-gnu") != std::string::npos);
  std::uint32_t process = executor.process().value();
  CHECK(process != static_cast<std::uint32_t>(getpid()));
  uruk::Options options;
  options.executor = &executor;
  uruk::Jit jit = uruk::Jit::make(options).value();
  CHECK(jit.main().add_file(object) && static_cast<int>(jit.main().call("compute", {40}).value()) == 42);
  CHECK(jit.main().call("process").value() == process && jit.main().run().value() == 3);
  CHECK(executor.exit(status).value() == status);
  fails(jit.main().call("compute", {40}), URUK_EXECUTOR, "executor");
}

void executors(const char *object) {
  run_in(uruk::Executor::start(own_path, {"serve"}).value(), object, 5);
  uruk::ExecutorOptions options;
  options.flags = URUK_EXECUTOR_NO_SHARED_MEMORY;
  options.patience = options.run_limit = 60000;
  run_in(uruk::Executor::start(own_path, {"serve"}, options).value(), object, 0);
  options.flags = 128;
  fails(uruk::Executor::start(own_path, {"serve"}, options), URUK_INVALID, "unknown flags");
  fails(uruk::Executor::start("/nowhere"), URUK_EXECUTOR, "/nowhere");
  fails(uruk::Executor::connect("somewhere"), URUK_INVALID, "no address");
}

/* Connects to one that listens, and has a secret. */
void connected(const char *object) {
  int pipes[2], status;
  CHECK(pipe(pipes) == 0);
  pid_t child = fork();
  CHECK(0 <= child);
  if (child == 0) {
    dup2(pipes[1], 1);
    close(pipes[0]);
    setenv("URUK_SECRET", "mellon", 1);
    execl(own_path, "executor", "serve", "--listen", "tcp::0", static_cast<char *>(nullptr));
    _exit(127);
  }
  close(pipes[1]);
  std::string address;
  for (char letter; read(pipes[0], &letter, 1) == 1 && letter != '\n';) address += letter;
  uruk::ExecutorOptions options;
  options.secret = "balrog";
  CHECK(!uruk::Executor::connect(address, options));
  options.secret = "mellon";
  run_in(uruk::Executor::connect(address, options).value(), object, 9);
  CHECK(kill(child, SIGTERM) == 0 && waitpid(child, &status, 0) == child);
  close(pipes[0]);
}

/* A dispatcher with one thread. */
class Pool : public uruk::Dispatcher {
 public:
  explicit Pool(int &deleted) : deleted_(deleted), thread_([this] { work(); }) {}

  ~Pool() override { deleted_++; }

  void dispatch(uruk::Task task, std::uint32_t priority) noexcept override {
    CHECK(priority == URUK_PRIORITY_NORMAL || priority == URUK_PRIORITY_IDLE);
    std::lock_guard<std::mutex> guard(lock_);
    /* One that is closed lets go of the task, and whoever waits runs it. */
    if (!closed_) tasks_.push_back(std::move(task));
    wake_.notify_all();
  }

  void blocked() noexcept override {
    std::lock_guard<std::mutex> guard(lock_);
    blocked_++;
    waits_++;
    wake_.notify_all();
  }

  void unblocked() noexcept override {
    std::lock_guard<std::mutex> guard(lock_);
    blocked_--;
  }

  /* Until somebody waits for a result. */
  void wait_until_blocked() {
    std::unique_lock<std::mutex> guard(lock_);
    CHECK(wake_.wait_for(guard, std::chrono::minutes(1), [this] { return waits_ != 0; }));
  }

  void close() {
    {
      std::lock_guard<std::mutex> guard(lock_);
      closed_ = true;
    }
    wake_.notify_all();
    thread_.join();
    CHECK(ran_ != 0 && blocked_ == 0 && waits_ != 0);
  }

  std::thread::id thread() const { return thread_.get_id(); }

 private:
  void work() {
    std::unique_lock<std::mutex> guard(lock_);
    while (true) {
      wake_.wait(guard, [this] { return closed_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      uruk::Task task = std::move(tasks_.front());
      tasks_.pop_front();
      guard.unlock();
      CHECK(task.run());
      fails(task.run(), URUK_NULL, "task");
      guard.lock();
      ran_++;
    }
  }

  int &deleted_;
  std::mutex lock_;
  std::condition_variable wake_;
  std::deque<uruk::Task> tasks_;
  int ran_ = 0, blocked_ = 0, waits_ = 0;
  bool closed_ = false;
  std::thread thread_;
};

void dispatchers() {
  int deleted = 0;
  {
    auto pool = std::make_shared<Pool>(deleted);
    std::thread::id worker = pool->thread(), maker;
    uruk::Options options;
    options.dispatcher = pool;
    uruk::Jit jit = uruk::Jit::make(options).value();
    auto make = [&maker](uruk::Responsibility duty) {
      maker = std::this_thread::get_id();
      CHECK(duty.resolve(duty.owed().value()[0], 0x1234) && duty.emit());
    };
    CHECK(jit.main().define_unit(make, {{jit.names().intern("made").value(), 0}}));
    std::mutex lock;
    std::condition_variable wake;
    bool told = false;
    /* Nobody waits, so the task is run by the dispatcher's thread. */
    CHECK(jit.main().lookup_start({"made"}, [&](auto addresses) {
      CHECK(addresses.value()[0] == 0x1234);
      std::lock_guard<std::mutex> guard(lock);
      told = true;
      wake.notify_one();
    }));
    {
      std::unique_lock<std::mutex> guard(lock);
      wake.wait(guard, [&] { return told; });
    }
    CHECK(maker == worker);
    std::thread settles;
    auto wait = [&settles, &pool](uruk::Responsibility duty) {
      settles = std::thread([&pool, duty = std::move(duty)]() mutable {
        pool->wait_until_blocked();
        CHECK(duty.resolve(duty.owed().value()[0], 0x5678) && duty.emit());
      });
    };
    CHECK(jit.main().define_unit(wait, {{jit.names().intern("waits").value(), 0}}));
    CHECK(jit.main().lookup("waits").value() == 0x5678);
    settles.join();
    pool->close();
    CHECK(jit.main().define_unit(make, {{jit.names().intern("lost").value(), 0}}));
    CHECK(jit.main().lookup("lost").value() == 0x1234 && maker == std::this_thread::get_id());
    options.dispatcher = nullptr;
    pool = nullptr;
    CHECK(deleted == 0);
  }
  CHECK(deleted == 1);
}

/* One without a thread, for a JIT that cannot be made. */
class Idle : public uruk::Dispatcher {
 public:
  explicit Idle(int &deleted) : deleted_(deleted) {}
  ~Idle() override { deleted_++; }
  void dispatch(uruk::Task, std::uint32_t) noexcept override {}

 private:
  int &deleted_;
};

void refused() {
  int deleted = 0;
  uruk::Options options;
  options.dispatcher = std::make_shared<Idle>(deleted);
  options.flags = 1u << 31;
  fails(uruk::Jit::make(options), URUK_INVALID, "flags");
  CHECK(deleted == 0 && options.dispatcher.use_count() == 1);
}

/* A cache of one's own. */
class Shelf : public uruk::CacheStore {
 public:
  struct Seen {
    int gets = 0, hits = 0, puts = 0, deleted = 0;
    bool burns = false;
  };

  explicit Shelf(Seen &seen) : seen_(seen) {}
  ~Shelf() override { seen_.deleted++; }

  const char *name() const noexcept override { return "shelf"; }

  uruk::Result<std::optional<std::vector<std::uint8_t>>> get(const uruk::CacheKey &key) noexcept override {
    seen_.gets++;
    if (seen_.burns) return uruk::Error("the shelf is on fire");
    auto found = kept_.find(key);
    if (found == kept_.end()) return std::optional<std::vector<std::uint8_t>>();
    seen_.hits++;
    return std::optional(found->second);
  }

  uruk::Result<void> put(const uruk::CacheKey &key, uruk::Bytes bytes) noexcept override {
    seen_.puts++;
    kept_[key].assign(bytes.data(), bytes.data() + bytes.size());
    return {};
  }

 private:
  Seen &seen_;
  std::map<uruk::CacheKey, std::vector<std::uint8_t>> kept_;
};

void compile(const uruk::Cache &cache) {
  uruk::Options options;
  options.cache = &cache;
  uruk::Jit jit = uruk::Jit::make(options).value();
  CHECK(jit.main().add_clif("function %seven() -> i32 { block0: v0 = iconst.i32 7  return v0 }"));
  CHECK(jit.main().function<int()>("seven").value()() == 7);
}

void keeps(const uruk::Cache &cache) {
  uruk::CacheKey key = uruk::cache_key("compiler 1.0", {std::string("one"), std::string("two")}).value();
  uruk::CacheKey other = uruk::cache_key("compiler 1.1", {std::string("one"), std::string("two")}).value();
  CHECK(key != other && !cache.get(key).value() && cache.put(key, std::string("kept")) && !cache.get(other).value());
  CHECK(*cache.get(key).value() == std::vector<std::uint8_t>({'k', 'e', 'p', 't'}));
}

void caches(const char *folder) {
  Shelf::Seen seen;
  {
    uruk::Cache cache = uruk::Cache::make(std::make_unique<Shelf>(seen)).value();
    compile(cache);
    CHECK(seen.gets == 1 && seen.puts == 1 && seen.hits == 0);
    compile(cache);
    CHECK(seen.gets == 2 && seen.puts == 1 && seen.hits == 1);
    keeps(cache);
    seen.burns = true;
    compile(cache);
    fails(cache.get(uruk::CacheKey{}), URUK_CALLBACK, "shelf: `get`: the shelf is on fire");
    CHECK(seen.deleted == 0);
  }
  CHECK(seen.deleted == 1);
  keeps(uruk::Cache::in_memory(1 << 20).value());
  keeps(uruk::Cache::in_directory(folder, 1 << 20).value());
  uruk::Cache again = uruk::Cache::in_directory(folder, 1 << 20).value();
  CHECK(again.get(uruk::cache_key("compiler 1.0", {std::string("one"), std::string("two")}).value()).value()->size() == 4);
  CHECK(again.close());
  fails(again.put(uruk::CacheKey{}, std::string("x")), URUK_NULL, "uruk_cache");
}

}  // namespace

int main(int argc, char **argv) {
  if (1 < argc && std::string(argv[1]) == "serve") {
    return uruk::Executor::serve(std::vector<std::string>(argv + 2, argv + argc)) ? 0 : 1;
  }
  CHECK(argc == 3);
  own_path = argv[0];
  executors(argv[1]);
  connected(argv[1]);
  dispatchers();
  refused();
  caches(argv[2]);
  std::puts("processes: ok");
  return 0;
}
