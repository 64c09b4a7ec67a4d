#include "exec.h"

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

#include "huge_pages.h"
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

/// Node marks also the standard streams close-on-exec.
void mark(const std::vector<int>& keep, int flag) {
  for (int fd = 0; fd <= 2; fd++) ::fcntl(fd, F_SETFD, flag);
  for (int fd : keep) ::fcntl(fd, F_SETFD, flag);
}

}  // namespace

void execute_program(const std::string& file, const std::vector<std::string>& arguments,
                     const std::vector<std::string>& environment, const std::vector<int>& keep) {
  std::vector<char*> argv = pointers(arguments);
  std::vector<char*> envp = pointers(environment);
  for (int fd : keep) {
    if (::fcntl(fd, F_GETFD) < 0) fail("keep descriptor", "fcntl", std::to_string(fd));
  }
  sigset_t none, before;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, &before);
  // Node ignores it, and what is ignored stays so over execve.
  ::signal(SIGPIPE, SIG_DFL);
  mark(keep, 0);
  HugePagesAsBefore pages;
  ::execve(file.c_str(), argv.data(), envp.data());
  int error = errno;
  mark(keep, FD_CLOEXEC);
  ::signal(SIGPIPE, SIG_IGN);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  fail("run the program", "execve", file, error);
}

}  // namespace metactl
