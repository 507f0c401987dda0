#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "kv/model/results.h"
#include "kv/model/view.h"

/// The model's results to etcd's response messages.
namespace trireme::kv::inline engine {

/// Writes ResponseHeaders. etcd's clients show the ids and compare revisions.
class HeaderWriter {
 public:
  HeaderWriter(std::uint64_t cluster_id, std::uint64_t member_id);
  /// As field 1 of a response.
  void Append(std::string& to, std::int64_t revision, std::uint64_t raft_term) const;

 private:
  std::string ids_;
};

/// An mvccpb.KeyValue as field `field`.
void AppendKeyValue(std::string& to, std::uint64_t field, const KeyValueView& kv);
/// The bytes of that.
std::size_t KeyValueFieldSize(std::uint64_t field, const KeyValueView& kv);
KeyValueView ViewOf(const KeyValue& kv);

/// Answers the range from the view. With an error that the range itself came to, `to` is as it was.
absl::Status AppendRangeResponse(std::string& to, const HeaderWriter& header, const ReadView& view,
                                 const RangeRequest& request, Error* error);

/// What a command came to, as the response to its request: a PutResponse, DeleteRangeResponse,
/// TxnResponse, CompactionResponse, LeaseGrantResponse (`lease`: its id) or LeaseRevokeResponse.
void AppendResponse(std::string& to, const HeaderWriter& header, std::uint64_t raft_term,
                    const Outcome& outcome, std::int64_t lease);
void AppendTxnResponse(std::string& to, const HeaderWriter& header, std::uint64_t raft_term,
                       const TxnResult& result);

}  // namespace trireme::kv::inline engine
