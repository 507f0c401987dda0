#include "mapreduce/cluster/kv_journal.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/log.h"

namespace trireme::mapreduce::cluster {
namespace {

ledger::FoundKey FoundOf(kv::KeyValue&& from) {
  return {std::move(from.key), std::move(from.value), from.created.value, from.modified.value};
}

kv::Compare CompareOf(const ledger::Condition& condition) {
  const kv::Revision revision{condition.equals};
  if (condition.field == ledger::Field::kCreated) return kv::CreatedOf(condition.key) == revision;
  return kv::ModifiedOf(condition.key) == revision;
}

absl::Status StatusOf(const ledger::End& end) {
  return end.kind == ledger::EndKind::kDeposed ? absl::AbortedError(end.message)
                                               : absl::FailedPreconditionError(end.message);
}

}  // namespace

absl::StatusOr<ledger::Loaded> LoadLedger(kv::Client& client, const std::string& prefix) {
  ledger::Loader loader(prefix);
  while (const std::optional<ledger::Read> read = loader.Next()) {
    kv::RangeQuery query{.range = {read->range.begin, read->range.end},
                         .limit = read->limit,
                         .revision = kv::Revision{read->revision}};
    TRIREME_ASSIGN_OR_RETURN(kv::RangeResult result, client.Range(std::move(query)));
    ledger::Page page;
    page.more = result.more;
    page.revision = result.revision.value;
    for (kv::KeyValue& found : result.keys) page.keys.push_back(FoundOf(std::move(found)));
    TRIREME_RETURN_IF_ERROR(loader.Step(std::move(page)));
  }
  return loader.Take();
}

kv::Txn TxnOf(const ledger::Write& write) {
  kv::Txn txn;
  for (const ledger::Condition& condition : write.conditions) txn.If(CompareOf(condition));
  for (const ledger::Range& range : write.deletes) {
    txn.Then(kv::Delete(kv::KeyRange{range.begin, range.end}));
  }
  for (const ledger::Put& put : write.puts) txn.Then(kv::Put(put.key, put.value));
  for (const std::string& key : write.reads) txn.Else(kv::Get(key));
  return txn;
}

ledger::Answer AnswerOf(std::uint64_t id, const absl::StatusOr<kv::TxnResult>& result) {
  if (!result.ok()) return {id, ledger::Unknown{}};
  if (result->succeeded) return {id, ledger::Written{result->revision.value}};
  ledger::Refused refused;
  for (const kv::StepResult& step : result->results) {
    const kv::RangeResult* range = step.range();
    if (range == nullptr) continue;
    for (kv::KeyValue found : range->keys) refused.found.push_back(FoundOf(std::move(found)));
  }
  return {id, std::move(refused)};
}

std::shared_ptr<KvJournal> KvJournal::Create(const std::string& prefix, ledger::Fence fence,
                                             const ledger::Position& position,
                                             ledger::Limits limits, Hands hands) {
  return std::shared_ptr<KvJournal>(
      new KvJournal(prefix, std::move(fence), position, limits, std::move(hands)));
}

KvJournal::KvJournal(const std::string& prefix, ledger::Fence fence,
                     const ledger::Position& position, ledger::Limits limits, Hands hands)
    : path_(fmt::format("the journal below the KV's prefix '{}'", prefix)),
      limits_(limits),
      hands_(std::move(hands)),
      ledger_(prefix, std::move(fence), position, limits) {}

absl::StatusOr<JournalToken> KvJournal::Append(std::string payload, Urgency urgency) {
  if (!end_.ok()) return end_;
  if (payload.size() > limits_.batch_bytes_max) {
    return end_ = absl::ResourceExhaustedError(
               fmt::format("{}: a batch of {} bytes is over the limit {}", path_, payload.size(),
                           limits_.batch_bytes_max));
  }
  const ledger::Token token = ledger_.Append(hands_.now_ms(), std::move(payload), urgency);
  Carry();
  return static_cast<JournalToken>(token);
}

absl::Status KvJournal::Advance() {
  if (end_.ok()) {
    ledger_.Tick(hands_.now_ms());
    Carry();
  }
  return end_;
}

std::optional<std::int64_t> KvJournal::PatienceMs() const {
  const std::optional<ledger::TimeMs> next = ledger_.NextMs();
  if (!next) return std::nullopt;
  return std::max<std::int64_t>(*next - hands_.now_ms(), 0);
}

absl::Status KvJournal::Compact(std::vector<std::string> payloads) {
  if (!end_.ok()) return end_;
  ledger_.Compact(hands_.now_ms(), std::move(payloads));
  Carry();
  return end_;
}

absl::Status KvJournal::CheckRoom(std::size_t bytes) const {
  if (bytes > limits_.batch_bytes_max) {
    return absl::ResourceExhaustedError(
        fmt::format("the job's definition takes {} bytes, a coordinator with --kv takes {}: use a "
                    "larger --split-size",
                    bytes, limits_.batch_bytes_max));
  }
  if (ledger_.HasRoomFor(bytes)) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      fmt::format("{} holds {} bytes of at most {}: wait until jobs have ended", path_,
                  this->bytes(), limits_.journal_bytes_max));
}

void KvJournal::Carry() {
  ledger::Output output = ledger_.TakeOutput();
  durable_ = static_cast<JournalToken>(output.durable);
  if (output.end) end_ = StatusOf(*output.end);
  if (output.write) Send(*output.write);
}

void KvJournal::Send(const ledger::Write& write) {
  hands_.commit(TxnOf(write), [weak = weak_from_this(), post = hands_.post,
                               id = write.id](absl::StatusOr<kv::TxnResult> result) {
    post([weak, id, result = std::move(result)] {
      if (const auto self = weak.lock()) self->OnAnswer(id, result);
    });
  });
}

void KvJournal::OnAnswer(std::uint64_t id, const absl::StatusOr<kv::TxnResult>& result) {
  if (!result.ok()) Warn(result.status());
  ledger_.Step(hands_.now_ms(), AnswerOf(id, result));
  Carry();
}

void KvJournal::Warn(const absl::Status& why) {
  const std::int64_t now = hands_.now_ms();
  if (now < next_warning_ms_) return;
  next_warning_ms_ = now + kKvWarnIntervalMs;
  io::Log(io::LogLevel::kWarn, "the KV does not take the journal, trying again",
          {{"reason", std::string(why.message())}});
}

}  // namespace trireme::mapreduce::cluster
