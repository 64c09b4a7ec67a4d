// N-API face of netns.h, link.h, route.h and announce.h.
#include <arpa/inet.h>

#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "addon_support.h"
#include "announce.h"
#include "link.h"
#include "netns.h"
#include "route.h"

namespace metactl {

namespace {

IpAddress read_address(Napi::Env env, const std::string& text) {
  IpAddress address;
  if (::inet_pton(AF_INET, text.c_str(), address.bytes) == 1) return address;
  address.family = AF_INET6;
  if (::inet_pton(AF_INET6, text.c_str(), address.bytes) != 1) bad_argument(env, "address: expected an IP address");
  return address;
}

IpAddress address_arg(const Napi::CallbackInfo& info, size_t index) {
  return read_address(info.Env(), string_arg(info, index, "address"));
}

IpAddresses read_addresses(Napi::Env env, const Napi::Value& value) {
  if (!value.IsArray()) bad_argument(env, "addresses: expected a list");
  auto list = value.As<Napi::Array>();
  IpAddresses addresses;
  for (uint32_t at = 0; at < list.Length(); at++) {
    Napi::Value one = list.Get(at);
    if (!one.IsString()) bad_argument(env, "addresses: expected texts");
    addresses.push_back(read_address(env, one.As<Napi::String>().Utf8Value()));
  }
  return addresses;
}

bool flag_field(const Napi::Object& object, const char* name) {
  Napi::Value value = object.Get(name);
  if (!value.IsBoolean()) bad_argument(object.Env(), std::string(name) + " must be a boolean");
  return value.As<Napi::Boolean>().Value();
}

/// What of an app is connected to the host and to the network.
struct Connection {
  IpAddresses addresses;
  /// Those of them that the uplink answers for; `uplink` 0 for none.
  IpAddresses proxied;
  int uplink = 0;
};

Connection read_connection(const Napi::Object& object) {
  Connection result;
  result.addresses = read_addresses(object.Env(), object.Get("addresses"));
  result.proxied = read_addresses(object.Env(), object.Get("proxied"));
  result.uplink = static_cast<int>(int_field(object, "uplink", 0, INT32_MAX));
  if (result.uplink == 0) result.proxied.clear();
  return result;
}

/// makeNetns(path) → fd
Napi::Value make(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), make_netns(path).release()); });
}

using NetnsJobs = std::shared_ptr<NetnsJob>;

/// startNetns() → job
Napi::Value start_netns(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto job = std::make_unique<NetnsJobs>(std::make_shared<NetnsJob>());
    return Napi::External<NetnsJobs>::New(info.Env(), job.release(), [](Napi::Env, NetnsJobs* gone) { delete gone; });
  });
}

/// finishNetns(job) → fd
Napi::Value finish_netns(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) bad_argument(info.Env(), "finishNetns needs what startNetns gave");
  NetnsJobs job = *info[0].As<Napi::External<NetnsJobs>>().Data();
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), job->finish().release()); });
}

/// startNetwork(path, hostLink, addresses, begun | undefined, withSysfs) → job
Napi::Value start_network(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  std::string link = string_arg(info, 1, "hostLink");
  IpAddresses addresses = read_addresses(info.Env(), info[2]);
  NetnsJobs begun;
  if (info[3].IsExternal()) begun = *info[3].As<Napi::External<NetnsJobs>>().Data();
  bool with_sysfs = info[4].IsBoolean() && info[4].As<Napi::Boolean>();
  return guarded(info.Env(), [&] {
    auto job = std::make_unique<NetworkJob>(path, link, addresses, begun, with_sysfs);
    return Napi::External<NetworkJob>::New(info.Env(), job.release(), [](Napi::Env, NetworkJob* gone) { delete gone; });
  });
}

/// finishNetwork(job) → { netns: fd, sysfs: fd | undefined }
Napi::Value finish_network(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) bad_argument(info.Env(), "finishNetwork needs what startNetwork gave");
  NetworkJob* job = info[0].As<Napi::External<NetworkJob>>().Data();
  return guarded(info.Env(), [&] {
    NetworkJob::Network made = job->finish();
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("netns", made.netns.release());
    if (made.sysfs) result.Set("sysfs", made.sysfs.release());
    return result;
  });
}

/// repairNetwork(netns, hostLink, addresses)
void repair(const Napi::CallbackInfo& info) {
  int netns = int_arg(info, 0, "netns");
  std::string link = string_arg(info, 1, "hostLink");
  IpAddresses addresses = read_addresses(info.Env(), info[2]);
  guarded(info.Env(), [&] { repair_network(netns, link, addresses); });
}

