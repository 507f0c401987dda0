#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <trireme/kv.h>
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/log.h"
#include "mapreduce/cluster/kv_options.h"
#include "rpc/address.h"

namespace trireme::mapreduce::cluster {

/// Addresses of one leader's value.
inline constexpr std::size_t kLeaderAddressesMax = 16;
/// Bytes of the address of a leader's pages; one that is longer is not shown.
inline constexpr std::size_t kLeaderPageBytesMax = 300;
/// The KV is asked anew so long after it did not answer, and a call to it may take so long.
inline constexpr std::int64_t kLeaderRetryMs = 200;
inline constexpr std::int64_t kLeaderCallMs = 2'000;
/// Trailing metadata of a call that a coordinator refuses because another leads: where that is.
inline constexpr char kLeaderMetadata[] = "trireme-coordinator";

struct Leader {
  std::vector<rpc::Address> addresses;
  std::string id;          ///< For people.
  std::string page;        ///< Where its pages are, http://host:port/; empty: it has none.
  std::int64_t fence = 0;  ///< Create revision of its key.
  friend bool operator==(const Leader&, const Leader&) = default;
};

/// A leader's value in the KV; docs/formats/kv-journal.md defines it.
std::string EncodeLeader(const std::vector<rpc::Address>& addresses, const std::string& id,
                         const std::string& page);
/// INVALID_ARGUMENT: the bytes are none.
absl::StatusOr<Leader> DecodeLeader(std::string_view value);
/// A list as in kLeaderMetadata; what is no address is left out.
std::vector<rpc::Address> ParseAddresses(std::string_view list);
std::string JoinAddresses(const std::vector<rpc::Address>& addresses);

/// Follows who leads, on a thread of its own.
class LeaderWatch {
 public:
  using OnChange = std::function<void(const Leader&)>;  ///< On the watch's thread.

  /// Errors are one line for the user: endpoints that are no addresses, TLS that does not load.
  /// `level`: of the log's line when the KV ceases to answer.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LeaderWatch>> Start(
      const KvOptions& options, OnChange on_change, io::LogLevel level = io::LogLevel::kWarn);
  ~LeaderWatch();
  LeaderWatch(const LeaderWatch&) = delete;
  LeaderWatch& operator=(const LeaderWatch&) = delete;

  /// The last one known. It may be dead.
  std::optional<Leader> Current() const;
  /// Waits for the first. UNAVAILABLE, with one line for the user: nobody leads, or the KV does not
  /// answer.
  [[nodiscard]] absl::StatusOr<Leader> Await(std::int64_t patience_ms) const;

 private:
  LeaderWatch(const KvOptions& options, std::unique_ptr<kv::Client> client, OnChange on_change,
              io::LogLevel level);
  void Run();
  absl::Status Observe();
  absl::Status Follow(kv::Watcher& watcher);
  void Listen(kv::Watcher* watcher);
  void Learn(const kv::KeyValue& found);
  void Note(absl::Status error);
  absl::Status NobodyLeads() const;

  const std::string election_;
  const std::string prefix_;
  const std::string endpoints_;
  const std::unique_ptr<kv::Client> client_;
  const OnChange on_change_;
  const io::LogLevel level_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::optional<Leader> leader_;    // Guarded by mutex_, as the next.
  kv::Watcher* watcher_ = nullptr;  // Of Observe, while it is there.
  absl::Status error_;              // Of the last call to the KV.
  std::thread thread_;
};

}  // namespace trireme::mapreduce::cluster
