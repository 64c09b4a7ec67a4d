#include "cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "sys_error.h"

namespace metactl {

namespace {

void require_absent(const std::string& path) {
  struct stat found;
  if (::lstat(path.c_str(), &found) == 0) fail(kCgroupStep, "lstat", path, EEXIST);
}

void make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0755) != 0) fail(kCgroupStep, "mkdir", path);
}

Fd open_inside(const std::string& path, int flags) {
  Fd fd(::open(path.c_str(), flags | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) fail(kCgroupStep, "open", path);
  return fd;
}

/// The beginning of one of the kernel's files.
std::string beginning_of(const std::string& path) {
  Fd fd = open_inside(path, O_RDONLY);
  char text[512];
  ssize_t size = ::read(fd.get(), text, sizeof text);
  if (size < 0) fail(kCgroupStep, "read", path);
  return std::string(text, static_cast<size_t>(size));
}

void require_filled(const std::string& path) {
  if (beginning_of(path).find_first_not_of(" \n") == std::string::npos) fail(kCgroupStep, "read", path, ENODATA);
}

void require_controllers(const CgroupRequest& request) {
  if (request.controllers.empty()) return;
  std::string path = request.v2 + "/cgroup.controllers";
  std::string there = " " + beginning_of(path);
  if (there.back() == '\n') there.back() = ' ';
  for (const std::string& name : request.controllers) {
    if (there.find(" " + name + " ") == std::string::npos) fail(kCgroupStep, "read", path, ENODATA);
  }
}

void write_value(const CgroupWrite& what) {
  Fd fd(::open(what.file.c_str(), O_WRONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd && errno == ENOENT && what.optional) return;
  if (!fd) fail(kCgroupStep, "open", what.file);
  if (::write(fd.get(), what.value.data(), what.value.size()) < 0) fail(kCgroupStep, "write", what.file);
}

MadeCgroup fill(const CgroupRequest& request) {
  for (const std::string& path : request.filled) require_filled(path);
  require_controllers(request);
  for (const CgroupWrite& what : request.writes) write_value(what);
  MadeCgroup made;
  for (const std::string& path : request.v1) made.tasks.push_back(open_inside(path + "/tasks", O_WRONLY));
  if (!request.v2.empty()) made.directory = open_inside(request.v2, O_RDONLY | O_DIRECTORY);
  return made;
}

void remove_directories(const std::vector<const std::string*>& made) {
  for (const std::string* path : made) ::rmdir(path->c_str());
}

std::vector<const std::string*> directories_of(const CgroupRequest& request) {
  std::vector<const std::string*> all;
  for (const std::string& path : request.v1) all.push_back(&path);
  if (!request.v2.empty()) all.push_back(&request.v2);
  return all;
}

}  // namespace

MadeCgroup make_cgroup(const CgroupRequest& request) {
  std::vector<const std::string*> made;
  try {
    for (const std::string& path : request.absent) require_absent(path);
    for (const std::string* path : directories_of(request)) {
      make_directory(*path);
      made.push_back(path);
    }
    return fill(request);
  } catch (const SysError&) {
    remove_directories(made);
    throw;
  }
}

void remove_cgroup(const CgroupRequest& request) { remove_directories(directories_of(request)); }

}  // namespace metactl
