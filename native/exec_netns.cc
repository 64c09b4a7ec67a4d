#include "exec_netns.h"

#include <csignal>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "own_thread.h"
#include "sys_error.h"

namespace metactl {

namespace {

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  result.reserve(words.size() + 1);
  for (const std::string& word : words) result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

}  // namespace

void exec_in_netns(int netns, const std::string& file, const std::vector<std::string>& arguments,
                   const std::vector<std::string>& environment) {
  std::vector<char*> argv = pointers(arguments);
  std::vector<char*> envp = pointers(environment);
  // execve makes the thread that calls it the whole process; a failure leaves the others in their own namespace.
  on_own_thread([&] {
    if (::setns(netns, CLONE_NEWNET) != 0) fail("enter network namespace", "setns");
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    // Node ignores it, and what is ignored stays so over execve.
    ::signal(SIGPIPE, SIG_DFL);
    // Node marks also the standard streams close-on-exec.
    for (int fd = 0; fd <= 2; fd++) ::fcntl(fd, F_SETFD, 0);
    ::execve(file.c_str(), argv.data(), envp.data());
    int error = errno;
    for (int fd = 0; fd <= 2; fd++) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    ::signal(SIGPIPE, SIG_IGN);
    fail("run the program", "execve", file, error);
  });
}

}  // namespace metactl
