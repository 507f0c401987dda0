#pragma once

#include <string>

namespace trireme::test {

/// A fresh self-signed certificate for localhost and 127.0.0.1, and its key, as PEM. `more_names`
/// are further alternative names, as ",DNS:name,URI:name".
struct TlsMaterial {
  std::string certificate_pem;
  std::string key_pem;
};

TlsMaterial MakeTlsMaterial(const std::string& common_name = "localhost",
                            const std::string& more_names = "");

}  // namespace trireme::test
