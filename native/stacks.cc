#include "stacks.h"

#include <dirent.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#ifndef MADV_COLD
#define MADV_COLD 20  // Linux 5.4; older ones refuse it
#endif

namespace metactl {

namespace {

constexpr std::uintptr_t HUGE_PAGE = 2 << 20;
/// What the handler itself may need below the place where it asks for it.
constexpr std::uintptr_t MARGIN = 8 << 10;

struct Range {
  std::uintptr_t low;
  std::uintptr_t high;
};

/// Mappings with a guard page below, in which a thread's handler finds its stack. Written only while no handler is at work.
std::array<Range, 64> stacks;
int stack_count = 0;
std::uintptr_t page = 4096;
/// Handlers at work.
std::atomic<int> working{0};
/// Whether the table may be read. A signal may come late: a thread's stack stays where it is.
std::atomic<bool> open{false};

/// Runs on the stack that is meant: nobody else can know how much of it is in use. Only system calls.
void on_signal(int) {
  int error = errno;
  working++;
  if (open) {
    auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) & ~(page - 1);
    for (int i = 0; i < stack_count; i++) {
      const Range& stack = stacks[i];
      if (here < stack.low || here >= stack.high || here - stack.low <= MARGIN + page) continue;
      std::uintptr_t unused = ((here - MARGIN) & ~(page - 1)) - stack.low;
      ::madvise(reinterpret_cast<void*>(stack.low), unused, MADV_DONTNEED);
      // What is left of a huge page is still all of it, until something has the kernel split it.
      std::uintptr_t end = (here + HUGE_PAGE) & ~(HUGE_PAGE - 1);
      ::madvise(reinterpret_cast<void*>(here), (end < stack.high ? end : stack.high) - here, MADV_COLD);
    }
  }
  working--;
  errno = error;
}

/// Has our handler in place of nothing. It stays: a thread that blocks the signal now may let it through later.
bool take_signal(int signal) {
  static bool taken = false;
  if (taken) return true;
  struct sigaction before = {};
  if (::sigaction(signal, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) return false;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  ::sigfillset(&action.sa_mask);
  taken = ::sigaction(signal, &action, nullptr) == 0;
  return taken;
}

/// The kernel lets mappings of one kind grow together, but not across the inaccessible guard page at a stack's lower end.
void find_stacks() {
  stack_count = 0;
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return;
  std::array<char, 512> line = {};
  std::uintptr_t guard_end = 0;
  while (stack_count < static_cast<int>(stacks.size()) && std::fgets(line.data(), line.size(), maps) != nullptr) {
    char* end = nullptr;
    std::uintptr_t low = std::strtoull(line.data(), &end, 16);
    if (*end != '-') continue;
    std::uintptr_t high = std::strtoull(end + 1, &end, 16);
    if (end[0] != ' ' || end[4] != 'p') continue;
    bool writable = end[1] == 'r' && end[2] == 'w';
    if (writable && low == guard_end) stacks[stack_count++] = {low, high};
    guard_end = end[1] == '-' && end[2] == '-' ? high : 0;
  }
  std::fclose(maps);
}

/// For one that blocks the signal it would wait for ever: Node has a thread that blocks all.
bool blocks(long thread, int signal) {
  std::array<char, 64> path = {};
  std::snprintf(path.data(), path.size(), "/proc/self/task/%ld/status", thread);
  std::FILE* status = std::fopen(path.data(), "re");
  if (status == nullptr) return true;
  std::array<char, 512> line = {};
  bool blocked = true;
  while (std::fgets(line.data(), line.size(), status) != nullptr) {
    if (std::strncmp(line.data(), "SigBlk:", 7) != 0) continue;
    blocked = ((std::strtoull(line.data() + 7, nullptr, 16) >> (signal - 1)) & 1) != 0;
    break;
  }
  std::fclose(status);
  return blocked;
}

void signal_others(int signal) {
  DIR* tasks = ::opendir("/proc/self/task");
  if (tasks == nullptr) return;
  auto process = ::getpid();
  auto own = ::syscall(SYS_gettid);
  while (const dirent* entry = ::readdir(tasks)) {
    auto thread = std::strtol(entry->d_name, nullptr, 10);
    if (thread <= 0 || thread == own || blocks(thread, signal)) continue;
    // It may have ended.
    (void)::syscall(SYS_tgkill, process, thread, signal);
  }
  ::closedir(tasks);
}

}  // namespace

void release_stacks() {
  int signal = SIGRTMAX - 1;
  // One that is at work holds its own count up before it looks: it sees a closed table, or we see it.
  open = false;
  if (working == 0 && take_signal(signal)) {
    page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    find_stacks();
  }
  open = stack_count > 0;
  if (open) signal_others(signal);
}

}  // namespace metactl