/// openNetns(path) → fd | undefined
Napi::Value open_pinned(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  return guarded(info.Env(), [&]() -> Napi::Value {
    Fd opened = open_netns(path);
    return opened ? Napi::Number::New(info.Env(), opened.release()) : info.Env().Undefined();
  });
}

/// prepareNetnsDirectory(path)
void prepare_directory(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  guarded(info.Env(), [&] { prepare_netns_directory(path); });
}

/// socketInNetns(netns, domain, type, protocol) → fd
Napi::Value make_socket(const Napi::CallbackInfo& info) {
  int netns = int_arg(info, 0, "netns");
  int domain = int_arg(info, 1, "domain");
  int type = int_arg(info, 2, "type");
  int protocol = int_arg(info, 3, "protocol");
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), socket_in_netns(netns, domain, type, protocol).release());
  });
}

/// readLink(name) → { index, alias, forwarding, strict } | undefined
Napi::Value read_link(const Napi::CallbackInfo& info) {
  std::string name = string_arg(info, 0, "name");
  return guarded(info.Env(), [&]() -> Napi::Value {
    Link link = find_link(own_netlink(), name);
    if (link.index == 0) return info.Env().Undefined();
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("index", link.index);
    result.Set("alias", link.alias);
    result.Set("forwarding", link.forwarding);
    result.Set("strict", link.strict);
    return result;
  });
}

/// connectHost(hostLink, alias, { addresses, proxied, uplink, forwarding, routeLocalnet }) → whether the link was down
Napi::Value connect_host(const Napi::CallbackInfo& info) {
  std::string name = string_arg(info, 0, "hostLink");
  std::string alias = string_arg(info, 1, "alias");
  Napi::Object wanted = object_arg(info, 2, "connection");
  Connection connection = read_connection(wanted);
  HostEnd host_end = {flag_field(wanted, "forwarding"), flag_field(wanted, "routeLocalnet")};
  return guarded(info.Env(), [&] {
    Netlink& netlink = own_netlink();
    Link link = find_link(netlink, name);
    if (link.index == 0) fail("find the host end", "netlink", name, ENODEV);
    set_up_host_end(netlink, name, link.index, alias, host_end);
    for (const IpAddress& address : connection.addresses) {
      if (address.is_v6()) add_address(netlink, link.index, gateway6());
      add_host_route(netlink, address, link.index);
    }
    for (const IpAddress& address : connection.proxied) add_proxy_neighbour(netlink, address, connection.uplink);
    return Napi::Boolean::New(info.Env(), !link.up);
  });
}

/// disconnectHost(link, { addresses, proxied, uplink }): 0 for a link that isn't there
void disconnect_host(const Napi::CallbackInfo& info) {
  int link = int_arg(info, 0, "link");
  Connection connection = read_connection(object_arg(info, 1, "connection"));
  guarded(info.Env(), [&] {
    Netlink& netlink = own_netlink();
    for (const IpAddress& address : connection.proxied) delete_proxy_neighbour(netlink, address, connection.uplink);
    if (link == 0) return;
    for (const IpAddress& address : connection.addresses) delete_host_route(netlink, address, link);
  });
}

/// missingParts(link, { addresses, proxied, uplink }) → [{ kind: 'route' | 'proxy', address: number in the lists }]
Napi::Value missing_parts(const Napi::CallbackInfo& info) {
  int link = int_arg(info, 0, "link");
  Connection connection = read_connection(object_arg(info, 1, "connection"));
  return guarded(info.Env(), [&] {
    Netlink& netlink = own_netlink();
    Napi::Array missing = Napi::Array::New(info.Env());
    auto add = [&](const char* kind, size_t at) {
      Napi::Object part = Napi::Object::New(info.Env());
      part.Set("kind", kind);
      part.Set("at", static_cast<double>(at));
      missing.Set(missing.Length(), part);
    };
    for (size_t at = 0; at < connection.addresses.size(); at++) {
      if (routed_to(netlink, connection.addresses[at]) != link) add("route", at);
    }
    for (size_t at = 0; at < connection.proxied.size(); at++) {
      if (!has_proxy_neighbour(netlink, connection.proxied[at], connection.uplink)) add("proxy", at);
    }
    return missing;
  });
}

/// watchRoutes() → fd
Napi::Value watch(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), watch_routes().release()); });
}

