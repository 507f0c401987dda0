#include "kv/model/reads.h"

#include <algorithm>
#include <limits>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::kv::inline engine {
namespace {

bool Bounded(const RangeRequest& r) {
  return r.min_mod != 0 || r.max_mod != 0 || r.min_create != 0 || r.max_create != 0;
}

bool InBounds(const RangeRequest& r, const KeyValueView& kv) {
  return (r.max_mod == 0 || kv.mod_revision <= r.max_mod) &&
         (r.min_mod == 0 || kv.mod_revision >= r.min_mod) &&
         (r.max_create == 0 || kv.create_revision <= r.max_create) &&
         (r.min_create == 0 || kv.create_revision >= r.min_create);
}

/// The store's own order is the answer's.
bool ByKeyAscending(const RangeRequest& r) {
  return r.target == SortTarget::kKey && r.order != SortOrder::kDescend;
}

bool Less(SortTarget target, const KeyValue& a, const KeyValue& b) {
  switch (target) {
    case SortTarget::kKey:
      return a.key < b.key;
    case SortTarget::kVersion:
      return a.version < b.version;
    case SortTarget::kCreate:
      return a.create_revision < b.create_revision;
    case SortTarget::kMod:
      return a.mod_revision < b.mod_revision;
    default:
      return a.value < b.value;
  }
}

/// Equal ones stay in the order of their keys.
void Sort(std::vector<KeyValue>& kvs, const RangeRequest& r) {
  const bool descending = r.order == SortOrder::kDescend;
  std::ranges::stable_sort(kvs, [&](const KeyValue& a, const KeyValue& b) {
    return descending ? Less(r.target, b, a) : Less(r.target, a, b);
  });
}

KeyValueView ViewOf(const KeyValue& kv) {
  return {kv.key, kv.value, kv.create_revision, kv.mod_revision, kv.version, kv.lease};
}

/// What the key of a version mostly is longer than its key: a tag, an end and a revision.
constexpr std::size_t kVersionKeyOverhead = 16;

int Sign(std::int64_t a, std::int64_t b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

int Order(const Compare& c, const KeyValueView& kv) {
  switch (c.target) {
    case CompareTarget::kVersion:
      return Sign(kv.version, c.number);
    case CompareTarget::kCreate:
      return Sign(kv.create_revision, c.number);
    case CompareTarget::kMod:
      return Sign(kv.mod_revision, c.number);
    case CompareTarget::kLease:
      return Sign(kv.lease, c.number);
    default:
      return kv.value.compare(c.value);
  }
}

bool HoldsFor(const Compare& c, const KeyValueView& kv) {
  const int order = Order(c, kv);
  switch (c.result) {
    case CompareResult::kEqual:
      return order == 0;
    case CompareResult::kGreater:
      return order > 0;
    case CompareResult::kLess:
      return order < 0;
    default:
      return order != 0;
  }
}

}  // namespace

absl::Status Damaged(std::string_view key) {
  return absl::DataLossError(
      fmt::format("the store's entry of {} bytes of kind '{}' is damaged; restore this member from "
                  "a snapshot or from the others",
                  key.size(), key.empty() ? '?' : key[0]));
}

absl::Status FindVersion(StoreIterator& iterator, std::string_view key, std::int64_t at,
                         std::string& buffer, Found* found) {
  buffer.clear();
  buffer.reserve(key.size() + kVersionKeyOverhead);
  AppendKeyPrefix(buffer, key);
  const std::size_t prefix_size = buffer.size();
  AppendNewestFirst(buffer, {at, std::numeric_limits<std::uint32_t>::max()});
  iterator.SeekWithin(buffer, std::string_view(buffer).substr(0, prefix_size));
  *found = {};
  if (!iterator.Valid()) return iterator.status();
  const auto parsed = ParseVersionKey(iterator.key());
  if (!parsed) return Damaged(iterator.key());
  const auto record = DecodeVersion(parsed->revision.main, iterator.value());
  if (!record) return Damaged(iterator.key());
  *found = {parsed->revision, *record};
  return absl::OkStatus();
}

RangeCursor::RangeCursor(StoreIterator& iterator, std::string_view key, std::string_view end,
                         std::int64_t at)
    : iterator_(iterator), key_(key), one_(end.empty()), at_(at) {
  if (one_) return;
  if (end == kFromKey) {
    end_.push_back(kVersionTag + 1);
  } else {
    AppendKeyStart(end_, end);
  }
}

absl::StatusOr<bool> RangeCursor::NextOfOne(KeyValueView* kv) {
  if (std::exchange(done_, true)) return false;
  Found found;
  TRIREME_RETURN_IF_ERROR(FindVersion(iterator_, key_, at_, buffer_, &found));
  if (!found.live()) return false;
  revision_ = found.revision;
  *kv = found.View(key_);
  return true;
}

bool RangeCursor::InRange() const {
  return iterator_.Valid() && iterator_.key() < end_;
}

/// To the first entry of the key after the one at hand: mostly the next one. A store knows best how
/// to get past what is near by.
void RangeCursor::PassOlderVersions() {
  iterator_.Next();
  if (!InRange() || !iterator_.key().starts_with(prefix_)) return;
  buffer_.assign(prefix_);  // the key that it held is not looked at any more
  AppendNewestFirst(buffer_, {0, 0});
  iterator_.Seek(buffer_);
}

/// To the version of the key at hand that is the newest at at_, or to what follows the key.
void RangeCursor::SeekVersion() {
  buffer_.assign(prefix_);
  AppendNewestFirst(buffer_, {at_, std::numeric_limits<std::uint32_t>::max()});
  iterator_.Seek(buffer_);
}

/// The entry at hand is the first of a key: gives its version at at_, if it exists there.
absl::StatusOr<bool> RangeCursor::Take(KeyValueView* kv) {
  auto parsed = ParseVersionKey(iterator_.key());
  if (!parsed) return Damaged(iterator_.key());
  prefix_.assign(parsed->prefix);
  if (parsed->revision.main > at_) {
    SeekVersion();
    if (!InRange() || !iterator_.key().starts_with(prefix_)) return false;
    parsed = ParseVersionKey(iterator_.key());
    if (!parsed) return Damaged(iterator_.key());
  }
  const auto record = DecodeVersion(parsed->revision.main, iterator_.value());
  if (!record) return Damaged(iterator_.key());
  if (record->tombstone) return false;
  revision_ = parsed->revision;
  *kv = Found{revision_, *record}.View(DecodeKeyPrefix(parsed->prefix, buffer_));
  return true;
}

absl::StatusOr<bool> RangeCursor::Next(KeyValueView* kv) {
  if (one_) return NextOfOne(kv);
  if (prefix_.empty()) {
    std::string from;
    AppendKeyStart(from, key_);
    iterator_.Seek(from);
  } else if (InRange() && iterator_.key().starts_with(prefix_)) {
    PassOlderVersions();
  }
  while (InRange()) {
    TRIREME_ASSIGN_OR_RETURN(const bool exists, Take(kv));
    if (exists) return true;
    if (InRange() && iterator_.key().starts_with(prefix_)) PassOlderVersions();
  }
  TRIREME_RETURN_IF_ERROR(iterator_.status());
  return false;
}

/// Counts the whole range, hands out what limit and bounds leave of it.
absl::Status Reads::Stream(const RangeRequest& request, std::int64_t at, KeyValueSink sink,
                           RangeSummary* summary) {
  const std::int64_t limit =
      request.limit > 0 ? request.limit : std::numeric_limits<std::int64_t>::max();
  std::int64_t taken = 0;
  RangeCursor cursor(at < current_ ? all_ : newest_, request.key, request.end, at);
  for (KeyValueView kv;;) {
    TRIREME_ASSIGN_OR_RETURN(const bool there_is, cursor.Next(&kv));
    if (!there_is) return absl::OkStatus();
    ++summary->count;
    if (request.count_only || !InBounds(request, kv)) continue;
    summary->more = summary->more || taken == limit;
    if (taken == limit) continue;
    ++taken;
    if (request.keys_only) kv.value = {};
    sink(kv);
  }
}

absl::Status Reads::Sorted(const RangeRequest& request, std::int64_t at, KeyValueSink sink,
                           RangeSummary* summary) {
  RangeRequest all = request;
  all.keys_only = request.keys_only && request.target != SortTarget::kValue;
  // etcd sorts before it applies the limit, but for a target other than the key with neither order
  // nor bounds: then it takes one more than the limit by key, and sorts those.
  const bool limit_first = request.order == SortOrder::kNone && !Bounded(request);
  const bool limited = request.limit > 0 && request.limit < INT64_MAX;
  all.limit = limit_first && limited ? request.limit + 1 : 0;
  std::vector<KeyValue> kvs;
  TRIREME_RETURN_IF_ERROR(Stream(
      all, at, [&](const KeyValueView& kv) { kvs.push_back(KeyValue::Of(kv)); }, summary));
  Sort(kvs, request);
  summary->more = limited && std::ssize(kvs) > request.limit;
  if (summary->more) kvs.resize(static_cast<std::size_t>(request.limit));
  for (KeyValue& kv : kvs) {
    if (request.keys_only) kv.value.clear();
    sink(ViewOf(kv));
  }
  return absl::OkStatus();
}

absl::Status Reads::Range(const RangeRequest& request, KeyValueSink sink, RangeSummary* summary) {
  *summary = {.revision = current_};
  const std::int64_t at = request.revision <= 0 ? current_ : request.revision;
  if (at > current_) summary->error = Error::kFutureRevision;
  if (at < compacted_) summary->error = Error::kCompacted;
  if (summary->error != Error::kNone) return absl::OkStatus();
  if (request.count_only || ByKeyAscending(request)) return Stream(request, at, sink, summary);
  return Sorted(request, at, sink, summary);
}

absl::Status Reads::Range(const RangeRequest& request, Error* error, RangeResult* result) {
  RangeSummary summary;
  TRIREME_RETURN_IF_ERROR(Range(
      request, [result](const KeyValueView& kv) { result->kvs.push_back(KeyValue::Of(kv)); },
      &summary));
  *error = summary.error;
  result->revision = summary.revision;
  result->more = summary.more;
  result->count = summary.count;
  return absl::OkStatus();
}

/// What is compared, without the value, if no store need be read for it.
bool Reads::FindKnown(const Compare& compare, Found* found) const {
  return known_ != nullptr && compare.end.empty() && compare.target != CompareTarget::kValue &&
         known_->Find(compare.key, &found->revision, &found->record);
}

/// For every key of the range; a range without keys compares as one key that never was, but for its
/// value, which cannot be compared.
absl::StatusOr<bool> Reads::Holds(const Compare& compare) {
  if (Found known; FindKnown(compare, &known)) return HoldsFor(compare, known.View(compare.key));
  RangeCursor cursor(newest_, compare.key, compare.end, current_);
  bool any = false;
  for (KeyValueView kv;;) {
    TRIREME_ASSIGN_OR_RETURN(const bool there_is, cursor.Next(&kv));
    if (!there_is) break;
    any = true;
    if (!HoldsFor(compare, kv)) return false;
  }
  return any || (compare.target != CompareTarget::kValue && HoldsFor(compare, {}));
}

absl::Status Reads::Path(const TxnRequest& txn, std::vector<bool>* path) {
  bool holds = true;
  for (const Compare& compare : txn.compares) {
    TRIREME_ASSIGN_OR_RETURN(holds, Holds(compare));
    if (!holds) break;
  }
  path->push_back(holds);
  for (const RequestOp& op : holds ? txn.success : txn.failure)
    if (const auto* nested = std::get_if<TxnRequest>(&op.request))
      TRIREME_RETURN_IF_ERROR(Path(*nested, path));
  return absl::OkStatus();
}

namespace {

/// Hands out a path's branches in the order Path found them.
class PathWalk {
 public:
  explicit PathWalk(const std::vector<bool>& path) : path_(path) {}
  const std::vector<RequestOp>& Branch(const TxnRequest& txn, bool* succeeded) {
    *succeeded = path_[next_++];
    return *succeeded ? txn.success : txn.failure;
  }

