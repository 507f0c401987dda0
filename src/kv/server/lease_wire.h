#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kv/model/requests.h"
#include "kv/model/view.h"
#include "kv/server/response_wire.h"

/// etcd's lease messages. Parsers: false when the bytes are no such message.
namespace trireme::kv::inline engine {

bool ParseLeaseGrant(std::string_view message, LeaseGrantRequest* request);
/// LeaseRevokeRequest, LeaseKeepAliveRequest.
bool ParseLeaseId(std::string_view message, LeaseId* id);
bool ParseTimeToLive(std::string_view message, LeaseId* id, bool* keys);

/// Header fields that answers not made by an entry have.
struct HeaderFields {
  std::int64_t revision = 0;
  std::uint64_t raft_term = 0;
};
std::string KeepAliveResponse(const HeaderWriter& header, const HeaderFields& fields, LeaseId id,
                              std::int64_t ttl_s);
std::string TimeToLiveResponse(const HeaderWriter& header, const HeaderFields& fields, LeaseId id,
                               const LeaseStatus& status);
std::string LeasesResponse(const HeaderWriter& header, const HeaderFields& fields,
                           const std::vector<LeaseId>& ids);

/// The ttls that a renewal of `count` leases came to (ParseEntryResult); empty: not that.
std::vector<std::int64_t> ParseTtls(std::string_view bytes, std::size_t count);

}  // namespace trireme::kv::inline engine