/// deleteLink(index)
void remove_link(const Napi::CallbackInfo& info) {
  int index = int_arg(info, 0, "index");
  guarded(info.Env(), [&] {
    Netlink& netlink = own_netlink();
    delete_link(netlink, index);
  });
}

/// retireLink(index, name)
void retire(const Napi::CallbackInfo& info) {
  int index = int_arg(info, 0, "index");
  std::string name = string_arg(info, 1, "name");
  guarded(info.Env(), [&] { retire_link(own_netlink(), index, name); });
}

/// announce(link, address)
void announce_address(const Napi::CallbackInfo& info) {
  int link = int_arg(info, 0, "link");
  IpAddress address = address_arg(info, 1);
  guarded(info.Env(), [&] { announce(link, address); });
}

/// probe(link, address)
void probe_address(const Napi::CallbackInfo& info) {
  int link = int_arg(info, 0, "link");
  IpAddress address = address_arg(info, 1);
  guarded(info.Env(), [&] { probe(link, address); });
}

/// listenClaims(link, address) → fd
Napi::Value listen_for_claims(const Napi::CallbackInfo& info) {
  int link = int_arg(info, 0, "link");
  IpAddress address = address_arg(info, 1);
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), listen_claims(link, address).release()); });
}

/// nfnetlink(messages) → answers, both Uint8Array
Napi::Value exchange_nfnetlink(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray()) bad_argument(info.Env(), "messages must be a Uint8Array");
  auto messages = info[0].As<Napi::TypedArray>();
  const auto* bytes = static_cast<const unsigned char*>(messages.ArrayBuffer().Data()) + messages.ByteOffset();
  return guarded(info.Env(), [&] {
    std::vector<unsigned char> answers = own_nfnetlink().exchange(bytes, messages.ByteLength());
    return Napi::Buffer<unsigned char>::Copy(info.Env(), answers.data(), answers.size());
  });
}

/// hasNftTable(name) → boolean
Napi::Value nft_table(const Napi::CallbackInfo& info) {
  std::string name = string_arg(info, 0, "name");
  return guarded(info.Env(), [&] { return Napi::Boolean::New(info.Env(), has_nft_table(name)); });
}

/// watchRules() → fd
Napi::Value watch_nft(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), watch_rules().release()); });
}

}  // namespace

void register_net(Napi::Env env, Napi::Object exports) {
  exports.Set("makeNetns", Napi::Function::New(env, make, "makeNetns"));
  exports.Set("startNetns", Napi::Function::New(env, start_netns, "startNetns"));
  exports.Set("finishNetns", Napi::Function::New(env, finish_netns, "finishNetns"));
  exports.Set("startNetwork", Napi::Function::New(env, start_network, "startNetwork"));
  exports.Set("finishNetwork", Napi::Function::New(env, finish_network, "finishNetwork"));
  exports.Set("repairNetwork", Napi::Function::New(env, repair, "repairNetwork"));
  exports.Set("openNetns", Napi::Function::New(env, open_pinned, "openNetns"));
  exports.Set("prepareNetnsDirectory", Napi::Function::New(env, prepare_directory, "prepareNetnsDirectory"));
  exports.Set("socketInNetns", Napi::Function::New(env, make_socket, "socketInNetns"));
  exports.Set("readLink", Napi::Function::New(env, read_link, "readLink"));
  exports.Set("connectHost", Napi::Function::New(env, connect_host, "connectHost"));
  exports.Set("disconnectHost", Napi::Function::New(env, disconnect_host, "disconnectHost"));
  exports.Set("deleteLink", Napi::Function::New(env, remove_link, "deleteLink"));
  exports.Set("retireLink", Napi::Function::New(env, retire, "retireLink"));
  exports.Set("announce", Napi::Function::New(env, announce_address, "announce"));
  exports.Set("probe", Napi::Function::New(env, probe_address, "probe"));
  exports.Set("listenClaims", Napi::Function::New(env, listen_for_claims, "listenClaims"));
  exports.Set("missingParts", Napi::Function::New(env, missing_parts, "missingParts"));
  exports.Set("watchRoutes", Napi::Function::New(env, watch, "watchRoutes"));
  exports.Set("watchRules", Napi::Function::New(env, watch_nft, "watchRules"));
  exports.Set("nfnetlink", Napi::Function::New(env, exchange_nfnetlink, "nfnetlink"));
  exports.Set("hasNftTable", Napi::Function::New(env, nft_table, "hasNftTable"));
}

}  // namespace metactl
