#include "kv/model/state_stream.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/model/layout.h"

namespace trireme::kv::inline engine {
namespace {

constexpr std::string_view kMagic = "TRIKVST1";
constexpr std::size_t kBlockHeadBytes = 8, kCountBytes = 8;

absl::Status Bad(std::string_view what, std::uint64_t entries) {
  return absl::DataLossError(fmt::format(
      "the stream of a KV state is damaged after {} entries: {}; get it again", entries, what));
}

}  // namespace

StateWriter::StateWriter(const StoreReader& snapshot) : iterator_(snapshot.NewIterator()) {
  iterator_->Seek("");
}

absl::StatusOr<bool> StateWriter::Next(std::string* to) {
  if (!begun_) to->append(kMagic);
  begun_ = true;
  std::string entries;
  for (; iterator_->Valid() && entries.size() < kStateBlockBytes; iterator_->Next(), ++count_) {
    const std::string_view key = iterator_->key(), value = iterator_->value();
    if (!entries.empty() && entries.size() + key.size() + value.size() > kStateBlockBytes) break;
    AppendVarint(entries, key.size());
    AppendVarint(entries, value.size());
    entries.append(key).append(value);
  }
  TRIREME_RETURN_IF_ERROR(iterator_->status());
  AppendLittle(*to, static_cast<std::uint32_t>(entries.size()));
  if (entries.empty()) {
    AppendLittle(*to, crc_);
    AppendLittle(*to, count_);
    return false;
  }
  crc_ = Crc32c(entries, crc_);
  AppendLittle(*to, Crc32c(entries));
  to->append(entries);
  return true;
}

absl::Status StateReader::Feed(std::string_view bytes) {
  buffer_.erase(0, taken_);
  taken_ = 0;
  buffer_.append(bytes);
  for (;;) {
    TRIREME_ASSIGN_OR_RETURN(const bool taken, TakeOne());
    if (!taken) return absl::OkStatus();
  }
}

/// False: more bytes are needed.
absl::StatusOr<bool> StateReader::TakeOne() {
  if (!begun_) return TakeMagic();
  if (ended_ && !rest().empty()) return Bad("bytes follow its end", count_);
  ByteReader reader(rest());
  std::uint32_t size = 0, crc = 0;
  if (!reader.Little(&size) || !reader.Little(&crc)) return false;
  return size == 0 ? TakeEnd(crc) : TakeBlock(size, crc);
}

absl::StatusOr<bool> StateReader::TakeMagic() {
  if (rest().size() < kMagic.size()) return false;
  if (!rest().starts_with(kMagic))
    return absl::DataLossError("not the stream of a KV state, or one of a newer version");
  taken_ += kMagic.size();
  return begun_ = true;
}

absl::StatusOr<bool> StateReader::TakeBlock(std::uint32_t size, std::uint32_t crc) {
  if (size > kStateBlockBytesMax) return Bad(fmt::format("a block of {} bytes", size), count_);
  if (rest().size() < kBlockHeadBytes + size) return false;
  const std::string_view entries = rest().substr(kBlockHeadBytes, size);
  if (Crc32c(entries) != crc) return Bad("a block's checksum is wrong", count_);
  crc_ = Crc32c(entries, crc_);
  TRIREME_RETURN_IF_ERROR(TakeEntries(entries));
  TRIREME_RETURN_IF_ERROR(store_.Commit());
  taken_ += kBlockHeadBytes + size;
  return true;
}

absl::Status StateReader::TakeEntries(std::string_view entries) {
  ByteReader reader(entries);
  while (!reader.empty()) {
    std::uint64_t key_size = 0, value_size = 0;
    if (!reader.Varint(&key_size) || !reader.Varint(&value_size))
      return Bad("an entry's sizes are cut off", count_);
    const std::string_view rest = reader.rest();
    if (key_size > rest.size() || value_size > rest.size() - key_size)
      return Bad("an entry is cut off", count_);
    TRIREME_RETURN_IF_ERROR(TakeEntry(rest.substr(0, key_size), rest.substr(key_size, value_size)));
    reader = ByteReader(rest.substr(key_size + value_size));
  }
  return absl::OkStatus();
}

/// The entry that makes the others a state waits for the end.
absl::Status StateReader::TakeEntry(std::string_view key, std::string_view value) {
  if (key <= last_key_) return Bad("its keys do not ascend", count_);
  if (!SoundEntry(key, value)) return Bad("an entry is of no kind this version knows", count_);
  last_key_ = key;
  ++count_;
  if (key == MetaKey()) {
    meta_ = value;
  } else {
    store_.Put(key, value);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> StateReader::TakeEnd(std::uint32_t crc) {
  if (rest().size() < kBlockHeadBytes + kCountBytes) return false;
  const auto count = LoadLittle<std::uint64_t>(rest().data() + kBlockHeadBytes);
  if (crc != crc_ || count != count_) return Bad("its end belongs to another state", count_);
  taken_ += kBlockHeadBytes + kCountBytes;
  return ended_ = true;
}

absl::Status StateReader::Finish() {
  if (!ended_) return Bad("it breaks off", count_);
  if (!meta_.empty()) store_.Put(MetaKey(), meta_);
  TRIREME_RETURN_IF_ERROR(store_.Commit());
  return store_.Flush();
}

}  // namespace trireme::kv::inline engine
