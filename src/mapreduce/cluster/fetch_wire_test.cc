#include "mapreduce/cluster/fetch_wire.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "trireme/mapreduce/v1/control.pb.h"

namespace trireme::mapreduce::cluster {
namespace {

/// What protobuf writes of a chunk with this data.
std::string ByProtobuf(const std::string& data) {
  v1::FetchChunk chunk;
  chunk.set_data(data);
  return chunk.SerializeAsString();
}

TEST(FetchWire, MessagesAreProtobufs) {
  for (const std::size_t size : {1, 2, 127, 128, 129, 16'383, 16'384, 300'000}) {
    const std::string data(size, static_cast<char>(size));
    DataChunk chunk(size);
    ASSERT_EQ(chunk.size(), size);
    std::memcpy(chunk.data(), data.data(), size);
    const rpc::Payload message = std::move(chunk).Encoded();
    EXPECT_EQ(message.view(), ByProtobuf(data));
    EXPECT_EQ(DataOf(message.view()), data);
  }
}

TEST(FetchWire, WhatIsNotDataAloneIsNone) {
  v1::FetchChunk with_segments;
  with_segments.add_segments()->set_bytes(7);
  EXPECT_EQ(DataOf(with_segments.SerializeAsString()), std::nullopt);
  with_segments.set_data("and data");
  EXPECT_EQ(DataOf(with_segments.SerializeAsString()), std::nullopt);
  const std::string whole = ByProtobuf(std::string(1000, 'x'));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(DataOf(std::string_view(whole).substr(0, size)), std::nullopt) << size;
  }
  EXPECT_EQ(DataOf(whole + "x"), std::nullopt);
  EXPECT_EQ(DataOf("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), std::nullopt);
}

}  // namespace
}  // namespace trireme::mapreduce::cluster
