#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/kv/flag_set.h"
#include "etcd/rpc.pb.h"

/// The flags and arguments of get, put and del, on the command line and in a transaction's lines,
/// and the requests that they mean. Pure.
namespace trireme::kvcli {

struct GetWords {
  void AddFlags(FlagSet& flags);
  absl::StatusOr<etcdserverpb::RangeRequest> Request(const std::vector<std::string>& words) const;

  bool values_only = false;
  bool count_only = false;

 private:
  std::string consistency_ = "l", order_, sort_by_;
  std::int64_t limit_ = 0, revision_ = 0;
  bool prefix_ = false, from_key_ = false, keys_only_ = false;
};

struct PutWords {
  void AddFlags(FlagSet& flags);
  /// `more` gives the value when it is not among the words; empty: there is none.
  absl::StatusOr<etcdserverpb::PutRequest> Request(const std::vector<std::string>& words,
                                                   const std::function<std::string()>& more) const;

 private:
  std::string lease_ = "0";
  bool previous_ = false, ignore_value_ = false, ignore_lease_ = false;
};

struct DeleteWords {
  void AddFlags(FlagSet& flags);
  absl::StatusOr<etcdserverpb::DeleteRangeRequest> Request(
      const std::vector<std::string>& words) const;

 private:
  bool prefix_ = false, from_key_ = false, previous_ = false;
};

/// The end of the range of all keys that begin with `prefix`, which is not empty.
std::string PrefixEnd(std::string prefix);

}  // namespace trireme::kvcli
