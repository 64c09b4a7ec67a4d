// Another program in the place of this process.
#pragma once

#include <string>
#include <vector>

namespace metactl {

/// Executes `file`. Process id, children, working directory and the descriptors `keep` stay (the standard ones in any case);
/// all other descriptors that Node and this addon have opened are closed. No signal is blocked or ignored.
/// @throws SysError where it can't; this process then is as it was.
void execute_program(const std::string& file, const std::vector<std::string>& arguments,
                     const std::vector<std::string>& environment, const std::vector<int>& keep);

}  // namespace metactl
