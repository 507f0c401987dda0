#pragma once

#include <string_view>

/// The files of web/, as they were when this was built (cmake/embed.cmake).
namespace trireme::web {

struct Asset {
  std::string_view name;
  std::string_view content_type;
  std::string_view bytes;
};

/// nullptr: there is none of that name.
const Asset* FindAsset(std::string_view name);

}  // namespace trireme::web
