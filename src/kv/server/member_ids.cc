#include "kv/server/member_ids.h"

#include <openssl/sha.h>

#include <algorithm>

namespace trireme::kv::inline engine {
namespace {

std::uint64_t FirstWordOfSha1(const std::string& bytes) {
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  std::uint64_t word = 0;
  for (int i = 0; i < 8; ++i) word = word << 8 | digest[i];
  return word;
}

}  // namespace

std::uint64_t MemberIdOf(std::vector<std::string> peer_urls, const std::string& token) {
  std::sort(peer_urls.begin(), peer_urls.end());
  std::string joined;
  for (const std::string& url : peer_urls) joined += url;
  return FirstWordOfSha1(joined + token);
}

std::uint64_t ClusterIdOf(std::vector<std::uint64_t> member_ids) {
  std::sort(member_ids.begin(), member_ids.end());
  std::string bytes;
  for (const std::uint64_t id : member_ids)
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(id >> shift));
  return FirstWordOfSha1(bytes);
}

}  // namespace trireme::kv::inline engine
