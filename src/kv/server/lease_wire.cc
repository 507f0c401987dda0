#include "kv/server/lease_wire.h"

#include "base/bytes.h"
#include "kv/server/wire.h"

namespace trireme::kv::inline engine {

using wire::Number;
using wire::Reader;

bool ParseLeaseGrant(std::string_view message, LeaseGrantRequest* request) {
  Reader reader(message);
  while (reader.Next()) {
    if (reader.tag() == Number(1)) request->ttl_s = reader.signed_number();
    if (reader.tag() == Number(2)) request->id = reader.signed_number();
  }
  return reader.ok();
}

bool ParseLeaseId(std::string_view message, LeaseId* id) {
  Reader reader(message);
  while (reader.Next())
    if (reader.tag() == Number(1)) *id = reader.signed_number();
  return reader.ok();
}

bool ParseTimeToLive(std::string_view message, LeaseId* id, bool* keys) {
  Reader reader(message);
  while (reader.Next()) {
    if (reader.tag() == Number(1)) *id = reader.signed_number();
    if (reader.tag() == Number(2)) *keys = reader.flag();
  }
  return reader.ok();
}

std::string KeepAliveResponse(const HeaderWriter& header, const HeaderFields& fields, LeaseId id,
                              std::int64_t ttl_s) {
  std::string to;
  header.Append(to, fields.revision, fields.raft_term);
  wire::Append(to, 2, id);
  wire::Append(to, 3, ttl_s);
  return to;
}

std::string TimeToLiveResponse(const HeaderWriter& header, const HeaderFields& fields, LeaseId id,
                               const LeaseStatus& status) {
  std::string to;
  header.Append(to, fields.revision, fields.raft_term);
  wire::Append(to, 2, id);
  wire::Append(to, 3, status.ttl_s);
  wire::Append(to, 4, status.granted_ttl_s);
  for (const std::string& key : status.keys) wire::AppendMessage(to, 5, key);
  return to;
}

std::string LeasesResponse(const HeaderWriter& header, const HeaderFields& fields,
                           const std::vector<LeaseId>& ids) {
  std::string to;
  header.Append(to, fields.revision, fields.raft_term);
  for (const LeaseId id : ids) {
    wire::AppendHead(to, 2, wire::FieldSize(1, id));
    wire::Append(to, 1, id);
  }
  return to;
}

std::vector<std::int64_t> ParseTtls(std::string_view bytes, std::size_t count) {
  std::vector<std::int64_t> ttls;
  ByteReader reader(bytes);
  std::uint64_t ttl = 0;
  while (ttls.size() < count && reader.Varint(&ttl)) ttls.push_back(static_cast<std::int64_t>(ttl));
  if (ttls.size() != count) ttls.clear();
  return ttls;
}

}  // namespace trireme::kv::inline engine
