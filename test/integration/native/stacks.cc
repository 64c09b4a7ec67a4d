// Threads that have used much of their stacks, and what is left of that after release_stacks.
#include "../../../native/stacks.h"

#include <signal.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>

namespace {

constexpr int DEEP = 4 << 20;
std::atomic<int> ready{0};
std::atomic<bool> end{false};
std::array<std::atomic<bool>, 3> intact;

__attribute__((noinline)) void use(int size) {
  auto* memory = static_cast<volatile char*>(__builtin_alloca(size));
  for (int i = 0; i < size; i += 512) memory[i] = 1;
}

/// Uses its stack deeply, then waits with some of it in use.
void run(int number) {
  if (number == 2) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
  }
  use(DEEP);
  std::array<char, 64 << 10> kept;
  std::memset(kept.data(), number + 1, kept.size());
  ready++;
  while (!end) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  bool same = true;
  for (char c : kept) same = same && c == number + 1;
  use(DEEP);
  intact[number] = same;
}

long private_kb() {
  std::ifstream rollup("/proc/self/smaps_rollup");
  std::string line;
  long sum = 0;
  while (std::getline(rollup, line)) {
    if (line.rfind("Private_Dirty:", 0) == 0) sum += std::stol(line.substr(14));
  }
  return sum;
}

}  // namespace

int main() {
  std::thread first(run, 0);
  std::thread second(run, 1);
  std::thread deaf(run, 2);
  while (ready < 3) std::this_thread::yield();
  long before = private_kb();
  metactl::release_stacks();
  metactl::release_stacks();
  // The threads do it when their turn comes.
  for (int i = 0; i < 2000 && before - private_kb() < 2 * DEEP / 1024 - 100; i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::printf("%ld\n", before - private_kb());
  end = true;
  first.join();
  second.join();
  deaf.join();
  std::printf("%d%d%d\n", intact[0] ? 1 : 0, intact[1] ? 1 : 0, intact[2] ? 1 : 0);
}
