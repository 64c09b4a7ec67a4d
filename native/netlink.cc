#include "netlink.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sys_error.h"

namespace metactl {

namespace {

/// The kernel's own words about a refusal (NETLINK_EXT_ACK): attributes after the error, and after the echoed request
/// unless that was capped.
std::string extended_ack(const unsigned char* data, size_t length) {
  const auto* message = reinterpret_cast<const nlmsghdr*>(data);
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  const auto* error = reinterpret_cast<const nlmsgerr*>(data + sizeof(nlmsghdr));
  size_t at = sizeof(nlmsghdr) + sizeof(nlmsgerr);
  if ((message->nlmsg_flags & NLM_F_CAPPED) == 0) at += NLMSG_ALIGN(error->msg.nlmsg_len) - sizeof(nlmsghdr);
  while (at + sizeof(nlattr) <= length) {
    const auto* found = reinterpret_cast<const nlattr*>(data + at);
    if (found->nla_len < sizeof(nlattr) || at + found->nla_len > length) break;
    if ((found->nla_type & NLA_TYPE_MASK) == NLMSGERR_ATTR_MSG) {
      const char* text = reinterpret_cast<const char*>(found + 1);
      return std::string(text, strnlen(text, found->nla_len - sizeof(nlattr)));
    }
    at += NLA_ALIGN(found->nla_len);
  }
  return {};
}

}  // namespace

Request::Request(uint16_t type, uint16_t flags) {
  message()->nlmsg_len = NLMSG_HDRLEN;
  message()->nlmsg_type = type;
  message()->nlmsg_flags = static_cast<uint16_t>(flags | NLM_F_REQUEST);
}

void Request::append(const void* data, size_t size) {
  size_t at = message()->nlmsg_len;
  if (at + NLMSG_ALIGN(size) > sizeof buffer_) fail("build netlink message", "netlink", {}, EMSGSIZE);
  if (size > 0) std::memcpy(buffer_ + at, data, size);
  message()->nlmsg_len = static_cast<uint32_t>(at + NLMSG_ALIGN(size));
}

void Request::attribute(uint16_t type, const void* data, size_t size) {
  nlattr head = {static_cast<uint16_t>(sizeof(nlattr) + size), type};
  append(&head, sizeof head);
  append(data, size);
}

size_t Request::begin(uint16_t type) {
  size_t begun = message()->nlmsg_len;
  nlattr head = {0, type};
  append(&head, sizeof head);
  return begun;
}

void Request::end(size_t begun) {
  reinterpret_cast<nlattr*>(buffer_ + begun)->nla_len = static_cast<uint16_t>(message()->nlmsg_len - begun);
}

const void* Reply::attribute(size_t header_size, uint16_t type, size_t* size) const {
  size_t at = sizeof(nlmsghdr) + NLMSG_ALIGN(header_size);
  while (at + sizeof(nlattr) <= length_) {
    const auto* found = reinterpret_cast<const nlattr*>(buffer_ + at);
    if (found->nla_len < sizeof(nlattr) || at + found->nla_len > length_) break;
    if ((found->nla_type & NLA_TYPE_MASK) == type) {
      *size = found->nla_len - sizeof(nlattr);
      return found + 1;
    }
    at += NLA_ALIGN(found->nla_len);
  }
  return nullptr;
}

Netlink::Netlink(int protocol) : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)) {
  if (!socket_) fail("open netlink socket", "socket");
  int on = 1;
  // Kernels before 4.12 and 4.20 lack them; they only make answers and checks better.
  (void)::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  (void)::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  (void)::setsockopt(socket_.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
}

void Netlink::send(Request& request) {
  request.message()->nlmsg_seq = ++sequence_;
  send(request.message(), request.message()->nlmsg_len);
}

void Netlink::send(const void* messages, size_t size) {
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent;
  do {
    sent = ::sendto(socket_.get(), messages, size, 0, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) fail("send netlink message", "sendto");
}

std::vector<unsigned char> Netlink::exchange(const void* messages, size_t size) {
  send(messages, size);
  std::vector<unsigned char> answers;
  alignas(nlmsghdr) unsigned char buffer[32768];
  for (;;) {
    sockaddr_nl from = {};
    socklen_t from_size = sizeof from;
    ssize_t got = ::recvfrom(socket_.get(), buffer, sizeof buffer, MSG_TRUNC | MSG_DONTWAIT,
                             reinterpret_cast<sockaddr*>(&from), &from_size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return answers;
    if (got < 0) fail("receive netlink message", "recvfrom");
    if (static_cast<size_t>(got) > sizeof buffer) fail("receive netlink message", "recvfrom", {}, EMSGSIZE);
    if (from.nl_pid == 0) answers.insert(answers.end(), buffer, buffer + got);
  }
}

void Netlink::receive(Reply& reply) {
  for (;;) {
    sockaddr_nl from = {};
    socklen_t from_size = sizeof from;
    ssize_t got = ::recvfrom(socket_.get(), reply.buffer_, sizeof reply.buffer_, MSG_TRUNC,
                             reinterpret_cast<sockaddr*>(&from), &from_size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("receive netlink message", "recvfrom");
    if (static_cast<size_t>(got) > sizeof reply.buffer_) fail("receive netlink message", "recvfrom", {}, EMSGSIZE);
    const auto* message = reinterpret_cast<const nlmsghdr*>(reply.buffer_);
    size_t length = static_cast<size_t>(got);
    // Only the kernel (port 0) answers, and only what this socket asked last.
    if (from.nl_pid != 0 || length < sizeof(nlmsghdr) || message->nlmsg_seq != sequence_) continue;
    reply.length_ = std::min<size_t>(length, message->nlmsg_len);
    return;
  }
}

int Netlink::ask(Request& request, Reply& reply) {
  send(request);
  receive(reply);
  if (reinterpret_cast<const nlmsghdr*>(reply.buffer_)->nlmsg_type != NLMSG_ERROR) return 0;
  const auto* error = reply.header<nlmsgerr>();
  if (error == nullptr || error->error == 0) return EPROTO;
  return -error->error;
}

int Netlink::acknowledged(Request& request, std::string* said) {
  request.message()->nlmsg_flags |= NLM_F_ACK;
  send(request);
  Reply reply;
  receive(reply);
  const auto* error = reply.header<nlmsgerr>();
  if (reinterpret_cast<const nlmsghdr*>(reply.buffer_)->nlmsg_type != NLMSG_ERROR || error == nullptr) return EPROTO;
  if (error->error != 0 && said != nullptr) *said = extended_ack(reply.buffer_, reply.length_);
  return -error->error;
}

int Netlink::talk(const char* step, const std::string& about, Request& request, int harmless) {
  std::string said;
  int error = acknowledged(request, &said);
  if (error != 0 && error != harmless) {
    fail(said.empty() ? step : std::string(step) + " (the kernel says: " + said + ")", "netlink", about, error);
  }
  return error;
}

}  // namespace metactl
