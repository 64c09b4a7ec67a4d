#include "spare.h"

#include <linux/poll.h>
#include <linux/time_types.h>

#include "kernel.h"
#include "protocol.h"
#include "report.h"
#include "sys.h"

namespace metactl {

namespace {

void wait_until_asked() {
  for (;;) {
    struct pollfd either[2] = {{kFdOrder, POLLIN, 0}, {kFdLiveness, POLLIN, 0}};
    long count = sys::call(__NR_ppoll, sys::arg(either), 2, 0, 0, 8);
    if (count == -kernel::kEintr) continue;
    if (count < 0 || either[1].revents != 0) sys::exit_group(0);
    if (either[0].revents != 0) return;
  }
}

/// What somebody has sent to the process that this was, such as the keyboard's SIGINT, is not for the daemon.
void forget_signals() {
  unsigned long all = ~0ul;
  struct __kernel_timespec none = {0, 0};
  for (int i = 0; i < 64 && sys::call(__NR_rt_sigtimedwait, sys::arg(&all), 0, sys::arg(&none), 8) > 0; i++) continue;
}

void enter_cgroups(const OrderRecord& order) {
  int first = kFdTrees + static_cast<int>(order.trees);
  for (int fd = first; fd < first + static_cast<int>(order.tasks); fd++) {
    // As spawn_child.cc does: this thread is all there is of the process.
    must(sys::write(fd, "0", 1), "enter cgroup", "write");
    sys::close(fd);
  }
  // After that, so that the daemon sees its own cgroups as the root.
  must(sys::call(__NR_unshare, static_cast<long>(kernel::kCloneNewcgroup)), "make namespaces", "unshare");
}

}  // namespace

void wait_for_order() {
  wait_until_asked();
  OrderRecord order = {};
  if (sys::read(kFdOrder, &order, sizeof order) != sizeof order) sys::exit_group(0);
  if (order.magic != kOrderMagic || order.trees > kMostTrees || order.tasks > kMostTasks) {
    fail({"take up a start", nullptr, "read", -kernel::kEinval, ""});
  }
  sys::close(kFdOrder);
  forget_signals();
  enter_cgroups(order);
}

}  // namespace metactl
