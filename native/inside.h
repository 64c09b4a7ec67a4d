// The inside of an app's network namespace. Called on a thread that is in it.
#pragma once

#include "ip_address.h"
#include "netlink.h"

namespace metactl {

/// The name of the app's only link besides `lo`.
constexpr const char* INSIDE_LINK = "veth0";

/// Brings up `lo` and `veth0` with the addresses and a default route through it for the family of each; ports below
/// 1024 are for everybody. Repeatable.
void configure_inside(Netlink& inside, const IpAddresses& addresses);

}  // namespace metactl
