#include "net/guard.h"

#include <gtest/gtest.h>

#include "net/url.h"

namespace fluxgate::net {
namespace {

std::string rule(std::string_view url, const std::vector<std::string>& exempt = {}) {
  const auto checked = check_fetch_url(url, exempt);
  if (checked) return "ok";
  EXPECT_EQ(checked.error().errc(), Errc::invalid);
  EXPECT_FALSE(checked.error().message().zh.empty());
  return checked.error().context().at("rule").as_string().c_str();
}

TEST(Guard, PassesPublicLinksOnWebPorts) {
  for (const char* url :
       {"http://example.com/a.png", "https://example.com", "HTTPS://Example.COM:443/?q#f",
        "http://example.com:8080/", "https://sub_domain.example.com:8443/x", "http://example.com./",
        "http://8.8.8.8/x.png", "http://[2606:4700::1111]/", "https://xn--fsqu00a.xn--0zwm56d/",
        "https://example.com/图片.png?size=<1>|2", "http://example.com:/"})
    EXPECT_EQ(rule(url), "ok") << url;
}

TEST(Guard, RefusesEverySpellingOfAPrivateIpv4Address) {
  for (const char* host : {"127.0.0.1",
                           "127.1",
                           "127.0.1",
                           "2130706433",
                           "0x7f.1",
                           "0x7f000001",
                           "0x7F.0x0.0x0.0x1",
                           "0177.0.0.1",
                           "0177.1",
                           "017700000001",
                           "127.0.0.1.",
                           "127.1.",
                           "%31%32%37.0.0.1",
                           "0",
                           "0x0",
                           "0.0.0.0",
                           "127.0.0.01",
                           "00.0.0.0",
                           "0x",
                           "127.0.0.0x1",
                           "1.2.3.4.5",
                           "256.1.1.1",
                           "1.2.3.256"})
    EXPECT_EQ(rule(std::string("http://") + host + "/"), "url_address") << host;
}

TEST(Guard, RefusesOddSpellingsOfPublicAddressesToo) {
  for (const char* host : {"134744072", "0x08080808", "010.8.8.8", "8.8.2056", "8.8.8.8."})
    EXPECT_EQ(rule(std::string("http://") + host + "/"), "url_address") << host;
}

TEST(Guard, RefusesSpecialIpv4Blocks) {
  for (const char* host :
       {"0.0.0.0",         "0.255.255.255",   "10.0.0.0",        "10.255.255.255", "100.64.0.0",
        "100.100.100.200", "100.127.255.255", "127.255.255.255", "168.63.129.16",  "169.254.169.254",
        "172.16.0.0",      "172.31.255.255",  "192.0.0.1",       "192.0.2.1",      "192.88.99.1",
        "192.168.0.0",     "192.168.255.255", "198.18.0.0",      "198.19.255.255", "198.51.100.7",
        "203.0.113.9",     "224.0.0.1",       "239.255.255.255", "240.0.0.1",      "255.255.255.255"}) {
    EXPECT_EQ(rule(std::string("http://") + host + "/"), "url_address") << host;
    EXPECT_FALSE(is_public_address(host)) << host;
  }
}

TEST(Guard, PassesTheNeighboursOfSpecialIpv4Blocks) {
  for (const char* host :
       {"1.0.0.0",         "9.255.255.255",  "11.0.0.0",       "100.63.255.255", "100.128.0.0",
        "126.255.255.255", "128.0.0.0",      "168.63.129.15",  "168.63.129.17",  "169.253.255.255",
        "169.255.0.0",     "172.15.255.255", "172.32.0.0",     "192.0.1.0",      "192.0.3.0",
        "192.167.255.255", "192.169.0.0",    "198.17.255.255", "198.20.0.0",     "223.255.255.255"})
    EXPECT_TRUE(is_public_address(host)) << host;
}

TEST(Guard, RefusesSpecialIpv6Addresses) {
  for (const char* host : {"::",
                           "::1",
                           "::127.0.0.1",
                           "::8.8.8.8",
                           "::ffff:127.0.0.1",
                           "::ffff:7f00:1",
                           "::ffff:10.0.0.1",
                           "0:0:0:0:0:ffff:169.254.169.254",
                           "64:ff9b::127.0.0.1",
                           "64:ff9b::a00:1",
                           "64:ff9b:1::1",
                           "100::1",
                           "2001::1",
                           "2001:db8::1",
                           "2001:1ff:ffff::1",
                           "2002:7f00:1::",
                           "2002:808:808::",
                           "3fff::1",
                           "fc00::1",
                           "fd12:3456::1",
                           "fe80::1",
                           "febf::1",
                           "fec0::1",
                           "ff02::1",
                           "4000::1",
                           "5f00::1"}) {
    EXPECT_EQ(rule(std::string("http://[") + host + "]/"), "url_address") << host;
    EXPECT_FALSE(is_public_address(host)) << host;
  }
}

TEST(Guard, PassesGlobalIpv6Addresses) {
  for (const char* host : {"2000::1", "2001:200::1", "2001:4860:4860::8888", "2003::1", "3ffe:ffff::1",
                           "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"}) {
    EXPECT_TRUE(is_public_address(host)) << host;
    EXPECT_EQ(rule(std::string("http://[") + host + "]/"), "ok") << host;
  }
}

TEST(Guard, TakesScopedAndUnreadableAddressesForPrivate) {
  EXPECT_FALSE(is_public_address("fe80::1%eth0"));
  EXPECT_FALSE(is_public_address("2001:4860::1%1"));
  EXPECT_FALSE(is_public_address(""));
  EXPECT_FALSE(is_public_address("example.com"));
  EXPECT_NE(rule("http://[fe80::1%25eth0]/"), "ok");
  EXPECT_NE(rule("http://[v1.x]/"), "ok");
}

TEST(Guard, RefusesOtherSchemes) {
  for (const char* url :
       {"ftp://example.com/", "file:///etc/passwd", "gopher://example.com:80/", "javascript:alert(1)"})
    EXPECT_EQ(rule(url), "url_scheme") << url;
}

TEST(Guard, RefusesUserInfo) {
  for (const char* url : {"http://user@example.com/", "http://user:pass@example.com/", "http://@example.com/",
                          "http://example.com@127.0.0.1/", "http://8.8.8.8%3a80@127.0.0.1/"})
    EXPECT_EQ(rule(url), "url_userinfo") << url;
}

TEST(Guard, RefusesOtherPorts) {
  for (const char* url : {"http://example.com:22/", "http://example.com:81/", "https://example.com:6379/",
                          "http://example.com:0/", "http://example.com:65536/", "http://example.com:65616/",
                          "http://example.com:18446744073709551696/"})
    EXPECT_EQ(rule(url), "url_port") << url;
}

TEST(Guard, RefusesTextsThatParsersReadDifferently) {
  for (const char* url :
       {"", "example.com/a.png", "http://", "http:///a", "http:example.com", "http://exa mple.com/",
        "http://example.com\\@127.0.0.1/", "http://example.com /", "http://example.com/a b",
        "http://example.com/\r\nHost: x", "http://example.com/\t", "http://example.com/%zz", "http://[::1/",
        "http://example.com:80:80/", " http://example.com/"})
    EXPECT_NE(rule(url), "ok") << url;
}

TEST(Guard, RefusesHostsWithOddCharacters) {
  for (const char* url :
       {"http://例え.jp/", "http://１２７.0.0.1/", "http://127。0。0。1/", "http://ⓔxample.com/",
        "http://example..com/", "http://.example.com/", "http://example.com../", "http://exa%00mple.com/",
        "http://example.com%2f@x/", "http://%E3%80%82/", "http://a%20b.com/", "http://exam!ple.com/"})
    EXPECT_NE(rule(url), "ok") << url;
}

TEST(Guard, LetsExemptOriginsPassExactly) {
  const std::vector<std::string> exempt = {"http://10.0.0.5:9000", "https://Store.local/prefix"};
  EXPECT_EQ(rule("http://10.0.0.5:9000/a.png", exempt), "ok");
  EXPECT_EQ(rule("https://store.local:443/a.png", exempt), "ok");
  EXPECT_EQ(rule("https://10.0.0.5:9000/a.png", exempt), "url_address");
  EXPECT_EQ(rule("http://10.0.0.5:9001/a.png", exempt), "url_address");
  EXPECT_EQ(rule("http://x@10.0.0.5:9000/a.png", exempt), "url_userinfo");
}

TEST(Guard, NamesRuleAndWhatWasReceived) {
  const std::string url = "http://10.0.0.1/" + std::string(200, 'x');
  const auto checked = check_fetch_url(url);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), "url_not_allowed");
  const std::string received = checked.error().context().at("received").as_string().c_str();
  EXPECT_TRUE(received.starts_with("http://10.0.0.1/xxx"));
  EXPECT_LT(received.size(), 110u);
}

