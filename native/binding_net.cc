// N-API face of netns.h and link.h.
#include <arpa/inet.h>
#include <linux/rtnetlink.h>

#include <memory>
#include <utility>
#include <vector>

#include "addon_support.h"
#include "link.h"
#include "netns.h"

namespace metactl {

namespace {

/// A dotted IPv4 address, in network byte order.
uint32_t address_arg(const Napi::CallbackInfo& info, size_t index) {
  in_addr address = {};
  if (::inet_pton(AF_INET, string_arg(info, index, "address").c_str(), &address) != 1) {
    bad_argument(info.Env(), "address: expected an IPv4 address");
  }
  return address.s_addr;
}

/// makeNetns(path) → fd
Napi::Value make(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), make_netns(path).release()); });
}

/// startNetwork(path, hostLink, address) → job
Napi::Value start_network(const Napi::CallbackInfo& info) {
  std::string path = string_arg(info, 0, "path");
  std::string link = string_arg(info, 1, "hostLink");
  uint32_t address = address_arg(info, 2);
  return guarded(info.Env(), [&] {
    auto job = std::make_unique<NetworkJob>(path, link, address);
    return Napi::External<NetworkJob>::New(info.Env(), job.release(), [](Napi::Env, NetworkJob* gone) { delete gone; });
  });
}

/// finishNetwork(job) → fd
Napi::Value finish_network(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) bad_argument(info.Env(), "finishNetwork needs what startNetwork gave");
  NetworkJob* job = info[0].As<Napi::External<NetworkJob>>().Data();
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), job->finish().release()); });
}

/// repairNetwork(netns, hostLink, address)
void repair(const Napi::CallbackInfo& info) {
  int netns = int_arg(info, 0, "netns");
  std::string link = string_arg(info, 1, "hostLink");
  uint32_t address = address_arg(info, 2);
  guarded(info.Env(), [&] { repair_network(netns, link, address); });
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

/// readLink(name) → { index, alias, forwarding } | undefined
Napi::Value read_link(const Napi::CallbackInfo& info) {
  std::string name = string_arg(info, 0, "name");
  return guarded(info.Env(), [&]() -> Napi::Value {
    Link link = find_link(own_netlink(), name);
    if (link.index == 0) return info.Env().Undefined();
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("index", link.index);
    result.Set("alias", link.alias);
    result.Set("forwarding", link.forwarding);
    return result;
  });
}

/// connectHost(hostLink, alias, address, uplink) → whether the link is new; `uplink` 0 for none
Napi::Value connect_host(const Napi::CallbackInfo& info) {
  std::string name = string_arg(info, 0, "hostLink");
  std::string alias = string_arg(info, 1, "alias");
  uint32_t address = address_arg(info, 2);
  int uplink = int_arg(info, 3, "uplink");
  return guarded(info.Env(), [&] {
    Netlink& netlink = own_netlink();
    Link link = find_link(netlink, name);
    if (link.index == 0) fail("find the host end", "netlink", name, ENODEV);
    set_up_host_end(netlink, name, link.index, alias, uplink != 0);
    add_host_route(netlink, address, link.index);
    if (uplink != 0) add_proxy_neighbour(netlink, address, uplink);
    return Napi::Boolean::New(info.Env(), link.alias.empty());
  });
}

/// disconnectHost(link, address, uplink): 0 for a link that isn't there
void disconnect_host(const Napi::CallbackInfo& info) {
  int link = int_arg(info, 0, "link");
  uint32_t address = address_arg(info, 1);
  int uplink = int_arg(info, 2, "uplink");
  guarded(info.Env(), [&] {
    Netlink& netlink = own_netlink();
    if (uplink != 0) delete_proxy_neighbour(netlink, address, uplink);
    if (link != 0) delete_host_route(netlink, address, link);
  });
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
  uint32_t address = address_arg(info, 1);
  guarded(info.Env(), [&] { announce(link, address); });
}

/// probe(link, address)
void probe_address(const Napi::CallbackInfo& info) {
  int link = int_arg(info, 0, "link");
  uint32_t address = address_arg(info, 1);
  guarded(info.Env(), [&] { probe(link, address); });
}

/// listenArp(link) → fd
Napi::Value listen_for_arp(const Napi::CallbackInfo& info) {
  int link = int_arg(info, 0, "link");
  return guarded(info.Env(), [&] { return Napi::Number::New(info.Env(), listen_arp(link).release()); });
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

}  // namespace

void register_net(Napi::Env env, Napi::Object exports) {
  exports.Set("makeNetns", Napi::Function::New(env, make, "makeNetns"));
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
  exports.Set("listenArp", Napi::Function::New(env, listen_for_arp, "listenArp"));
  exports.Set("nfnetlink", Napi::Function::New(env, exchange_nfnetlink, "nfnetlink"));
  exports.Set("hasNftTable", Napi::Function::New(env, nft_table, "hasNftTable"));
}

}  // namespace metactl
