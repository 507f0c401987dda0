#include "kv/model/command_codec.h"

#include <utility>

#include "base/bytes.h"
#include "fmt/format.h"

namespace trireme::kv::inline engine {
namespace {

constexpr char kFormat = 1;
constexpr std::size_t kFieldsBytesGuess = 64;
constexpr std::uint64_t kPrevKv = 1, kIgnoreValue = 2, kIgnoreLease = 4, kPutFlags = 7;
constexpr std::uint64_t kDeleteFlags = kPrevKv;
constexpr std::uint64_t kKeysOnly = 1, kCountOnly = 2, kRangeFlags = 3;

class Writer {
 public:
  explicit Writer(std::size_t size_bytes) { bytes_.reserve(size_bytes); }

  void Byte(std::size_t value) { bytes_.push_back(static_cast<char>(value)); }
  void Number(std::uint64_t value) { AppendVarint(bytes_, value); }
  void Bytes(std::string_view value) { AppendSized(bytes_, value); }
  void Signed(std::int64_t value) {
    Number((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
  }

  void Write(const RangeRequest& r) {
    Number((r.keys_only ? kKeysOnly : 0) | (r.count_only ? kCountOnly : 0));
    Bytes(r.key);
    Bytes(r.end);
    Signed(r.limit);
    Signed(r.revision);
    Number(static_cast<std::uint64_t>(r.order));
    Number(static_cast<std::uint64_t>(r.target));
    for (const std::int64_t bound : {r.min_mod, r.max_mod, r.min_create, r.max_create})
      Signed(bound);
  }
  void Write(const PutRequest& r) {
    Number((r.prev_kv ? kPrevKv : 0) | (r.ignore_value ? kIgnoreValue : 0) |
           (r.ignore_lease ? kIgnoreLease : 0));
    Bytes(r.key);
    Bytes(r.value);
    Signed(r.lease);
  }
  void Write(const DeleteRangeRequest& r) {
    Number(r.prev_kv ? kPrevKv : 0);
    Bytes(r.key);
    Bytes(r.end);
  }
  void Write(const TxnRequest& r) {
    Number(r.compares.size());
    for (const Compare& compare : r.compares) Write(compare);
    for (const auto* ops : {&r.success, &r.failure}) {
      Number(ops->size());
      for (const RequestOp& op : *ops) Write(op);
    }
  }
  void Write(const CompactRequest& r) { Signed(r.revision); }
  void Write(const LeaseGrantRequest& r) {
    Signed(r.id);
    Signed(r.ttl_s);
  }
  void Write(const LeaseRevokeRequest& r) { Signed(r.id); }
  void Write(const LeaseKeepAliveRequest& r) {
    Number(r.ids.size());
    for (const LeaseId id : r.ids) Signed(id);
  }
  void Write(const TickRequest&) {}
  void Write(const ExtendLeasesRequest& r) { Signed(r.extend_ms); }
  void Write(const NoteRequest& r) {
    Bytes(r.name);
    Bytes(r.value);
  }

  std::string Take() { return std::move(bytes_); }

 private:
  void Write(const std::monostate&) {}
  void Write(const Compare& c) {
    Number(static_cast<std::uint64_t>(c.result));
    Number(static_cast<std::uint64_t>(c.target));
    Bytes(c.key);
    Bytes(c.end);
    c.target == CompareTarget::kValue ? Bytes(c.value) : Signed(c.number);
  }
  /// The kinds are the variant's indices.
  void Write(const RequestOp& op) {
    Number(op.request.index());
    std::visit([this](const auto& request) { Write(request); }, op.request);
  }

  std::string bytes_;
};

/// Once not ok(), everything reads as zero and empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : reader_(bytes) {}

  bool ok() const { return ok_; }
  bool complete() const { return ok_ && reader_.empty(); }
  void Fail() { ok_ = false; }

  std::uint64_t Number(std::uint64_t max) {
    std::uint64_t value = 0;
    ok_ = ok_ && reader_.Varint(&value) && value <= max;
    return ok_ ? value : 0;
  }
  std::int64_t Signed() {
    const std::uint64_t zigzag = Number(UINT64_MAX);
    return static_cast<std::int64_t>(zigzag >> 1) ^ -static_cast<std::int64_t>(zigzag & 1);
  }
  std::string_view Bytes() {
    std::string_view value;
    ok_ = ok_ && reader_.Sized(&value);
    return ok_ ? value : std::string_view();
  }
  char Byte() {
    char value = 0;
    ok_ = ok_ && reader_.Little(&value);
    return value;
  }
  template <typename T>
  T Enum(std::uint8_t count) {
    return static_cast<T>(Number(count - 1u));
  }
  /// Of things that take a byte at least.
  std::size_t Count() { return Number(reader_.rest().size()); }

  void Read(RangeRequest& r) {
    const std::uint64_t flags = Number(kRangeFlags);
    r.keys_only = flags & kKeysOnly;
    r.count_only = flags & kCountOnly;
    r.key = Bytes();
    r.end = Bytes();
    r.limit = Signed();
    r.revision = Signed();
    r.order = Enum<SortOrder>(kSortOrders);
    r.target = Enum<SortTarget>(kSortTargets);
    for (std::int64_t* bound : {&r.min_mod, &r.max_mod, &r.min_create, &r.max_create})
      *bound = Signed();
  }
  void Read(PutRequest& r) {
    const std::uint64_t flags = Number(kPutFlags);
    r.prev_kv = flags & kPrevKv;
    r.ignore_value = flags & kIgnoreValue;
    r.ignore_lease = flags & kIgnoreLease;
    r.key = Bytes();
    r.value = Bytes();
    r.lease = Signed();
  }
  void Read(DeleteRangeRequest& r) {
    r.prev_kv = Number(kDeleteFlags) & kPrevKv;
    r.key = Bytes();
    r.end = Bytes();
  }
  void Read(TxnRequest& r) {
    if (++depth_ > kTxnDepthMax) return Fail();
    for (std::size_t n = Count(); n > 0 && ok_; --n) Read(r.compares.emplace_back());
    for (auto* ops : {&r.success, &r.failure})
      for (std::size_t n = Count(); n > 0 && ok_; --n) Read(ops->emplace_back());
    --depth_;
  }
  void Read(CompactRequest& r) { r.revision = Signed(); }
  void Read(LeaseGrantRequest& r) {
    r.id = Signed();
    r.ttl_s = Signed();
  }
  void Read(LeaseRevokeRequest& r) { r.id = Signed(); }
  void Read(LeaseKeepAliveRequest& r) {
    const std::size_t count = Count();
    r.ids.reserve(count);
    while (r.ids.size() < count && ok_) r.ids.push_back(Signed());
  }
  void Read(TickRequest&) {}
  void Read(ExtendLeasesRequest& r) { r.extend_ms = Signed(); }
  void Read(NoteRequest& r) {
    r.name = Bytes();
    r.value = Bytes();
    if (r.name.empty() || r.name.size() > kNoteNameBytesMax) Fail();
  }

 private:
  void Read(Compare& c) {
    c.result = Enum<CompareResult>(kCompareResults);
    c.target = Enum<CompareTarget>(kCompareTargets);
    c.key = Bytes();
    c.end = Bytes();
    if (c.target == CompareTarget::kValue) {
      c.value = Bytes();
    } else {
      c.number = Signed();
    }
  }
  void Read(RequestOp& op) {
    switch (Number(std::variant_size_v<decltype(op.request)> - 1)) {
      case 1:
        return Read(op.request.emplace<RangeRequest>());
      case 2:
        return Read(op.request.emplace<PutRequest>());
      case 3:
        return Read(op.request.emplace<DeleteRangeRequest>());
      case 4:
        return Read(op.request.emplace<TxnRequest>());
      default:
        Fail();
    }
  }

  ByteReader reader_;
  int depth_ = 0;
  bool ok_ = true;
};

template <std::size_t... kKinds>
void ReadBody(Reader& reader, std::size_t kind, Command& command, std::index_sequence<kKinds...>) {
  ((kind == kKinds ? reader.Read(command.body.emplace<kKinds>()) : void()), ...);
}

std::size_t SizeGuess(const PutRequest& put) {
  return kFieldsBytesGuess + put.key.size() + put.value.size();
}

std::size_t SizeGuess(const TxnRequest& txn) {
  std::size_t size = kFieldsBytesGuess;
  for (const Compare& compare : txn.compares)
    size += kFieldsBytesGuess + compare.key.size() + compare.value.size();
  for (const auto* ops : {&txn.success, &txn.failure})
    for (const RequestOp& op : *ops) {
      const auto* put = std::get_if<PutRequest>(&op.request);
      size += put != nullptr ? SizeGuess(*put) : kFieldsBytesGuess;
    }
  return size;
}

std::size_t SizeGuess(const Command& command) {
  if (const auto* put = std::get_if<PutRequest>(&command.body)) return SizeGuess(*put);
  const auto* txn = std::get_if<TxnRequest>(&command.body);
  return txn != nullptr ? SizeGuess(*txn) : kFieldsBytesGuess;
}

}  // namespace

std::string EncodeCommand(const Command& command) {
  Writer writer(SizeGuess(command));
  writer.Byte(kFormat);
  writer.Byte(command.body.index() + 1);
  writer.Signed(command.time_ms);
  std::visit([&writer](const auto& body) { writer.Write(body); }, command.body);
  return writer.Take();
}

absl::StatusOr<Command> DecodeCommand(std::string_view bytes) {
  constexpr std::size_t kKinds = std::variant_size_v<decltype(Command::body)>;
  Reader reader(bytes);
  const char format = reader.Byte();
  const std::size_t kind = static_cast<unsigned char>(reader.Byte());
  if (format != kFormat || kind < 1 || kind > kKinds) {
    return absl::InvalidArgumentError(
        fmt::format("a KV command of format {} and kind {}, which this version does not know; it "
                    "was written by a newer one",
                    static_cast<int>(format), kind));
  }
  Command command;
  command.time_ms = reader.Signed();
  ReadBody(reader, kind - 1, command, std::make_index_sequence<kKinds>());
  if (!reader.complete()) {
    return absl::InvalidArgumentError(
        fmt::format("a KV command of kind {} with {} bytes is damaged", kind, bytes.size()));
  }
  return command;
}

}  // namespace trireme::kv::inline engine
