#pragma once

#include <string>

#include "fmt/format.h"
#include "kv/model/results.h"

/// Results as text, to compare and to read.
namespace trireme::kv::inline engine {

inline std::string Quoted(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes)
    text += c >= ' ' && c <= '~' ? std::string(1, c)
                                 : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return text + "\"";
}

template <typename Kv>
std::string Describe(const Kv& kv) {
  return fmt::format("{}={} create {} mod {} version {}{}", Quoted(kv.key), Quoted(kv.value),
                     kv.create_revision, kv.mod_revision, kv.version,
                     kv.lease == kNoLease ? "" : fmt::format(" lease {}", kv.lease));
}

inline std::string Describe(const RangeResult& r) {
  std::string text =
      fmt::format("range at {} count {}{}", r.revision, r.count, r.more ? " more" : "");
  for (const KeyValue& kv : r.kvs) text += "; " + Describe(kv);
  return text;
}

inline std::string Describe(const PutResult& r) {
  return fmt::format("put at {}{}", r.revision, r.prev ? ", was " + Describe(*r.prev) : "");
}

inline std::string Describe(const DeleteRangeResult& r) {
  std::string text = fmt::format("deleted {} at {}", r.deleted, r.revision);
  for (const KeyValue& kv : r.prevs) text += "; was " + Describe(kv);
  return text;
}

inline std::string Describe(const TxnResult& r) {
  std::string text = fmt::format("txn at {} {} [", r.revision, r.succeeded ? "then" : "else");
  for (const ResponseOp& op : r.responses)
    text += std::visit([](const auto& x) { return Describe(x); }, op.response) + " | ";
  return text + "]";
}

inline std::string Describe(const LeaseResult& r) {
  return fmt::format("lease for {} s", r.ttl_s);
}

inline std::string Describe(const LeaseKeepAliveResult& r) {
  return fmt::format("kept alive for {} s", fmt::join(r.ttls_s, ", "));
}

inline std::string Describe(const TickResult& r) {
  return fmt::format("expired [{}]", fmt::join(r.expired, ", "));
}

inline std::string Describe(std::monostate) {
  return "done";
}

inline std::string Describe(const Event& event) {
  if (event.type == EventType::kDelete)
    return fmt::format("DELETE {} mod {}", Quoted(event.kv.key), event.kv.mod_revision);
  return fmt::format("{} {}", event.created ? "CREATE" : "PUT", Describe(event.kv));
}

/// Errors as gRPC's code and etcd's text.
inline std::string Describe(Error error) {
  return fmt::format("code {}: {}", CodeOf(error), TextOf(error));
}

inline std::string Describe(const Outcome& outcome) {
  if (outcome.error != Error::kNone) return Describe(outcome.error);
  std::string text = std::visit([](const auto& r) { return Describe(r); }, outcome.result);
  text += fmt::format("; revision {}", outcome.revision);
  for (const Event& event : outcome.events) text += "\n  " + Describe(event);
  return text;
}

}  // namespace trireme::kv::inline engine
