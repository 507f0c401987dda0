#include "kv/server/kv_machine.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/model/state_stream.h"
#include "kv/store/files_stream.h"

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

absl::Status Failed() {
  return absl::UnavailableError("the state machine has failed");
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
  for (std::string& result : results) result.clear();  // committed, but what came of it is unknown
  Fail(status);
}

void KvMachine::Fail(const absl::Status& status) {
  failed_ = true;
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
  Outcome& outcome = NewOutcome();
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

/// Events of the last one that nobody took leave their memory.
Outcome& KvMachine::NewOutcome() {
  std::vector<Event> events = std::move(outcome_.events);
  events.clear();
  outcome_ = {.events = std::move(events)};
  return outcome_;
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
  if (failed_) return [](raft::SnapshotSink&) { return Failed(); };
  if (auto own = store_->Capture()) {
    return [store = store_, own = std::move(own)](raft::SnapshotSink& sink) mutable {
      const auto held = std::exchange(store, nullptr);
      const auto write = std::exchange(own, nullptr);
      return write([&sink](std::string_view bytes) { return sink.Append(bytes); });
    };
  }
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

/// The new store counts only once it is whole and durable.
absl::Status KvMachine::Restore(raft::SnapshotSource& from) {
  if (model_->applied_index() >= from.last().index.value) return store_->Flush();
  TRIREME_ASSIGN_OR_RETURN(std::shared_ptr<OrderedStore> store, Receive(from));
  TRIREME_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, Model::Open(*store));
  // The snapshot may end with entries that are Raft's own.
  while (model->applied_index() < from.last().index.value)
    model->Skip(model->applied_index() + 1, from.last().term.value);
  TRIREME_RETURN_IF_ERROR(model->Commit());
  TRIREME_RETURN_IF_ERROR(store->Flush());
  TRIREME_RETURN_IF_ERROR(stores_->Adopt());
  model_ = std::move(model);
  store_ = std::move(store);
  return Publish(false);
}

void KvMachine::Skip(raft::LogPosition at) {
  if (failed_) return;
  model_->Skip(at.index.value, at.term.value);
  const absl::Status status = Publish(true);
  if (!status.ok()) Fail(status);
}

/// Raft may run it when the store's place has been taken. Once run, it holds the store no more.
raft::FlushWork KvMachine::Flush() {
  if (failed_) return [] { return Failed(); };
  return [store = store_, wait = store_->StartFlush()]() mutable {
    const auto held = std::exchange(store, nullptr);
    return wait();
  };
}

/// Reads the first bytes of a source again.
class KvMachine::Peeked final : public raft::SnapshotSource {
 public:
  explicit Peeked(raft::SnapshotSource& from) : from_(from) {}

  /// Until there are `size` of them, or no more.
  absl::StatusOr<std::string_view> Peek(std::size_t size) {
    while (first_.size() < size) {
      TRIREME_ASSIGN_OR_RETURN(const SharedBytes bytes, from_.Read(kSnapshotReadBytes));
      if (bytes.empty()) break;
      first_.append(bytes.view());
    }
    return first_;
  }
  absl::StatusOr<SharedBytes> Read(std::uint64_t bytes_max) override {
    if (first_.empty()) return from_.Read(bytes_max);
    const std::size_t size = std::min<std::uint64_t>(first_.size(), bytes_max);
    SharedBytes bytes = SharedBytes::Copy(std::string_view(first_).substr(0, size));
    first_.erase(0, size);
    return bytes;
  }
  raft::LogPosition last() const override { return from_.last(); }
  std::uint64_t size_bytes() const override { return from_.size_bytes(); }

 private:
  raft::SnapshotSource& from_;
  std::string first_;
};

/// What a member sends depends on its store: its files, or every entry.
absl::StatusOr<std::shared_ptr<OrderedStore>> KvMachine::Receive(raft::SnapshotSource& from) {
  Peeked source(from);
  TRIREME_ASSIGN_OR_RETURN(const std::string_view begin, source.Peek(kFilesMagic.size()));
  if (begin.starts_with(kFilesMagic)) return stores_->Receive(source);
  TRIREME_ASSIGN_OR_RETURN(std::shared_ptr<OrderedStore> store, stores_->OpenEmpty());
  StateReader reader(*store);
  while (true) {
    TRIREME_ASSIGN_OR_RETURN(const SharedBytes bytes, source.Read(kSnapshotReadBytes));
    if (bytes.empty()) break;
    TRIREME_RETURN_IF_ERROR(reader.Feed(bytes.view()));
  }
  TRIREME_RETURN_IF_ERROR(reader.Finish());
  return store;
}

absl::StatusOr<std::string> KvMachine::Query(std::string_view) {
  if (failed_) return Failed();
  absl::Status status = model_->Sweep().status();
  if (status.ok()) status = Publish(true);
  if (status.ok()) return std::string();
  Fail(status);
  return status;
}

absl::StatusOr<raft::LogPosition> DurableKvMachine::DurablyApplied() {
  const Meta& meta = machine_->model().meta();
  return raft::LogPosition{raft::Index{meta.applied_index}, raft::Term{meta.applied_term}};
}

}  // namespace trireme::kv::inline engine
