// Transparent huge pages: good for a daemon's heap, two megabytes of nothing for a process that sleeps.
#pragma once

namespace metactl {

/// Has the kernel give this process no transparent huge pages any more, unless it gives it none anyway. Those that it has stay.
void refuse_huge_pages();

/// The kernel's flag is inherited over fork and execve. As long as one of these is there, what is begun gets huge pages as this process
/// did before `refuse_huge_pages`.
class HugePagesAsBefore {
 public:
  HugePagesAsBefore();
  ~HugePagesAsBefore();
  HugePagesAsBefore(const HugePagesAsBefore&) = delete;
  HugePagesAsBefore& operator=(const HugePagesAsBefore&) = delete;
};

}  // namespace metactl
