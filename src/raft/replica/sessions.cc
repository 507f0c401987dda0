#include <trireme/raft/sessions.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/status_macros.h"

namespace trireme::raft {

namespace {

// The first byte of a command, and of a result.
constexpr char kOpen = 'o';
constexpr char kCommand = 'c';
constexpr char kDone = 'd';
constexpr char kClosed = 'x';
constexpr char kPassed = 'p';
constexpr char kNeither = '?';

constexpr std::uint64_t kTableBytesMax = 1u << 30;

/// A source that begins behind what has been taken from its front.
class RestOf final : public SnapshotSource {
 public:
  explicit RestOf(SnapshotSource& from) : from_(from) {}

  /// Exactly so many bytes; DATA_LOSS when there are fewer.
  absl::StatusOr<std::string> Take(std::uint64_t bytes) {
    std::string taken;
    while (taken.size() < bytes) {
      TRIREME_ASSIGN_OR_RETURN(const SharedBytes part, Read(bytes - taken.size()));
      if (part.empty()) return absl::DataLossError("a snapshot of sessions ends too early");
      taken += part.view();
    }
    return taken;
  }

  absl::StatusOr<SharedBytes> Read(std::uint64_t bytes_max) override {
    auto part = from_.Read(bytes_max);
    if (part.ok()) taken_ += part->size();
    return part;
  }
  LogPosition last() const override { return from_.last(); }
  std::uint64_t size_bytes() const override { return from_.size_bytes() - taken_at_start_; }
  void BeginHere() { taken_at_start_ = taken_; }

 private:
  SnapshotSource& from_;
  std::uint64_t taken_ = 0;
  std::uint64_t taken_at_start_ = 0;
};

}  // namespace

SharedBytes Sessions::Open() {
  return SharedBytes::Copy(std::string_view(&kOpen, 1));
}

SharedBytes Sessions::Command(std::uint64_t session, std::uint64_t sequence,
                              std::string_view command) {
  std::string bytes(1, kCommand);
  AppendVarint(bytes, session);
  AppendVarint(bytes, sequence);
  bytes.append(command);
  return SharedBytes::Own(std::move(bytes));
}

absl::StatusOr<std::uint64_t> Sessions::OpenResult(std::string_view result) {
  TRIREME_ASSIGN_OR_RETURN(const std::string id, CommandResult(result));
  ByteReader reader(id);
  std::uint64_t session = 0;
  if (!reader.Varint(&session) || !reader.empty()) {
    return absl::InvalidArgumentError("not the result of Sessions::Open()");
  }
  return session;
}

absl::StatusOr<std::string> Sessions::CommandResult(std::string_view result) {
  const char kind = result.empty() ? kNeither : result[0];
  if (kind == kDone) return std::string(result.substr(1));
  if (kind == kClosed) {
    return absl::NotFoundError("the session is closed (Sessions::Options::sessions_max); open one");
  }
  if (kind == kPassed) {
    return absl::AlreadyExistsError("a later command of this session has been executed");
  }
  return absl::InvalidArgumentError("not a command of a session; see Sessions::Command");
}

void Sessions::Apply(std::span<const Entry> commands, std::span<std::string> results) {
  for (std::size_t i = 0; i < commands.size(); ++i) ApplyOne(commands[i], i, results);
  Execute(results);
}

void Sessions::ApplyOne(const Entry& entry, std::size_t at, std::span<std::string> results) {
  ByteReader reader(entry.data.view());
  char kind = kNeither;
  std::uint64_t id = 0;
  std::uint64_t sequence = 0;
  if (!reader.Little(&kind) || (kind != kOpen && kind != kCommand) ||
      (kind == kCommand && (!reader.Varint(&id) || !reader.Varint(&sequence)))) {
    results[at] = std::string(1, kNeither);
    return;
  }
  if (kind == kOpen) {
    Execute(results);  // it may close a session whose command waits
    OpenSession(entry.index.value);
    results[at] = std::string(1, kDone);
    AppendVarint(results[at], entry.index.value);
    return;
  }
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    results[at] = std::string(1, kClosed);
    return;
  }
  Session& session = found->second;
  Use(id, session, entry.index.value);
  if (sequence < session.sequence) {
    results[at] = std::string(1, kPassed);
  } else if (sequence == session.sequence) {
    Execute(results);  // the first of the two may be waiting
    results[at] = session.result;
  } else {
    session.sequence = sequence;
    waiting_.push_back({entry.index, entry.term, entry.kind, entry.data.Slice(reader.rest())});
    fresh_.push_back({id, at});
  }
}

