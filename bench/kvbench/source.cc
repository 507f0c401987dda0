#include "kvbench/source.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "etcd/rpc.pb.h"
#include "fmt/format.h"

namespace trireme::kv::bench {
namespace {

constexpr std::size_t kKeyBytes = 8;
constexpr std::uint64_t kFillBatch = 100;  // etcd's limit of a transaction is 128.

void WriteKey(std::uint64_t index, char* to) {
  for (std::size_t i = kKeyBytes; i > 0; --i, index /= 10) {
    to[i - 1] = static_cast<char>('0' + index % 10);
  }
}

/// The key spaces' walk of one client.
class Walk {
 public:
  Walk(const SourceOptions& options, std::uint64_t client, std::uint64_t clients)
      : keys_(options.keys),
        step_(options.random ? 0 : clients),
        at_(client % options.keys),
        random_(client + 1) {}

  std::uint64_t Next() {
    if (step_ == 0) return random_() % keys_;
    const std::uint64_t index = at_;
    at_ = (at_ + step_) % keys_;
    return index;
  }

 private:
  const std::uint64_t keys_;
  const std::uint64_t step_;  // 0: at random.
  std::uint64_t at_;
  std::minstd_rand random_;
};

/// A request encoded once, in which only a key changes.
class Encoded {
 public:
  explicit Encoded(const google::protobuf::MessageLite& with_key_zero)
      : bytes_(with_key_zero.SerializeAsString()), key_at_(bytes_.find(Key(0))) {}
  std::string WithKey(std::uint64_t index) const {
    std::string bytes = bytes_;
    WriteKey(index, bytes.data() + key_at_);
    return bytes;
  }

 private:
  const std::string bytes_;
  const std::size_t key_at_;
};

absl::Status Wrong(std::string_view what) {
  return absl::DataLossError(fmt::format("a wrong answer: {}", what));
}

absl::Status CheckWritten(std::string_view reply) {
  return HeaderRevision(reply) > 0 ? absl::OkStatus() : Wrong("no revision");
}

/// One method, one key.
class KeySource final : public Source {
 public:
  KeySource(const char* method, const google::protobuf::MessageLite& request, Walk walk,
            std::size_t reply_bytes_min)
      : method_(method), request_(request), walk_(walk), reply_bytes_min_(reply_bytes_min) {}

  Request Next() override { return {method_, request_.WithKey(walk_.Next())}; }
  absl::Status Check(std::string_view reply) override {
    if (reply.size() < reply_bytes_min_) return Wrong("no such key; was the store filled?");
    return CheckWritten(reply);
  }

 private:
  const char* const method_;
  const Encoded request_;
  Walk walk_;
  const std::size_t reply_bytes_min_;
};

/// Nine ranges, then a put.
class MixSource final : public Source {
 public:
  MixSource(std::unique_ptr<Source> reads, std::unique_ptr<Source> writes, std::uint64_t client)
      : reads_(std::move(reads)), writes_(std::move(writes)), count_(client) {}

  Request Next() override { return Current().Next(); }
  absl::Status Check(std::string_view reply) override {
    Source& asked = Current();
    ++count_;
    return asked.Check(reply);
  }

 private:
  Source& Current() { return count_ % 10 == 0 ? *writes_ : *reads_; }

  const std::unique_ptr<Source> reads_;
  const std::unique_ptr<Source> writes_;
  std::uint64_t count_;
};

/// Compares the revision of a key that no other client writes and puts it; when it does not know
/// the revision, the other branch of the transaction tells it.
class CasSource final : public Source {
 public:
  CasSource(const SourceOptions& options, std::uint64_t client) {
    const std::string key = Key(client);
    auto& compare = *transaction_.add_compare();
    compare.set_key(key);
    compare.set_target(etcdserverpb::Compare::MOD);
    compare.set_result(etcdserverpb::Compare::EQUAL);
    compare.set_mod_revision(0);
    auto& put = *transaction_.add_success()->mutable_request_put();
    put.set_key(key);
    put.set_value(std::string(options.value_bytes, 'c'));
    transaction_.add_failure()->mutable_request_range()->set_key(key);
  }

  Request Next() override { return {kTxnMethod, transaction_.SerializeAsString()}; }
  absl::Status Check(std::string_view reply) override {
    if (!reply_.ParseFromArray(reply.data(), static_cast<int>(reply.size()))) {
      return Wrong("not a transaction's");
    }
    if (known_ && !reply_.succeeded()) return Wrong("the revision of a key nobody else writes");
    if (!reply_.succeeded() && reply_.responses(0).response_range().kvs_size() != 1) {
      return Wrong("the failed branch has no key");
    }
    const std::int64_t revision = reply_.succeeded()
                                      ? reply_.header().revision()
                                      : reply_.responses(0).response_range().kvs(0).mod_revision();
    known_ = true;
    transaction_.mutable_compare(0)->set_mod_revision(revision);
    return absl::OkStatus();
  }

