#include "netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "file.h"
#include "inside.h"
#include "kernel.h"
#include "link.h"
#include "netlink.h"
#include "own_thread.h"
#include "sys_error.h"

namespace metactl {

namespace {

/// Leaves the calling thread in a new network namespace. @returns its descriptor.
Fd unshare_network() {
  if (::unshare(CLONE_NEWNET) != 0) fail("make network namespace", "unshare");
  Fd self(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!self) fail("make network namespace", "open", "/proc/thread-self/ns/net");
  return self;
}

/// Pins the calling thread's network namespace on `target`.
void pin(const Fd& target, const std::string& path) {
  std::string by_fd = "/proc/self/fd/" + std::to_string(target.get());
  if (::mount("/proc/thread-self/ns/net", by_fd.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    fail("pin network namespace", "mount", path);
  }
}

void enter(int netns) {
  if (::setns(netns, CLONE_NEWNET) != 0) fail("enter network namespace", "setns");
}

/// The file system of /sys in the calling thread's network namespace. Read-only, as it is made for a sandbox.
Fd make_sysfs() {
  Fd context(static_cast<int>(::syscall(kernel::kFsopen, "sysfs", kernel::kFsopenCloexec)));
  if (!context) return Fd();
  if (::syscall(kernel::kFsconfig, context.get(), kernel::kFsconfigSetFlag, "ro", nullptr, 0) != 0) return Fd();
  if (::syscall(kernel::kFsconfig, context.get(), kernel::kFsconfigCreate, nullptr, nullptr, 0) != 0) return Fd();
  return context;
}

/// Leaves the calling thread in the namespace that was begun, or a new one.
Fd enter_own(NetnsJob* begun) {
  if (begun == nullptr) return unshare_network();
  Fd netns = begun->finish();
  enter(netns.get());
  return netns;
}

}  // namespace

Fd make_netns(const std::string& path) {
  Fd target = open_path(path, 0);
  Fd made;
  on_own_thread([&] {
    made = unshare_network();
    pin(target, path);
  });
  return made;
}

NetnsJob::NetnsJob() : thread_([this] { made_ = unshare_network(); }) {}

Fd NetnsJob::finish() {
  thread_.finish();
  return static_cast<Fd&&>(made_);
}

NetworkJob::NetworkJob(const std::string& path, const std::string& host_link, const IpAddresses& addresses,
                       const std::shared_ptr<NetnsJob>& begun, bool with_sysfs)
    : target_(open_path(path, 0)), thread_([this, path, host_link, addresses, begun, with_sysfs] {
        made_.netns = enter_own(begun.get());
        pin(target_, path);
        add_veth(host_, host_link, made_.netns.get());
        Netlink inside(NETLINK_ROUTE);
        configure_inside(inside, addresses);
        if (with_sysfs) made_.sysfs = make_sysfs();
      }) {}

NetworkJob::Network NetworkJob::finish() {
  thread_.finish();
  return static_cast<Network&&>(made_);
}

void repair_network(int netns, const std::string& host_link, const IpAddresses& addresses) {
  Netlink& host = own_netlink();
  on_own_thread([&] {
    enter(netns);
    Netlink inside(NETLINK_ROUTE);
    // Two ends of one pair live and die together.
    if (!find_link(inside, INSIDE_LINK).index) add_veth(host, host_link, netns);
    configure_inside(inside, addresses);
  });
}

Fd open_netns(const std::string& path) {
  Fd opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!opened) {
    if (errno == ENOENT) return Fd();
    fail("open network namespace", "open", path);
  }
  struct statfs about = {};
  if (::fstatfs(opened.get(), &about) != 0) fail("open network namespace", "fstatfs", path);
  return about.f_type == NSFS_MAGIC ? static_cast<Fd&&>(opened) : Fd();
}

void prepare_netns_directory(const std::string& directory) {
  Fd opened = open_path(directory, O_DIRECTORY);
  std::string by_fd = "/proc/self/fd/" + std::to_string(opened.get());
  if (::mount("", by_fd.c_str(), "none", MS_SHARED | MS_REC, nullptr) == 0) return;
  // EINVAL: not a mount point yet.
  if (errno != EINVAL) fail("share the mounts of network namespaces", "mount", directory);
  if (::mount(by_fd.c_str(), by_fd.c_str(), "none", MS_BIND | MS_REC, nullptr) != 0) {
    fail("make a mount point for network namespaces", "mount", directory);
  }
  // The descriptor still means the directory below the new mount.
  opened = open_path(directory, O_DIRECTORY);
  by_fd = "/proc/self/fd/" + std::to_string(opened.get());
  if (::mount("", by_fd.c_str(), "none", MS_SHARED | MS_REC, nullptr) != 0) {
    fail("share the mounts of network namespaces", "mount", directory);
  }
}

Fd socket_in_netns(int netns, int domain, int type, int protocol) {
  Fd made;
  on_own_thread([&] {
    enter(netns);
    made = Fd(::socket(domain, type | SOCK_CLOEXEC, protocol));
    if (!made) fail("make socket", "socket");
  });
  return made;
}

}  // namespace metactl
