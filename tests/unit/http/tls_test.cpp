#include <filesystem>

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include "client.h"

namespace fluxgate::http {
namespace {

using namespace test;
namespace asio = boost::asio;
using asio::ip::tcp;

// A self-signed certificate for "localhost" and its key, in files that go away with the test.
class Certificate {
 public:
  Certificate() {
    std::string name = (std::filesystem::temp_directory_path() / "tls_test.XXXXXX").string();
    folder_ = mkdtemp(name.data());
    EVP_PKEY* pair = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, pair);
    X509_NAME* subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_sign(certificate, pair, EVP_sha256());
    std::FILE* out = std::fopen(path().c_str(), "w");
    PEM_write_X509(out, certificate);
    std::fclose(out);
    out = std::fopen(key().c_str(), "w");
    PEM_write_PrivateKey(out, pair, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(out);
    X509_free(certificate);
    EVP_PKEY_free(pair);
  }
  ~Certificate() { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ / "certificate.pem"; }
  std::string key() const { return folder_ / "key.pem"; }
  ServerOptions options() const {
    ServerOptions options;
    options.tls_certificate = path();
    options.tls_key = key();
    return options;
  }

 private:
  std::filesystem::path folder_;
};

class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port) : context_(asio::ssl::context::tls_client), stream_(io_, context_) {
    stream_.next_layer().connect({asio::ip::address_v4::loopback(), port});
    stream_.handshake(asio::ssl::stream_base::client);
  }
  // Until the server's close_notify.
  std::string read_all(std::string_view request) {
    asio::write(stream_, asio::buffer(request));
    std::string out;
    boost::system::error_code ec;
    asio::read(stream_, asio::dynamic_buffer(out), ec);
    EXPECT_EQ(asio::error::eof, ec) << ec.message();
    return out;
  }

 private:
  asio::io_context io_;
  asio::ssl::context context_;
  asio::ssl::stream<tcp::socket> stream_;
};

Router routes(const std::string& file) {
  Router router;
  router.get("/secure", [](Request& request) -> awaitable<Result<Response>> {
    co_return Response::text(request.over_tls() ? "yes" : "no");
  });
  router.get("/file", [file](Request&) -> awaitable<Result<Response>> {
    co_return Response::file({file, "application/octet-stream", ""});
  });
  router.post("/count", [](Request& request) -> awaitable<Result<Response>> {
    auto body = co_await request.read_body(10'000'000);
    if (!body) co_return fail(body.error());
    co_return Response::text(std::to_string(body->size()));
  });
  return router;
}

TEST(Tls, ServesRequestsAndSaysGoodbye) {
  const Certificate certificate;
  TestServer server(routes(""), certificate.options());
  TlsClient client(server.port());
  const std::string first = client.read_all(get("/secure") + get("/secure", "Connection: close\r\n"));
  EXPECT_TRUE(first.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(first.ends_with("\r\n\r\nyes"));
}

TEST(Tls, CarriesLargeBodiesAndFiles) {
  const Certificate certificate;
  const std::string file = certificate.path() + ".big";
  {
    std::FILE* out = std::fopen(file.c_str(), "w");
    const std::string content(3'000'000, 'f');
    std::fwrite(content.data(), 1, content.size(), out);
    std::fclose(out);
  }
  TestServer server(routes(file), certificate.options());
  const std::string answer = TlsClient(server.port()).read_all(get("/file", "Connection: close\r\n"));
  EXPECT_TRUE(answer.ends_with(std::string(3'000'000, 'f')));
  const std::string counted =
      TlsClient(server.port()).read_all(post("/count", std::string(5'000'000, 'x'), "Connection: close\r\n"));
  EXPECT_TRUE(counted.ends_with("5000000"));
}

TEST(Tls, SurvivesAClientThatSpeaksPlainHttp) {
  const Certificate certificate;
  TestServer server(routes(""), certificate.options());
  Client plain(server.port());
  plain.send(get("/secure"));
  EXPECT_EQ(0, plain.read_answer().status);
  EXPECT_TRUE(TlsClient(server.port()).read_all(get("/secure", "Connection: close\r\n")).ends_with("yes"));
}

TEST(Tls, RefusesToStartWithoutAUsableCertificate) {
  ServerOptions options;
  options.tls_certificate = "/nonexistent/certificate.pem";
  options.tls_key = "/nonexistent/key.pem";
  try {
    TestServer server(routes(""), options);
    ADD_FAILURE() << "started without a certificate";
  } catch (const std::runtime_error& e) {
    EXPECT_NE(std::string::npos, std::string(e.what()).find("certificate.pem"));
  }
}

}  // namespace
}  // namespace fluxgate::http