void Sessions::Execute(std::span<std::string> results) {
  if (waiting_.empty()) return;
  results_.assign(waiting_.size(), {});
  inner_.Apply(waiting_, results_);
  for (std::size_t i = 0; i < fresh_.size(); ++i) {
    std::string& result = results[fresh_[i].at];
    result = std::string(1, kDone) + results_[i];
    sessions_.at(fresh_[i].session).result = result;
  }
  waiting_.clear();
  fresh_.clear();
}

void Sessions::Use(std::uint64_t id, Session& session, std::uint64_t index) {
  by_use_.erase(session.used);
  session.used = index;
  by_use_[index] = id;
}

void Sessions::OpenSession(std::uint64_t index) {
  while (!sessions_.empty() && sessions_.size() >= options_.sessions_max) {
    const auto oldest = by_use_.begin();
    sessions_.erase(oldest->second);
    by_use_.erase(oldest);
  }
  Session& session = sessions_[index];
  session.used = index;
  by_use_[index] = index;
}

std::string Sessions::EncodeTable() const {
  std::string bytes;
  AppendVarint(bytes, sessions_.size());
  for (const auto& [id, session] : sessions_) {
    AppendVarint(bytes, id);
    AppendVarint(bytes, session.sequence);
    AppendVarint(bytes, session.used);
    AppendSized(bytes, session.result);
  }
  return bytes;
}

bool Sessions::DecodeTable(std::string_view bytes) {
  sessions_.clear();
  by_use_.clear();
  ByteReader reader(bytes);
  std::uint64_t count = 0;
  if (!reader.Varint(&count)) return false;
  for (; count > 0; --count) {
    std::uint64_t id = 0;
    Session session;
    std::string_view result;
    if (!reader.Varint(&id) || !reader.Varint(&session.sequence) || !reader.Varint(&session.used) ||
        !reader.Sized(&result)) {
      return false;
    }
    session.result = result;
    by_use_[session.used] = id;
    sessions_.emplace(id, std::move(session));
  }
  return reader.empty() && by_use_.size() == sessions_.size();
}

/// The table's size in 8 bytes, the table, the inner snapshot.
SnapshotWork Sessions::Capture() {
  std::string table = EncodeTable();
  std::string front;
  AppendLittle<std::uint64_t>(front, table.size());
  front += table;
  return [front = std::move(front), work = inner_.Capture()](SnapshotSink& to) mutable {
    if (absl::Status status = to.Append(front); !status.ok()) return status;
    return work(to);
  };
}

absl::Status Sessions::Restore(SnapshotSource& from) {
  RestOf rest(from);
  TRIREME_ASSIGN_OR_RETURN(const std::string size, rest.Take(sizeof(std::uint64_t)));
  const auto table_bytes = LoadLittle<std::uint64_t>(size.data());
  if (table_bytes > std::min(kTableBytesMax, from.size_bytes())) {
    return absl::DataLossError("a snapshot of sessions with a table larger than itself");
  }
  TRIREME_ASSIGN_OR_RETURN(const std::string table, rest.Take(table_bytes));
  if (!DecodeTable(table)) return absl::DataLossError("a snapshot's table of sessions is damaged");
  rest.BeginHere();
  return inner_.Restore(rest);
}

}  // namespace trireme::raft
