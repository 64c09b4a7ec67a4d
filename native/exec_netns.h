// A program of the host's in an app's network namespace, in the place of this process.
#pragma once

#include <string>
#include <vector>

namespace metactl {

/// Executes `file` with only the network namespace changed. Terminal, standard streams, process id and job control stay, so
/// nothing has to be passed on. @throws SysError where it can't; this process then is as it was.
void exec_in_netns(int netns, const std::string& file, const std::vector<std::string>& arguments,
                   const std::vector<std::string>& environment);

}  // namespace metactl
