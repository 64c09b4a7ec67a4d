/*
 * Runs a small action inside a cgroup, entered as metactl-init's parent does: CLONE_INTO_CGROUP for the v2 directory, then
 * `0` into each v1 `tasks`, by the new process itself.
 *   inside TASKS DIRECTORY ACTION [ARG]
 * TASKS descriptors from 3 on, then, if DIRECTORY is 1, one of the v2 directory. Actions:
 *   eat MIB      touches memory MiB by MiB and prints how much it has, until MIB are there
 *   burn CPU     computes on one CPU until it is killed
 *   fork COUNT   forks sleeping children until COUNT or a failure; prints how many; then sleeps
 *   attach COUNT enters COUNT times, 15 ms apart; prints the microseconds of each
 *   exec ARGS    executes ARGS
 * Ends as the action does, of the same signal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int tasks;
static int directory = -1;

static void fail(const char *what) {
  perror(what);
  exit(99);
}

static void close_cgroups(void) {
  for (int fd = 3; fd < 3 + tasks + 1; fd++) close(fd);
}

static void attach(void) {
  for (int i = 0; i < tasks; i++)
    if (write(3 + i, "0", 1) != 1) fail("tasks");
}

static pid_t clone_inside(void) {
  struct clone_args args;
  memset(&args, 0, sizeof args);
  args.exit_signal = SIGCHLD;
  if (directory >= 0) {
    args.flags = CLONE_INTO_CGROUP;
    args.cgroup = (uint64_t)directory;
  }
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid >= 0 || errno != ENOSYS) return (pid_t)pid;
  // Before Linux 5.3, as metactl does there.
  int processes = directory < 0 ? -1 : openat(directory, "cgroup.procs", O_WRONLY | O_CLOEXEC);
  if (directory >= 0 && processes < 0) return -1;
  pid = fork();
  if (pid == 0 && processes >= 0 && write(processes, "0", 1) != 1) fail("cgroup.procs");
  return (pid_t)pid;
}

static void eat(long mib) {
  for (long have = 1; have <= mib; have++) {
    char *block = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) fail("mmap");
    memset(block, 1, 1 << 20);
    char line[32];
    int length = snprintf(line, sizeof line, "%ld\n", have);
    if (write(1, line, (size_t)length) != length) fail("write");
  }
}

static void burn(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0) fail("sched_setaffinity");
  for (volatile unsigned long turns = 0;; turns++) {
  }
}

static void fork_children(long count) {
  long made = 0;
  while (made < count) {
    pid_t pid = fork();
    if (pid < 0) break;
    if (pid == 0)
      for (;;) pause();
    made++;
  }
  printf("%ld\n", made);
  fflush(stdout);
  for (;;) pause();
}

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

/* Alone in its function: vfork may clobber local variables. */
static long time_one(void) {
  static volatile long taken;
  pid_t pid = vfork();
  if (pid == 0) {
    long start = now();
    attach();
    taken = now() - start;
    _exit(0);
  }
  int status;
  if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) fail("vfork");
  return taken;
}

static void time_attach(long count) {
  while (count-- > 0) {
    usleep(15000);
    printf("%ld\n", time_one());
  }
}

int main(int argc, char **argv) {
  if (argc < 5) return 98;
  tasks = atoi(argv[1]);
  if (atoi(argv[2]) == 1) directory = 3 + tasks;
  const char *action = argv[3];
  if (strcmp(action, "attach") == 0) {
    time_attach(atol(argv[4]));
    return 0;
  }
  pid_t pid = clone_inside();
  if (pid < 0) fail("clone3");
  if (pid > 0) {
    int status;
    close_cgroups();
    if (waitpid(pid, &status, 0) != pid) fail("waitpid");
    if (WIFSIGNALED(status)) raise(WTERMSIG(status));
    return WEXITSTATUS(status);
  }
  attach();
  close_cgroups();
  if (strcmp(action, "eat") == 0) eat(atol(argv[4]));
  else if (strcmp(action, "burn") == 0) burn(atoi(argv[4]));
  else if (strcmp(action, "fork") == 0) fork_children(atol(argv[4]));
  else if (strcmp(action, "exec") == 0) {
    execvp(argv[4], argv + 4);
    fail(argv[4]);
  } else return 97;
  return 0;
}
