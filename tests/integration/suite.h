// What the tests share: one server with the sandbox, its contract, and people.
#pragma once

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "client.h"
#include "contract.h"
#include "server_process.h"

namespace fluxgate::integration {

struct Person {
  std::string id, email, token;
};

inline constexpr const char* kPassword = "correct horse battery";
inline constexpr const char* kModel = "fal-ai/flux-1/schnell";

// The shared server, up for the whole run. New accounts are users with 100 credits.
const Client& api();
Contract& contract();
const std::filesystem::path& data_folder();
const Person& admin();
// A new account; `role` as an admin would set it.
Person somebody(const std::string& role = "user");
void set_credit(const Person& person, double credit);
double balance(const Person& person);

// A submit that must work; the task's id.
std::string submit(const Person& person, boost::json::object body,
                   const std::string& endpoint = "text-to-image");
boost::json::object text_body(std::string prompt);
// The task once it has ended (or `until` holds), as its owner sees it.
boost::json::object ended(const Client& client, const Person& person, const std::string& id);
boost::json::object ended(const Person& person, const std::string& id);

// A PNG of that size with picture content, as big files of a given weight are made of.
std::string png(int width, int height);
// A valid PNG of exactly that many bytes.
std::string png_of_bytes(std::size_t bytes);
// Uploads it; the link.
std::string uploaded(const Person& person);

// The "loc" of the first refused member, e.g. "body/num_images".
std::string first_loc(const Answer& answer);

}  // namespace fluxgate::integration
