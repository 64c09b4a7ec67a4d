#include "spawn_queue.h"

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

struct Queue {
  std::mutex mutex;
  std::condition_variable filled;
  std::deque<std::unique_ptr<QueuedSpawn>> jobs;
  bool has_thread = false;
};

/// Never destroyed: its thread waits at it when the process ends.
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

void carry_out(QueuedSpawn& job) {
  try {
    if (job.cgroup != nullptr) make_its_cgroup(job);
    job.made = std::make_unique<Spawned>(spawn(job.options));
  } catch (const SysError& error) {
    job.error = std::make_unique<SysError>(error);
    discard_cgroup(job);
  }
}

void tell(std::unique_ptr<QueuedSpawn> job) {
  auto done = std::move(job->done);
  done(std::move(job));
}

/// One for good: the stack that children are born with is its thread's.
void* work(void*) {
  Queue& from = queue();
  std::vector<std::unique_ptr<QueuedSpawn>> told;
  auto since = std::chrono::steady_clock::now();
  for (;;) {
    std::unique_ptr<QueuedSpawn> job;
    if (told.empty()) since = std::chrono::steady_clock::now();
    {
      std::unique_lock<std::mutex> lock(from.mutex);
      from.filled.wait(lock, [&] { return !from.jobs.empty(); });
      job = std::move(from.jobs.front());
      from.jobs.pop_front();
    }
    carry_out(*job);
    told.push_back(std::move(job));
    bool more = false;
    {
      std::lock_guard<std::mutex> lock(from.mutex);
      more = !from.jobs.empty();
    }
    if (more && std::chrono::steady_clock::now() - since < kPatience) continue;
    for (std::unique_ptr<QueuedSpawn>& one : told) tell(std::move(one));
    told.clear();
  }
}

}  // namespace

void queue_spawn(std::unique_ptr<QueuedSpawn> job) {
  Queue& to = queue();
  {
    std::lock_guard<std::mutex> lock(to.mutex);
    if (!to.has_thread) {
      int error = start_detached_thread(work, nullptr);
      if (error != 0) fail("start a thread", "pthread_create", {}, error);
      to.has_thread = true;
    }
    to.jobs.push_back(std::move(job));
  }
  to.filled.notify_one();
}

}  // namespace metactl
