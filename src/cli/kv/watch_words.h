#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/kv/flag_set.h"
#include "etcd/rpc.pb.h"

namespace trireme::kvcli {

/// What one `watch` asks for.
struct WatchWords {
  void AddFlags(FlagSet& flags);
  /// `before_dashes`: see FlagSet. The variables stand for a key that is not among the words. Pure.
  absl::Status Read(const std::vector<std::string>& words, std::size_t before_dashes,
                    const std::string& key_variable, const std::string& end_variable);

  etcdserverpb::WatchCreateRequest request;
  std::vector<std::string> program;  ///< To run for each event; empty: none.

 private:
  std::int64_t revision_ = 0;
  bool prefix_ = false, previous_ = false, progress_ = false;
};

}  // namespace trireme::kvcli
