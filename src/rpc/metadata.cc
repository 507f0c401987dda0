#include "rpc/metadata.h"

#include <algorithm>

namespace trireme::rpc {
namespace {

bool IsKeyCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

}  // namespace

const std::string* FindMetadata(const Metadata& metadata, std::string_view key) {
  for (const auto& [name, value] : metadata) {
    if (name == key) return &value;
  }
  return nullptr;
}

bool ValidMetadata(std::string_view key, std::string_view value) {
  if (key.empty() || key.starts_with("grpc-") ||
      !std::all_of(key.begin(), key.end(), IsKeyCharacter)) {
    return false;
  }
  if (key == "te" || key == "content-type" || key == "connection") return false;
  return key.ends_with("-bin") ||
         std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

}  // namespace trireme::rpc
