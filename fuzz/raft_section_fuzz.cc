// What one Host tells another: a frame of sections, each a message or a book of addresses.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "raft/core/codec.h"
#include "raft/replica/address_book.h"
#include "raft/replica/frame.h"

namespace trireme::raft {
namespace {

using Section = std::pair<GroupId, std::string>;

std::string Joined(SectionWriter& writer) {
  std::string frame;
  for (const SharedBytes& piece : writer.Take()) frame += piece.view();
  return frame;
}

std::vector<Section> Read(std::string_view frame, bool* sound) {
  SectionReader reader(SharedBytes::Copy(frame));
  std::vector<Section> sections;
  GroupId group;
  SharedBytes section;
  while (reader.Next(&group, &section)) sections.emplace_back(group, section.view());
  *sound = reader.sound();
  return sections;
}

/// What was decoded says the same when it is encoded again.
void Decode(std::string_view bytes) {
  if (const auto message = DecodeMessage(SharedBytes::Copy(bytes))) {
    SectionWriter writer;
    writer.Add(GroupId{3}, *message);
    bool sound = false;
    const auto sections = Read(Joined(writer), &sound);
    TRIREME_CHECK(sound && sections.size() == 1);
    TRIREME_CHECK(DecodeMessage(SharedBytes::Copy(sections[0].second)) == message);
  }
  if (const auto lines = AddressBook::Decode(bytes)) {
    AddressBook book;
    for (const AddressBook::Line& line : *lines) book.Learn(line);
    const auto again = AddressBook::Decode(book.Encode());
    TRIREME_CHECK(again && *again == book.lines());
  }
}

void TakeFrame(std::string_view bytes) {
  bool sound = false;
  const std::vector<Section> sections = Read(bytes, &sound);
  SectionWriter writer;
  for (const auto& [group, section] : sections) {
    Decode(section);
    writer.AddSection(group, section);
  }
  if (sections.empty()) return;
  bool again_sound = false;
  TRIREME_CHECK(Read(Joined(writer), &again_sound) == sections && again_sound);
}

}  // namespace
}  // namespace trireme::raft

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::raft;  // NOLINT
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  TakeFrame(bytes);
  TakeFrame("\x01" + std::string(bytes));
  Decode(bytes);
  // As a message of each kind.
  if (!bytes.empty()) Decode("\x01" + std::string(bytes));
  return 0;
}
