#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mapreduce/ledger/urgency.h"

namespace trireme::mapreduce::cluster {

/// Names a batch: they are counted from 1 in each life. 0: none.
using JournalToken = std::uint64_t;
using ledger::Urgency;

/// Where a master writes what it must not forget: a file (FileJournal) or a KV (KvJournal).
/// Durability is a value: what depends on a batch is attached to its token. One thread.
class Journal {
 public:
  virtual ~Journal() = default;

  [[nodiscard]] virtual absl::StatusOr<JournalToken> Append(std::string payload,
                                                            Urgency urgency) = 0;
  /// Every batch up to here is found by the next life.
  virtual JournalToken durable() const = 0;
  /// Carries on what is under way, once a turn. Not OK, as after any failed call: nothing can be
  /// written any more and nothing may be promised. ABORTED: as another has taken over.
  [[nodiscard]] virtual absl::Status Advance() { return absl::OkStatus(); }
  /// Milliseconds until Advance has something to do by itself.
  virtual std::optional<std::int64_t> PatienceMs() const { return std::nullopt; }

  virtual bool WantsCompaction() const = 0;
  /// Replaces everything by `payloads`, which restore all that was appended.
  [[nodiscard]] virtual absl::Status Compact(std::vector<std::string> payloads) = 0;

  /// RESOURCE_EXHAUSTED, with one line for the user, when a batch of so many bytes is too much.
  [[nodiscard]] virtual absl::Status CheckRoom(std::size_t) const { return absl::OkStatus(); }
  virtual std::uint64_t bytes() const = 0;
  /// Writes that others see: none for a file.
  virtual std::uint64_t writes() const { return 0; }
  /// What errors call it.
  virtual const std::string& path() const = 0;
};

}  // namespace trireme::mapreduce::cluster