TEST(Guard, MeasuresTheLengthOfALink) {
  const std::string stem = "http://example.com/";
  EXPECT_EQ(rule(stem + std::string(kUrlLengthMax - stem.size(), 'x')), "ok");
  EXPECT_EQ(rule(stem + std::string(kUrlLengthMax + 1 - stem.size(), 'x')), "url_syntax");
}

TEST(Guard, TellsOrigins) {
  EXPECT_EQ(origin_of("HTTPS://Example.com/a"), "https://example.com:443");
  EXPECT_EQ(origin_of("http://[::1]:81"), "http://[::1]:81");
  EXPECT_EQ(origin_of("/a"), "");
}

TEST(Url, IsWrittenBackInOneSpelling) {
  EXPECT_EQ(parse_url("HTTP://EXAMPLE.com:80?a=1#frag")->text, "http://example.com/?a=1");
  EXPECT_EQ(parse_url("http://%45xample.com:8080/a/../b")->text, "http://example.com:8080/a/../b");
  EXPECT_EQ(parse_url("https://example.com/é|[x]")->text, "https://example.com/%C3%A9%7C%5Bx%5D");
  EXPECT_EQ(parse_url("http://%31%32%37.0.0.1/")->host_kind, Url::Host::ipv4);
  EXPECT_EQ(parse_url("http://[::FFFF:1.2.3.4]/")->host, "::ffff:1.2.3.4");
}

TEST(Url, ResolvesRedirects) {
  const auto base = *parse_url("https://example.com/a/b?c");
  EXPECT_EQ(resolve_url(base, "../d")->text, "https://example.com/d");
  EXPECT_EQ(resolve_url(base, "//other.example/x")->text, "https://other.example/x");
  EXPECT_EQ(resolve_url(base, "?q")->text, "https://example.com/a/b?q");
  EXPECT_EQ(resolve_url(base, "file:///etc/passwd").error(), UrlFault::scheme);
}

}  // namespace
}  // namespace fluxgate::net
