#include "name.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace metactl {

namespace {

std::string text_of(const addrinfo& one) {
  char text[INET6_ADDRSTRLEN] = {};
  const void* address = nullptr;
  if (one.ai_family == AF_INET) address = &reinterpret_cast<const sockaddr_in*>(one.ai_addr)->sin_addr;
  if (one.ai_family == AF_INET6) address = &reinterpret_cast<const sockaddr_in6*>(one.ai_addr)->sin6_addr;
  if (address == nullptr || inet_ntop(one.ai_family, address, text, sizeof text) == nullptr) return {};
  return text;
}

}  // namespace

Resolved resolve_name(const std::string& name) {
  addrinfo hints = {};
  // Or each address comes once for each kind of socket.
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* first = nullptr;
  Resolved resolved = {};
  resolved.error = getaddrinfo(name.c_str(), nullptr, &hints, &first);
  if (resolved.error != 0) {
    if (resolved.error == EAI_SYSTEM) resolved.system_error = errno;
    return resolved;
  }
  for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
    std::string text = text_of(*one);
    if (!text.empty()) resolved.addresses.push_back(std::move(text));
  }
  freeaddrinfo(first);
  std::sort(resolved.addresses.begin(), resolved.addresses.end());
  resolved.addresses.erase(std::unique(resolved.addresses.begin(), resolved.addresses.end()), resolved.addresses.end());
  return resolved;
}

}  // namespace metactl
