#include "spawn_queue.h"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "detached_thread.h"

namespace metactl {

namespace {

/// What is launched is told together, when nothing more is to be launched, but not later than this: whoever keeps books now
/// keeps the others from starting.
constexpr auto kPatience = std::chrono::milliseconds(200);

using Job = std::unique_ptr<QueuedSpawn>;

/// Jobs on their way to a thread.
class Line {
 public:
  void push(Job job) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    filled_.notify_one();
  }
  /// Waits for one.
  Job pop() {
    std::unique_lock<std::mutex> lock(mutex_);
    filled_.wait(lock, [&] { return !jobs_.empty(); });
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    return job;
  }

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Job> jobs_;
};

struct Queue {
  std::mutex starting;
  /// Of `kThreads`, those that run: one that can't be started is tried again by the next, and never started twice.
  size_t started = 0;
  Line to_make;
  Line to_launch;
  /// In both lines, and between them.
  std::atomic<int> waiting{0};
};

/// Never destroyed: its threads wait at it when the process ends.
Queue& queue() {
  static Queue& only = *new Queue();
  return only;
}

void make_its_cgroup(QueuedSpawn& job) {
  job.made_cgroup = make_cgroup(*job.cgroup);
  for (const Fd& tasks : job.made_cgroup.tasks) job.options.tasks.push_back(tasks.get());
  job.options.cgroup = job.made_cgroup.directory.get();
}

/// The cgroup of what was not launched. It must be empty: whoever tries again makes it anew.
void discard_cgroup(QueuedSpawn& job) {
  bool was_made = !job.made_cgroup.tasks.empty() || job.made_cgroup.directory;
  job.made_cgroup = {};
  if (was_made) remove_cgroup(*job.cgroup);
}

template <typename Step>
void carry_out(QueuedSpawn& job, Step step) {
  if (job.error != nullptr) return;
  try {
    step();
  } catch (const SysError& error) {
    job.error = std::make_unique<SysError>(error);
    discard_cgroup(job);
  }
}

void tell(std::unique_ptr<QueuedSpawn> job) {
  auto done = std::move(job->done);
  done(std::move(job));
}

/// Makes cgroups, while the other thread waits for the one before to be launched.
void* make(void*) {
  Queue& from = queue();
  for (;;) {
    Job job = from.to_make.pop();
    carry_out(*job, [&] {
      if (job->cgroup != nullptr) make_its_cgroup(*job);
    });
    from.to_launch.push(std::move(job));
  }
}

/// One for good: the stack that children are born with is its thread's.
void* launch(void*) {
  Queue& from = queue();
  std::vector<Job> told;
  auto since = std::chrono::steady_clock::now();
  for (;;) {
    Job job = from.to_launch.pop();
    if (told.empty()) since = std::chrono::steady_clock::now();
    carry_out(*job, [&] { job->made = std::make_unique<Spawned>(spawn(job->options)); });
    told.push_back(std::move(job));
    bool more = --from.waiting > 0;
    if (more && std::chrono::steady_clock::now() - since < kPatience) continue;
    for (Job& one : told) tell(std::move(one));
    told.clear();
  }
}

constexpr std::array<void* (*)(void*), 2> kThreads = {launch, make};

void start_threads(Queue& of) {
  std::lock_guard<std::mutex> lock(of.starting);
  for (; of.started < kThreads.size(); of.started++) {
    int error = start_detached_thread(kThreads[of.started], nullptr);
    if (error != 0) fail("start a thread", "pthread_create", {}, error);
  }
}

}  // namespace

void queue_spawn(std::unique_ptr<QueuedSpawn> job) {
  Queue& to = queue();
  start_threads(to);
  to.waiting++;
  to.to_make.push(std::move(job));
}

}  // namespace metactl
