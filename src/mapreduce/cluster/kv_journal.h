#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <trireme/kv.h>
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mapreduce/cluster/journal.h"
#include "mapreduce/ledger/ledger.h"

namespace trireme::mapreduce::cluster {

/// How long one try of a transaction may take before it is sent again.
inline constexpr std::int64_t kKvWriteTimeoutMs = 1'000;
/// Between two warnings that the KV takes nothing.
inline constexpr std::int64_t kKvWarnIntervalMs = 5'000;

/// Reads the journal below `prefix`, blocking; of a leader, after its election. DATA_LOSS with the
/// key; other errors are the KV's.
[[nodiscard]] absl::StatusOr<ledger::Loaded> LoadLedger(kv::Client& client,
                                                        const std::string& prefix);

/// The journal in a KV: a shell around the ledger. Its calls are the owner thread's.
class KvJournal final : public Journal, public std::enable_shared_from_this<KvJournal> {
 public:
  struct Hands {
    std::function<std::int64_t()> now_ms;
    /// Runs a task on the owner's thread; from any.
    std::function<void(absl::AnyInvocable<void()>)> post;
    /// Starts a transaction; `done` is called on any thread.
    std::function<void(const kv::Txn&, kv::Client::TxnDone done)> commit;
  };

  [[nodiscard]] static std::shared_ptr<KvJournal> Create(const std::string& prefix,
                                                         ledger::Fence fence,
                                                         const ledger::Position& position,
                                                         ledger::Limits limits, Hands hands);

  [[nodiscard]] absl::StatusOr<JournalToken> Append(std::string payload, Urgency urgency) override;
  JournalToken durable() const override { return durable_; }
  [[nodiscard]] absl::Status Advance() override;
  std::optional<std::int64_t> PatienceMs() const override;
  bool WantsCompaction() const override { return ledger_.WantsCompaction(); }
  [[nodiscard]] absl::Status Compact(std::vector<std::string> payloads) override;
  [[nodiscard]] absl::Status CheckRoom(std::size_t bytes) const override;
  std::uint64_t bytes() const override { return ledger_.bytes(); }
  std::uint64_t writes() const override { return ledger_.stats().writes + ledger_.stats().retries; }
  const std::string& path() const override { return path_; }

 private:
  KvJournal(const std::string& prefix, ledger::Fence fence, const ledger::Position& position,
            ledger::Limits limits, Hands hands);
  void Carry();
  void Send(const ledger::Write& write);
  void OnAnswer(std::uint64_t id, const absl::StatusOr<kv::TxnResult>& result);
  void Warn(const absl::Status& why);

  const std::string path_;
  const ledger::Limits limits_;
  const Hands hands_;
  ledger::Ledger ledger_;
  JournalToken durable_ = 0;
  absl::Status end_;
  std::int64_t next_warning_ms_ = 0;
};

/// The transaction as the KV's client takes it; exposed for tests.
kv::Txn TxnOf(const ledger::Write& write);
/// What became of it, from its result or error.
ledger::Answer AnswerOf(std::uint64_t id, const absl::StatusOr<kv::TxnResult>& result);

}  // namespace trireme::mapreduce::cluster
