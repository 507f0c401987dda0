#include "kv/store/files_stream.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "fmt/format.h"

namespace trireme::kv::inline engine {
namespace {

namespace fs = std::filesystem;

class FilesStream : public testing::Test {
 protected:
  FilesStream() : folder_(fs::temp_directory_path() / fmt::format("trireme-files-{}", ::getpid())) {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "from");
  }
  ~FilesStream() override { fs::remove_all(folder_); }

  void Put(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / "from" / name, std::ios::binary) << bytes;
  }
  std::string Got(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(folder_ / "to" / name, std::ios::binary).rdbuf();
    return text.str();
  }
  std::string Written() const {
    std::string stream;
    EXPECT_TRUE(WriteFiles((folder_ / "from").string(), [&](std::string_view bytes) {
                  stream.append(bytes);
                  return absl::OkStatus();
                }).ok());
    return stream;
  }
  absl::Status Read(std::string_view stream, std::size_t step) const {
    fs::remove_all(folder_ / "to");
    fs::create_directories(folder_ / "to");
    FilesReader reader((folder_ / "to").string());
    for (; !stream.empty(); stream.remove_prefix(std::min(step, stream.size())))
      if (absl::Status status = reader.Feed(stream.substr(0, step)); !status.ok()) return status;
    return reader.Finish();
  }

  const fs::path folder_;
};

/// A stream of payloads with right checksums.
std::string Framed(const std::vector<std::string>& payloads) {
  std::string stream(kFilesMagic);
  std::uint32_t crc = 0;
  for (const std::string& payload : payloads) {
    crc = Crc32c(payload, crc);
    AppendLittle(stream, static_cast<std::uint32_t>(payload.size()));
    AppendLittle(stream, crc);
    stream += payload;
  }
  return stream;
}

std::string Head(std::uint64_t size, std::string_view name) {
  std::string payload = "f";
  AppendLittle(payload, size);
  return payload.append(name);
}

std::string End(std::uint32_t files) {
  std::string payload = "e";
  AppendLittle(payload, files);
  return payload;
}

TEST_F(FilesStream, AStoresFilesComeBackHoweverTheBytesAreCut) {
  Put("CURRENT", "MANIFEST-000005\n");
  Put("MANIFEST-000005", std::string(1000, 'm'));
  Put("000012.sst", std::string(kFilesFrameBytesMax * 2 + 5, 's'));
  Put("000013.sst", "");
  Put("LOG", "not the store's");
  const std::string stream = Written();
  for (const std::size_t step : {std::size_t{1000}, kFilesFrameBytesMax, stream.size()}) {
    ASSERT_EQ(Read(stream, step), absl::OkStatus());
    EXPECT_EQ(Got("CURRENT"), "MANIFEST-000005\n");
    EXPECT_EQ(Got("MANIFEST-000005"), std::string(1000, 'm'));
    EXPECT_EQ(Got("000012.sst"), std::string(kFilesFrameBytesMax * 2 + 5, 's'));
    EXPECT_TRUE(fs::exists(folder_ / "to" / "000013.sst"));
    EXPECT_FALSE(fs::exists(folder_ / "to" / "LOG"));
  }
}

TEST_F(FilesStream, NoDamageIsTaken) {
  Put("CURRENT", "MANIFEST-000005\n");
  Put("000012.sst", "some bytes");
  const std::string stream = Written();
  ASSERT_EQ(Read(stream, stream.size()), absl::OkStatus());
  for (std::size_t i = 0; i < stream.size(); ++i) {
    std::string damaged = stream;
    damaged[i] ^= 0x20;
    EXPECT_TRUE(absl::IsDataLoss(Read(damaged, damaged.size()))) << i;
    EXPECT_TRUE(absl::IsDataLoss(Read(stream.substr(0, i), stream.size()))) << i;
  }
  EXPECT_TRUE(absl::IsDataLoss(Read(stream + "x", 1 << 20)));
}

TEST_F(FilesStream, WhatNoStoreWritesIsRefused) {
  EXPECT_EQ(Read(Framed({Head(1, "1.sst"), "bx", End(1)}), 1 << 20), absl::OkStatus());
  for (const auto& payloads :
       std::vector<std::vector<std::string>>{{Head(0, "../1.sst"), End(1)},
                                             {Head(0, "/etc/1.sst"), End(1)},
                                             {Head(0, "LOG"), End(1)},
                                             {Head(0, ".sst"), End(1)},
                                             {Head(0, std::string(40, '1') + ".sst"), End(1)},
                                             {Head(0, "1.sst"), Head(0, "1.sst"), End(2)},
                                             {Head(2, "1.sst"), "bx", End(1)},
                                             {Head(2, "1.sst"), "bx", Head(0, "2.sst"), End(2)},
                                             {Head(1, "1.sst"), "bxx", End(1)},
                                             {"bx", End(0)},
                                             {Head(1, "1.sst"), "bx", End(2)},
                                             {Head(1, "1.sst"), "bx", End(1), End(1)},
                                             {"f", End(0)},
                                             {"q", End(0)},
                                             {"e"},
                                             {}}) {
    EXPECT_TRUE(absl::IsDataLoss(Read(Framed(payloads), 1 << 20)));
  }
}

}  // namespace
}  // namespace trireme::kv::inline engine
