#include "rpc/peer_certificate.h"

#include <openssl/x509v3.h>

#include <string_view>

namespace trireme::rpc {
namespace {

struct NamesFree {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

std::string_view TextOf(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

bool HasUri(const X509* certificate, std::string_view uri) {
  const std::unique_ptr<GENERAL_NAMES, NamesFree> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_URI && TextOf(name->d.uniformResourceIdentifier) == uri) return true;
  }
  return false;
}

}  // namespace

void PeerCertificate::Free::operator()(x509_st* certificate) const {
  X509_free(certificate);
}

std::string PeerCertificate::CommonName() const {
  const X509_NAME* subject = X509_get_subject_name(certificate_.get());
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return "";
  return std::string(TextOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
}

bool PeerCertificate::Bears(const std::string& name) const {
  X509* const certificate = certificate_.get();
  return X509_check_host(certificate, name.data(), name.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                         nullptr) == 1 ||
         X509_check_ip_asc(certificate, name.c_str(), 0) == 1 || HasUri(certificate, name);
}

}  // namespace trireme::rpc
