#include "mapreduce/cluster/fetch_wire.h"

#include <utility>

#include "base/bytes.h"
#include "trireme/mapreduce/v1/control.pb.h"

namespace trireme::mapreduce::cluster {
namespace {

/// Of a length-delimited field whose number is below 16.
constexpr char kDataTag = static_cast<char>(v1::FetchChunk::kDataFieldNumber << 3 | 2);

}  // namespace

DataChunk::DataChunk(std::size_t bytes)
    : message_(std::make_shared_for_overwrite<char[]>(1 + kVarintBytesMax + bytes)), size_(bytes) {
  message_[0] = kDataTag;
  data_ = StoreVarint(&message_[1], bytes);
}

rpc::Payload DataChunk::Encoded() && {
  const char* begin = message_.get();
  return {std::move(message_),
          std::string_view(begin, static_cast<std::size_t>(data_ + size_ - begin))};
}

std::optional<std::string_view> DataOf(std::string_view message) {
  if (message.empty() || message.front() != kDataTag) return std::nullopt;
  ByteReader reader(message.substr(1));
  std::uint64_t size = 0;
  if (!reader.Varint(&size) || size != reader.rest().size()) return std::nullopt;
  return reader.rest();
}

}  // namespace trireme::mapreduce::cluster
