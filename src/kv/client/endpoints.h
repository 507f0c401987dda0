#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <trireme/kv.h>
#include "absl/status/statusor.h"
#include "rpc/channel.h"

namespace trireme::kv::internal {

/// The servers a client may ask, and which one it asks now: the same until it fails, so that a
/// client's calls do not wander. On the loop thread but for Create and the const methods.
class Endpoints {
 public:
  /// INVALID_ARGUMENT: no endpoint, one that is no address, TLS material that does not load.
  /// `start` picks the first to be asked.
  static absl::StatusOr<Endpoints> Create(const ClientOptions& options,
                                          std::shared_ptr<rpc::Loop> loop, std::size_t start);

  std::size_t size() const { return channels_.size(); }
  /// "a, b, c", for messages.
  const std::string& names() const { return names_; }

  std::size_t current() const { return current_; }
  const std::shared_ptr<rpc::Channel>& channel(std::size_t index) const { return channels_[index]; }

  /// A call to `index` failed: the next one is asked, unless another caller has moved on already.
  void Failed(std::size_t index) {
    if (index == current_) current_ = (current_ + 1) % channels_.size();
  }
  /// A server says that `address` leads: it is asked next if it is one of ours.
  void Prefer(std::string_view address);
  void Close();

 private:
  std::vector<std::shared_ptr<rpc::Channel>> channels_;
  std::string names_;
  std::size_t current_ = 0;
};

}  // namespace trireme::kv::internal