 private:
  const std::vector<bool>& path_;
  std::size_t next_ = 0;
};

absl::Status Run(const TxnRequest& txn, PathWalk& walk,
                 absl::FunctionRef<absl::Status(const RequestOp&, ResponseOp*)> run,
                 TxnResult* result) {
  for (const RequestOp& op : walk.Branch(txn, &result->succeeded)) {
    ResponseOp& response = result->responses.emplace_back();
    const auto* nested = std::get_if<TxnRequest>(&op.request);
    TRIREME_RETURN_IF_ERROR(nested != nullptr
                                ? Run(*nested, walk, run, &response.response.emplace<TxnResult>())
                                : run(op, &response));
  }
  return absl::OkStatus();
}

absl::StatusOr<Error> CheckAlong(const TxnRequest& txn, PathWalk& walk,
                                 absl::FunctionRef<absl::StatusOr<Error>(const RequestOp&)> check) {
  bool succeeded = false;
  for (const RequestOp& op : walk.Branch(txn, &succeeded)) {
    const auto* nested = std::get_if<TxnRequest>(&op.request);
    TRIREME_ASSIGN_OR_RETURN(const Error error,
                             nested != nullptr ? CheckAlong(*nested, walk, check) : check(op));
    if (error != Error::kNone) return error;
  }
  return Error::kNone;
}

}  // namespace

absl::Status RunTxn(const TxnRequest& txn, const std::vector<bool>& path,
                    absl::FunctionRef<absl::Status(const RequestOp&, ResponseOp*)> run,
                    TxnResult* result) {
  PathWalk walk(path);
  return Run(txn, walk, run, result);
}

absl::StatusOr<Error> CheckLeaves(
    const TxnRequest& txn, const std::vector<bool>& path,
    absl::FunctionRef<absl::StatusOr<Error>(const RequestOp&)> check) {
  PathWalk walk(path);
  return CheckAlong(txn, walk, check);
}

Error CheckRevision(const RequestOp& op, std::int64_t current, std::int64_t compacted) {
  const auto* range = std::get_if<RangeRequest>(&op.request);
  if (range == nullptr || range->revision == 0) return Error::kNone;
  if (range->revision > current) return Error::kFutureRevision;
  return range->revision < compacted ? Error::kCompacted : Error::kNone;
}

}  // namespace trireme::kv::inline engine
