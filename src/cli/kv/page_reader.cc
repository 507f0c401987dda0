#include "cli/kv/page_reader.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "cli/kv/failure.h"
#include "etcd/rpc.trireme.h"
#include "fmt/format.h"

namespace trireme::kvcli {

absl::StatusOr<etcdserverpb::RangeResponse> PageReader::Read() {
  etcdserverpb::RangeRequest request;
  request.set_key(begin_);
  request.set_range_end(end_);
  request.set_revision(header_.revision());
  while (true) {
    request.set_limit(limit_);
    auto page = cluster_.Do(true, [&](auto& channel, rpc::CallOptions options) {
      options.receive_message_bytes_max = kPageBytesMax;
      return etcdserverpb::KVStub(channel).Range(request, std::move(options));
    });
    if (!absl::IsResourceExhausted(page.status()) || limit_ == 1) return page;
    limit_ = std::max<std::int64_t>(limit_ / 8, 1);
  }
}

absl::StatusOr<etcdserverpb::RangeResponse> PageReader::Next() {
  if (finished_) return etcdserverpb::RangeResponse();
  TRIREME_ASSIGN_OR_RETURN(etcdserverpb::RangeResponse page, Read());
  if (!std::exchange(started_, true)) header_ = page.header();
  finished_ = !page.more() || page.kvs().empty();
  if (page.kvs().empty()) return page;
  begin_ = page.kvs().rbegin()->key() + std::string(1, '\0');
  const std::size_t bytes = std::max<std::size_t>(page.ByteSizeLong(), 1);
  const auto fits = static_cast<std::int64_t>(static_cast<std::size_t>(page.kvs_size()) *
                                              kPageBytesWanted / bytes);
  limit_ = std::clamp<std::int64_t>(fits, 1, std::min(limit_ * 4, kPageKeysMax));
  return page;
}

}  // namespace trireme::kvcli
