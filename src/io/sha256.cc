#include "io/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace trireme::io {

Sha256::Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  TRIREME_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
}

void Sha256::Add(std::string_view bytes) {
  TRIREME_CHECK(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1);
}

std::string Sha256::Finish() {
  std::string digest(kSha256Bytes, '\0');
  TRIREME_CHECK(EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()),
                                   nullptr) == 1);
  return digest;
}

void TrailingSha256::Add(std::string_view bytes) {
  size_bytes_ += bytes.size();
  tail_ += bytes;
  if (tail_.size() <= kSha256Bytes) return;
  const std::size_t surely_before = tail_.size() - kSha256Bytes;
  hash_.Add(std::string_view(tail_).substr(0, surely_before));
  tail_.erase(0, surely_before);
}

bool TrailingSha256::EndsWithItself() {
  return hash_.Finish() == tail_;
}

}  // namespace trireme::io
