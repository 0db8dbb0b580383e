// The installation's two secrets, each given by the environment or made once and kept as a file of mode
// 0600 in DATA_DIR (DESIGN §8). They are unrelated: the first signs session tokens, the second seals
// upstream keys in the database.
//
// Files are made whole or not at all and by one process only, however many start at once. Nodes that do
// not share DATA_DIR must be given both secrets. Errors are sentences for the operator.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fluxgate::identity {

inline constexpr std::string_view kSecretKeyFile = ".webui_secret_key";
inline constexpr std::string_view kMasterKeyFile = "master.key";

// WEBUI_SECRET_KEY when `given` is not empty, else the kept one, else a new one of 256 bits. The
// original's built-in secret, which is public, is refused wherever it comes from.
Result<std::string> session_secret(std::string_view given, const std::filesystem::path& data_dir);

// The 32 bytes that FLUXGATE_MASTER_KEY stands for: 64 hex digits, the base64 of 32 bytes, or any
// passphrase of 16 characters and more (argon2id with a fixed salt, so that it needs no state; about
// 100 ms). Empty: the kept file, else a new one.
Result<std::string> master_key(std::string_view given, const std::filesystem::path& data_dir);

}  // namespace fluxgate::identity
