#include "huge_pages.h"

#include <sys/prctl.h>

#include <atomic>
#include <cerrno>

namespace metactl {

namespace {

// Linux 3.15; a kernel without huge pages refuses them.
#ifndef PR_SET_THP_DISABLE
#define PR_SET_THP_DISABLE 41
#define PR_GET_THP_DISABLE 42
#endif

/// Whether it was this process that refused them, and not whoever started it.
std::atomic<bool> refused{false};

/// @param disable 1, or 0, which is the only value that it can have been before: others are left alone.
bool set_disabled(unsigned long disable) { return ::prctl(PR_SET_THP_DISABLE, disable, 0UL, 0UL, 0UL) == 0; }

}  // namespace

void refuse_huge_pages() {
  if (::prctl(PR_GET_THP_DISABLE, 0UL, 0UL, 0UL, 0UL) == 0) refused = set_disabled(1);
}

HugePagesAsBefore::HugePagesAsBefore() {
  if (refused) set_disabled(0);
}

HugePagesAsBefore::~HugePagesAsBefore() {
  int error = errno;
  if (refused) set_disabled(1);
  errno = error;
}

}  // namespace metactl
