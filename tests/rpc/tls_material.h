#pragma once

#include <string>

namespace trireme::test {

/// A fresh self-signed certificate for localhost and 127.0.0.1, and its key, as PEM.
struct TlsMaterial {
  std::string certificate_pem;
  std::string key_pem;
};

TlsMaterial MakeTlsMaterial();

}  // namespace trireme::test
