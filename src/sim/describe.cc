#include "sim/describe.h"

#include <variant>

#include "fmt/format.h"

namespace trireme::sim {
namespace {

struct PayloadWords {
  std::string operator()(const raft::Message& message) const { return raft::Describe(message); }
  std::string operator()(const Request& request) const {
    return fmt::format("asks {}{}", Text(request.command), request.through_log ? "" : " (read)");
  }
  std::string operator()(const Reply& reply) const {
    if (reply.kind == ReplyKind::kNotExecuted) {
      return fmt::format("not executed {} leader {}", reply.sequence, reply.leader);
    }
    return fmt::format("done {} '{}' version {}", reply.sequence, reply.result.value,
                       reply.result.version);
  }
  std::string operator()(const std::shared_ptr<const Letter>& m) const { return m->Text(); }
};

}  // namespace

std::string Name(Address address) {
  if (address < kFirstClient) return fmt::format("n{}", address);
  return fmt::format("c{}", address - kFirstClient);
}

std::string Describe(Address from, Address to, const Payload& payload) {
  return fmt::format("{} -> {} {}", Name(from), Name(to), std::visit(PayloadWords{}, payload));
}

}  // namespace trireme::sim
