// A fake Tencent COS bucket over real HTTP: what the stores' tests run against, and a place to try settings
// without an account (spec storage-cos §1-§5, §8). Verifies every signature by code of its own. One bucket in one
// region; any Host that is none of COS's is taken for the bucket's custom domain. What is signed as S3 wants it is met on
// the bucket's S3 side, which has the bucket at the head of the path. Pictures are processed on reading
// (cos_image.h). Without a key, GET /_sandbox/stats tells what was asked: {"requests": {"put": 2, "part": 7},
// "parts": 2, "images": ["imageMogr2/…"]}; "parts" are those that wait to be joined.
//
// Bytes lie in `folder` while this object lives; what is kept is forgotten with it.
//
// Faults are written "operation-what[;after=N][;times=N]": the first N requests of the kind are spared, N are hit.
// Operations: put get image head delete list initiate part parts uploads complete abort, or any. What: a code of COS ("SlowDown", answered with its status), "200-<code>"
// (an Error under 200), "lost" (done, then the connection is reset), "reset" (not done), "hang" (not done, and
// no answer for five minutes), "truncated" (half of the body), "damaged" (other bytes are kept than came).
//
// Threads: `start` runs the server's own; every function may be called from any other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace fluxgate::sandbox {

struct CosOptions {
  std::string folder;  // made when absent
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0 = any free one
  std::string bucket = "studio-1250000000";
  std::string region = "ap-guangzhou";
  std::string secret_id = "AKIDsandbox";
  std::string secret_key = "sandboxSecretKey";
  std::string token = {};                // of temporary credentials: then it must come with every request
  std::vector<std::string> denied = {};  // actions the key lacks: "PutObject", "ListMultipartUploads"
  std::vector<std::string> faults = {};  // unknown ones make the constructor throw std::invalid_argument
};

class CosSandbox {
 public:
  explicit CosSandbox(CosOptions options, const Clock& clock = system_clock());
  ~CosSandbox();  // stops

  void start();  // throws std::runtime_error when it cannot listen
  void stop();
  std::string base_url() const;  // "http://127.0.0.1:40123"; after start

  void add_fault(std::string_view text);
  void deny(std::vector<std::string> actions);
  // Operations that were asked for, refused ones too, in order: "put ab/cd.png", "part clip.mp4".
  std::vector<std::string> requests() const;
  std::vector<std::string> hosts() const;  // of the same requests
  std::vector<std::string> keys() const;   // of the objects that are there
  std::string content(std::string_view key) const;
  std::size_t open_uploads() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fluxgate::sandbox
