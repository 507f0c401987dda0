#include "kv/server/kv_machine.h"

#include <utility>

#include "base/bytes.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/model/state_stream.h"

namespace trireme::kv::inline engine {
namespace {

constexpr std::uint64_t kSnapshotReadBytes = 1u << 20;

std::int64_t LeaseOf(const Command& command) {
  const auto* grant = std::get_if<LeaseGrantRequest>(&command.body);
  return grant == nullptr ? kNoLease : grant->id;
}

/// A result is a response and, behind it, one byte with the error.
void AppendError(std::string& to, Error error) {
  to.push_back(static_cast<char>(error));
}

/// Of a renewal of many leases: their ttls, varint by varint.
void AppendTtls(std::string& to, const LeaseKeepAliveResult& result) {
  for (const std::int64_t ttl : result.ttls_s) AppendVarint(to, static_cast<std::uint64_t>(ttl));
}

}  // namespace

std::optional<EntryResult> ParseEntryResult(std::string_view result) {
  if (result.empty()) return std::nullopt;
  const auto error = static_cast<Error>(result.back());
  result.remove_suffix(1);
  return EntryResult{error, result};
}

absl::StatusOr<std::unique_ptr<KvMachine>> KvMachine::Open(const Options& options,
                                                           StoreProvider* stores,
                                                           MachineObserver* observer) {
  std::unique_ptr<KvMachine> machine(new KvMachine(options, stores, observer));
  TRIREME_ASSIGN_OR_RETURN(machine->store_, stores->Open());
  TRIREME_ASSIGN_OR_RETURN(machine->model_, Model::Open(*machine->store_));
  // An empty state is a state too, which a snapshot can hold.
  if (machine->model_->applied_index() == 0) TRIREME_RETURN_IF_ERROR(machine->model_->Commit());
  machine->TakeView();
  return machine;
}

/// A view's holder keeps the store: one that has been replaced is still read from for a while.
void KvMachine::TakeView() {
  struct Held {
    std::shared_ptr<OrderedStore> store;
    std::shared_ptr<const ReadView> view;
  };
  auto held = std::make_shared<Held>(Held{store_, model_->View()});
  view_ = std::shared_ptr<const ReadView>(held, held->view.get());
}

void KvMachine::Apply(std::span<const raft::Entry> entries, std::span<std::string> results) {
  if (failed_) return;
  const absl::Status status = ApplyAll(entries, results);
  if (status.ok()) return;
  failed_ = true;
  for (std::string& result : results) result.clear();  // committed, but what came of it is unknown
  observer_->OnFailure(status);
}

absl::Status KvMachine::ApplyAll(std::span<const raft::Entry> entries,
                                 std::span<std::string> results) {
  observer_->OnApplying();
  wants_events_ = observer_->wants_events();
  const std::uint64_t before = model_->applied_index();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].index.value <= before) continue;  // the store has it from before a restart
    TRIREME_RETURN_IF_ERROR(ApplyOne(entries[i], &results[i]));
  }
  return model_->applied_index() == before ? absl::OkStatus() : Publish(wants_events_);
}

absl::Status KvMachine::ApplyOne(const raft::Entry& entry, std::string* result) {
  while (model_->applied_index() + 1 < entry.index.value)
    model_->Skip(model_->applied_index() + 1, entry.term.value);
  const auto parsed = ParseEntry(entry.data.view());
  if (!parsed)
    return absl::DataLossError(
        fmt::format("log entry {} is {} bytes long, too short for a KV entry; was the data "
                    "directory another program's?",
                    entry.index.value, entry.data.size()));
  TRIREME_ASSIGN_OR_RETURN(Command command, DecodeCommand(parsed->command));
  command.time_ms = parsed->tail.time_ms;
  Outcome outcome;
  TRIREME_RETURN_IF_ERROR(model_->Apply(entry.index.value, entry.term.value, command, &outcome));
  if (parsed->tail.origin == options_.origin) {
    if (const auto* kept = std::get_if<LeaseKeepAliveResult>(&outcome.result)) {
      AppendTtls(*result, *kept);
    } else if (outcome.error == Error::kNone) {
      AppendResponse(*result, header_, entry.term.value, outcome, LeaseOf(command));
    }
    AppendError(*result, outcome.error);
  }
  if (wants_events_ && !outcome.events.empty()) KeepEvents(entry, outcome);
  return absl::OkStatus();
}

void KvMachine::KeepEvents(const raft::Entry& entry, Outcome& outcome) {
  batch_->commands.push_back(entry.data);
  batch_->outcomes.push_back(std::move(outcome));
}

absl::Status KvMachine::Publish(bool has_events) {
  TRIREME_RETURN_IF_ERROR(model_->Commit());
  TakeView();
  batch_->view = view_;
  batch_->has_events = has_events;
  batch_->lease_count = model_->lease_count();
  batch_->next_lease_end_ms = model_->next_lease_end_ms();
  observer_->OnCommitted(std::exchange(batch_, std::make_shared<CommittedBatch>()));
  return absl::OkStatus();
}

raft::SnapshotWork KvMachine::Capture() {
  return [view = view_](raft::SnapshotSink& sink) -> absl::Status {
    StateWriter writer(view->store());
    std::string part;
    while (true) {
      part.clear();
      TRIREME_ASSIGN_OR_RETURN(const bool more, writer.Next(&part));
      TRIREME_RETURN_IF_ERROR(sink.Append(part));
      if (!more) return absl::OkStatus();
    }
  };
}

absl::Status KvMachine::Restore(raft::SnapshotSource& from) {
  if (model_->applied_index() >= from.last().index.value) return absl::OkStatus();
  TRIREME_ASSIGN_OR_RETURN(std::shared_ptr<OrderedStore> store, stores_->OpenEmpty());
  TRIREME_RETURN_IF_ERROR(Fill(from, *store));
  TRIREME_RETURN_IF_ERROR(stores_->Adopt());
  model_.reset();
  store_ = std::move(store);
  TRIREME_ASSIGN_OR_RETURN(model_, Model::Open(*store_));
  // The snapshot may end with entries that are Raft's own.
  while (model_->applied_index() < from.last().index.value)
    model_->Skip(model_->applied_index() + 1, from.last().term.value);
  return Publish(false);
}

absl::Status KvMachine::Fill(raft::SnapshotSource& from, OrderedStore& store) {
  StateReader reader(store);
  while (true) {
    TRIREME_ASSIGN_OR_RETURN(const SharedBytes bytes, from.Read(kSnapshotReadBytes));
    if (bytes.empty()) return reader.Finish();
    TRIREME_RETURN_IF_ERROR(reader.Feed(bytes.view()));
  }
}

absl::StatusOr<std::string> KvMachine::Query(std::string_view) {
  if (failed_) return absl::UnavailableError("the state machine has failed");
  absl::Status status = model_->Sweep().status();
  if (status.ok()) status = Publish(true);
  if (status.ok()) return std::string();
  failed_ = true;
  observer_->OnFailure(status);
  return status;
}

}  // namespace trireme::kv::inline engine
