#include "exec_netns.h"

#include <sched.h>

#include "exec.h"
#include "own_thread.h"
#include "sys_error.h"

namespace metactl {

void exec_in_netns(int netns, const std::string& file, const std::vector<std::string>& arguments,
                   const std::vector<std::string>& environment) {
  // execve makes the thread that calls it the whole process; a failure leaves the others in their own namespace.
  on_own_thread([&] {
    if (::setns(netns, CLONE_NEWNET) != 0) fail("enter network namespace", "setns");
    execute_program(file, arguments, environment, {});
  });
}

}  // namespace metactl