 private:
  etcdserverpb::TxnRequest transaction_;
  etcdserverpb::TxnResponse reply_;
  bool known_ = false;
};

/// Every key once, by transactions of many puts.
class FillSource final : public Source {
 public:
  FillSource(const SourceOptions& options, std::uint64_t client, std::uint64_t clients)
      : options_(options), step_(clients * kFillBatch), at_(client * kFillBatch) {}

  Request Next() override {
    if (at_ >= options_.keys) return {};
    etcdserverpb::TxnRequest transaction;
    const std::string value(options_.value_bytes, 'f');
    const std::uint64_t end = std::min(options_.keys, at_ + kFillBatch);
    for (std::uint64_t i = at_; i < end; ++i) {
      auto& put = *transaction.add_success()->mutable_request_put();
      put.set_key(Key(i));
      put.set_value(value);
    }
    at_ += step_;
    return {kTxnMethod, transaction.SerializeAsString()};
  }
  absl::Status Check(std::string_view reply) override { return CheckWritten(reply); }

 private:
  const SourceOptions options_;
  const std::uint64_t step_;
  std::uint64_t at_;
};

class WideSource final : public Source {
 public:
  explicit WideSource(const SourceOptions& options)
      : reply_bytes_min_(options.wide_keys * options.value_bytes) {
    etcdserverpb::RangeRequest range;
    range.set_key(Key(0));
    range.set_range_end(Key(options.wide_keys));
    request_ = range.SerializeAsString();
  }
  Request Next() override { return {kRangeMethod, request_}; }
  absl::Status Check(std::string_view reply) override {
    return reply.size() >= reply_bytes_min_ ? absl::OkStatus() : Wrong("keys are missing");
  }

 private:
  const std::size_t reply_bytes_min_;
  std::string request_;
};

std::unique_ptr<Source> Puts(const SourceOptions& options, Walk walk) {
  etcdserverpb::PutRequest put;
  put.set_key(Key(0));
  put.set_value(std::string(options.value_bytes, 'p'));
  return std::make_unique<KeySource>(kPutMethod, put, walk, 0);
}

std::unique_ptr<Source> TransactionsOfOnePut(const SourceOptions& options, Walk walk) {
  etcdserverpb::TxnRequest transaction;
  auto& put = *transaction.add_success()->mutable_request_put();
  put.set_key(Key(0));
  put.set_value(std::string(options.value_bytes, 't'));
  return std::make_unique<KeySource>(kTxnMethod, transaction, walk, 0);
}

std::unique_ptr<Source> Ranges(const SourceOptions& options, Walk walk, bool serializable) {
  etcdserverpb::RangeRequest range;
  range.set_key(Key(0));
  range.set_serializable(serializable);
  return std::make_unique<KeySource>(kRangeMethod, range, walk, options.value_bytes);
}

std::unique_ptr<Source> MakeOne(std::string_view kind, const SourceOptions& options,
                                std::uint64_t client, std::uint64_t clients) {
  const Walk walk(options, client, clients);
  if (kind == "put") return Puts(options, walk);
  if (kind == "txn-put") return TransactionsOfOnePut(options, walk);
  if (kind == "range") return Ranges(options, walk, false);
  if (kind == "serial-range") return Ranges(options, walk, true);
  if (kind == "cas") return std::make_unique<CasSource>(options, client);
  if (kind == "fill") return std::make_unique<FillSource>(options, client, clients);
  if (kind == "wide-range") return std::make_unique<WideSource>(options);
  if (kind == "mix") {
    return std::make_unique<MixSource>(Ranges(options, walk, false), Puts(options, walk), client);
  }
  return nullptr;
}

/// Reads a varint and moves on; false: there is none.
bool ReadVarint(std::string_view* bytes, std::uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64 && !bytes->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes->front());
    bytes->remove_prefix(1);
    *value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

}  // namespace

std::string Key(std::uint64_t index) {
  std::string key(kKeyBytes, '0');
  WriteKey(index, key.data());
  return key;
}

MakeSource SourcesOf(std::string_view kind, const SourceOptions& options, std::uint64_t clients) {
  if (MakeOne(kind, options, 0, clients) == nullptr) return nullptr;
  return [kind = std::string(kind), options, clients](std::uint64_t client) {
    return MakeOne(kind, options, client, clients);
  };
}

std::int64_t HeaderRevision(std::string_view reply) {
  constexpr std::uint64_t kHeaderTag = 1 << 3 | 2;    // Field 1, bytes.
  constexpr std::uint64_t kRevisionTag = 3 << 3 | 0;  // Of the header: all its fields are varints.
  std::uint64_t tag = 0;
  std::uint64_t value = 0;
  if (!ReadVarint(&reply, &tag) || tag != kHeaderTag || !ReadVarint(&reply, &value)) return 0;
  std::string_view header = reply.substr(0, value);
  while (ReadVarint(&header, &tag) && ReadVarint(&header, &value)) {
    if (tag == kRevisionTag) return static_cast<std::int64_t>(value);
  }
  return 0;
}

}  // namespace trireme::kv::bench
